"""A limit on the Jobs of all runs together: which of them wait, and what is said of it.

    counts ..... the Job of every unit, from its POST until its program surely is over (`live`)
    waits ...... the Job of a step or an item, where as many count already as may
    never ...... an undo, onFailure, finally: what has begun is brought to its end at once

Decides about one run. Whose turn it is among all of them is decided where all are known (the
runtime's `Turns`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from workflow_do.engine.identity import Role


@dataclass(frozen=True, slots=True)
class Crowd:
    """At most `limit` Jobs are live at once; those of these names wait for their turn."""

    limit: int
    waiting: frozenset[str] = frozenset()

    def joined_by(self, names: Iterable[str]) -> Crowd:
        """The same, where these Jobs wait as well."""
        return replace(self, waiting=self.waiting | frozenset(names))

    def describe(self) -> str:
        """What a run that waits says of it: nothing that changes meanwhile, for that would be a
        write each time.
        """
        jobs = "1 Job is" if self.limit == 1 else f"{self.limit} Jobs are"
        return f"waits for its turn: at most {jobs} live at once"


def has_to_wait(role: Role) -> bool:
    """Whether the Job of a unit may be made to wait. An undo or a handler must not: it would stand
    behind the very work that comes after it.
    """
    return role is Role.DO
