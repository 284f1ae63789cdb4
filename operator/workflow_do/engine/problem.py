"""A problem as a value: why something cannot go on. Engine code returns these, never raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.engine.wording import violations

_BY_VALUE: Final = {str(reason): reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason and a message that names the place and the cure."""

    reason: Reason
    message: str


def describe(error: ValidationError, limit: int = 3) -> str:
    """The first violations of a model, each as `place: what is wrong`, without the values."""
    rows = [str(violation) for violation in violations(error)]
    more = f" (and {len(rows) - limit} more)" if len(rows) > limit else ""
    return ("; ".join(rows[:limit]) + more)[: names.MAX_MESSAGE_CHARS]


def find_reason(value: str | None) -> Reason | None:
    """The reason of that word; None where it is none of ours."""
    return _BY_VALUE.get(value) if value is not None else None
