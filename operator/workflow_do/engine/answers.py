"""What came of asking, as facts beside those that are watched. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workflow_do.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Guard:
    """What came of an attempt to approve in another's name; no `fault` where it was refused."""

    fault: str = ""


@dataclass(frozen=True, slots=True)
class PastJob:
    """A Job that Events tell of, there or not: its uid, and when it was first spoken of."""

    uid: str
    seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definite no of the API server to a POST: HTTP code and its message."""

    reason: Reason
    message: str
