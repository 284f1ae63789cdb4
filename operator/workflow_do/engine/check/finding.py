"""What a check finds, as values: the place, what is wrong there, and what would be right.

Decides how findings are ordered and told, within bounds. Knows nothing of what is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_TOLD: Final = 20
"""Findings that a condition's message tells; the number of the others follows."""
MAX_TOLD_CHARS: Final = 8 * 1024
"""A condition's message is for people: it may be long, but must not blow up its object."""
MAX_FINDING_CHARS: Final = 600


class Severity(StrEnum):
    """Whether a run could not go well, or might not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` names the place from the object's spec: `steps[1].input.userId`."""

    path: str
    severity: Severity
    message: str
    cure: str = ""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        word = "warning: " if self.severity is Severity.WARNING else ""
        cure = f"; {self.cure}" if self.cure else ""
        return _clip(f"{word}{place}{self.message}{cure}", MAX_FINDING_CHARS)


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that stop new runs."""
    return tuple(f for f in findings if f.severity is Severity.ERROR)


def tell(findings: Sequence[Finding]) -> str:
    """All of them as one text, errors first, cut after a whole finding with how many more."""
    ranked = [*errors(findings), *(f for f in findings if f.severity is Severity.WARNING)]
    told: list[str] = []
    room = MAX_TOLD_CHARS
    for finding in ranked[:MAX_TOLD]:
        text = str(finding)
        room -= len(text) + 2
        if room < 0:
            break
        told.append(text)
    more = len(ranked) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
