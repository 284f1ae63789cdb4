"""A problem as a value: why something cannot go on. Engine code returns these, never raises them."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_do.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason and a message that names the place and the cure."""

    reason: Reason
    message: str
