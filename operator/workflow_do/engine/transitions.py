"""The Kubernetes Events of one status write: what changed that a person wants to be told.

Only start, finish and failure, since each Event is a POST. An Event is told by the write that made
it true, so that it is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workflow_do.api import conditions as cond
from workflow_do.api.conditions import Condition, ConditionType
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus, UnitStatus
from workflow_do.engine.effects import Effect, ExpirePod, SuspendJob
from workflow_do.engine.identity import Role
from workflow_do.engine.ledger import of_status
from workflow_do.engine.report import completed


@dataclass(frozen=True, slots=True)
class Note:
    """One Event: `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def transitions(old: RunStatus, new: RunStatus) -> tuple[Note, ...]:
    """The Events of a change from `old` to `new`."""
    return tuple([*_start(old, new), *_units(old, new), *_end(old, new)])


def ended(old: RunStatus, new: RunStatus) -> tuple[tuple[str, ...], str | None]:
    """In which states units have ended between `old` and `new`, and the reason of the run's end."""
    before = of_status(old)
    states = []
    for unit, record in of_status(new).units():
        known = before.find(unit)
        if record.state.terminal and not (known is not None and known.state.terminal):
            states.append(record.state.value)
    verdict = cond.find(new.conditions, ConditionType.SUCCEEDED)
    over = completed(new) and not completed(old) and verdict is not None
    return tuple(states), verdict.reason if over and verdict is not None else None


def stopped(effects: Iterable[Effect]) -> tuple[Note, ...]:
    """The Events of what was stopped because it turned up too late."""
    late = "turned up after its step or the run had ended, and was stopped"
    return tuple(
        Note("Warning", Reason.LATE_JOB, f"{what} {late}")
        for what in (_stray(effect) for effect in effects)
        if what is not None
    )


def _stray(effect: Effect) -> str | None:
    if isinstance(effect, SuspendJob) and effect.stray:
        return f"the Job {effect.job_name}"
    if isinstance(effect, ExpirePod) and effect.stray:
        return f"the Pod {effect.pod_name}"
    return None


def _start(old: RunStatus, new: RunStatus) -> Iterator[Note]:
    if old.revision_name is None and new.revision_name is not None:
        yield Note("Normal", "Started", f"pinned to revision {new.revision_name}")


def _units(old: RunStatus, new: RunStatus) -> Iterator[Note]:
    """One for each step and handler that failed; its items are told of with their step."""
    before = of_status(old)
    for unit, record in of_status(new).units():
        if unit.item is None or unit.role is Role.UNDO:
            yield from _unit(unit.place, before.find(unit), record)
    for step in new.steps:
        if step.items is not None:
            yield from _unit(f"step {step.id}", before.step(step.id), step)


def _unit(name: str, old: UnitStatus | None, new: UnitStatus) -> Iterator[Note]:
    if new.state.bad and (old is None or old.state is not new.state):
        yield Note("Warning", new.reason or new.state.value, f"{name}: {new.message or new.state}")


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
