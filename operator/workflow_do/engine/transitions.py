"""The Kubernetes Events of one status write: what changed that a person wants to be told.

Only start, finish and failure, since each Event is a POST. An Event is told by the write that made
it true, so that it is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workflow_do.api import conditions as cond
from workflow_do.api.conditions import Condition, ConditionType
from workflow_do.api.run import RunStatus, StepState, UnitStatus
from workflow_do.engine.identity import Role
from workflow_do.engine.ledger import of_status, record_of
from workflow_do.engine.report import completed


@dataclass(frozen=True, slots=True)
class Note:
    """One Event: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


_NAMES: Final = {
    Role.DO: "step {}",
    Role.UNDO: "undo of step {}",
    Role.ON_FAILURE: "onFailure",
}


def transitions(old: RunStatus, new: RunStatus) -> tuple[Note, ...]:
    """The Events of a change from `old` to `new`."""
    return tuple([*_start(old, new), *_units(old, new), *_end(old, new)])


def ended(old: RunStatus, new: RunStatus) -> tuple[tuple[str, ...], str | None]:
    """In which states units have ended between `old` and `new`, and the reason of the run's end."""
    before = of_status(old)
    states = []
    for unit, record in of_status(new).units():
        known = record_of(before, unit)
        if record.state.terminal and not (known is not None and known.state.terminal):
            states.append(record.state.value)
    verdict = cond.find(new.conditions, ConditionType.SUCCEEDED)
    over = completed(new) and not completed(old) and verdict is not None
    return tuple(states), verdict.reason if over and verdict is not None else None


def _start(old: RunStatus, new: RunStatus) -> Iterator[Note]:
    if old.revision_name is None and new.revision_name is not None:
        yield Note("Normal", "Started", f"pinned to revision {new.revision_name}")


def _units(old: RunStatus, new: RunStatus) -> Iterator[Note]:
    before = of_status(old)
    for unit, record in of_status(new).units():
        known = record_of(before, unit)
        was = known.state if known is not None else StepState.PENDING
        if record.state is was:
            continue
        name = _NAMES[unit.role].format(unit.step)
        yield from _unit(name, record)


def _unit(name: str, record: UnitStatus) -> Iterator[Note]:
    state = record.state
    if state.terminal and state is not StepState.SUCCEEDED:
        yield Note("Warning", record.reason or state.value, f"{name}: {record.message or state}")


def _end(old: RunStatus, new: RunStatus) -> Iterator[Note]:
    if completed(old) or not completed(new):
        return
    verdict: Condition | None = cond.find(new.conditions, ConditionType.SUCCEEDED)
    if verdict is None:
        return
    message = verdict.message or verdict.reason
    if verdict.status == "True":
        yield Note("Normal", verdict.reason, message)
    elif of_status(new).first_failure() is None:
        yield Note("Warning", verdict.reason, message)
    else:  # its step has told the reason
        yield Note("Warning", "Failed", f"{verdict.reason}: {message}")
