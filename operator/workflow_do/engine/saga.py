"""Undoing what was done: which unit is undone next, and what became of all of it.

After Garcia-Molina and Salem, "Sagas" (1987): the compensations of what was done run in the reverse
order of its starts, one at a time, each until it has succeeded or failed for good. Undone is what
Succeeded and what is Unknown; what Failed or never began has, by the contract of an action, done
nothing. Decides from the ledger alone, so that a crash at any write changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from workflow_do.api.base import Json
from workflow_do.api.compensation import FailurePolicy
from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState, StepState, UnitStatus
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import Run
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.ledger import Ledger, unit_of
from workflow_do.engine.problem import Problem

_DID_SOMETHING: Final = (StepState.SUCCEEDED, StepState.UNKNOWN)
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Target:
    """A unit that did something which can be undone, and the record of its undo, if any."""

    unit: Unit
    done: UnitStatus
    undo: UnitDef
    record: UnitStatus | None


@dataclass(frozen=True, slots=True)
class Account:
    """What became of what was to be undone: the condition Compensated."""

    status: str
    reason: Reason
    message: str


def asked(run: Run, definition: Definition, ledger: Ledger) -> bool:
    """Whether what was done is to be undone: a failure under Compensate, or a cancel that says so.

    A plain cancel begins no undo, whatever has happened before.
    """
    wish = run.spec.desired_state
    if wish is DesiredState.CANCELLED:
        return False
    if wish is DesiredState.CANCELLED_WITH_COMPENSATION:
        return True
    compensates = definition.spec.failure_policy is FailurePolicy.COMPENSATE
    return compensates and ledger.first_failure() is not None


def cut_short(run: Run, ledger: Ledger) -> bool:
    """Whether a cancel changes how the run ends. A plain one that comes when every step has ended
    is too late; one that asks for the undo is not before the run is Completed.
    """
    wish = run.spec.desired_state
    if wish is DesiredState.CANCELLED_WITH_COMPENSATION:
        return True
    return wish.cancels and ledger.next_step() is not None


def targets(definition: Definition, ledger: Ledger) -> Iterator[Target]:
    """Everything that can be undone, the last started first."""
    found = []
    for unit, record in ledger.units():
        if unit.role is not Role.DO or record.state not in _DID_SOMETHING:
            continue
        undo = unit_of(definition, Unit(Role.UNDO, unit.step, unit.item))
        if undo is not None:
            of_undo = ledger.find(undo.unit)
            found.append(Target(unit, record, undo, of_undo))
    return iter(sorted(found, key=lambda t: t.done.seq or 0, reverse=True))


def next_undo(run: Run, definition: Definition, ledger: Ledger) -> UnitDef | None:
    """The undo whose turn it is; None where none is asked for or left."""
    return next(undos_left(run, definition, ledger), None)


def undos_left(run: Run, definition: Definition, ledger: Ledger) -> Iterator[UnitDef]:
    """The undos that have not ended, in their order; none where none is asked for."""
    if asked(run, definition, ledger):
        yield from (t.undo for t in targets(definition, ledger) if not _over(t))


def explain(ledger: Ledger, unit: UnitDef, why: Problem) -> Problem:
    """Why a unit cannot start. An undo that cannot be rendered for want of an output that nobody
    knows is not a mistake in the template.
    """
    if unit.unit.role is not Role.UNDO or why.reason is not Reason.INVALID_TEMPLATE:
        return why
    of = replace(unit.unit, role=Role.DO)
    done = ledger.find(of)
    if done is None or done.state is not StepState.UNKNOWN:
        return why
    message = f"the outcome of {of.place} is unknown, and its undo needs it: {why.message}"
    return Problem(Reason.OUTCOME_UNKNOWN, message)


def compensated(definition: Definition, ledger: Ledger) -> list[Json]:
    """What came of each undo, in the order of their starts: `failure.compensated`."""
    return [
        {
            "step": t.unit.step,
            **({} if t.unit.item is None else {"item": t.unit.item}),
            "state": t.record.state.value,
            "reason": t.record.reason,
        }
        for t in targets(definition, ledger)
        if t.record is not None
    ]


def account(run: Run, definition: Definition, ledger: Ledger, *, over: bool) -> Account | None:
    """The condition Compensated; None where there was nothing to undo. `over`: the run ends."""
    if ledger.first_failure() is None and not cut_short(run, ledger):
        return None
    rows = list(targets(definition, ledger))
    left = [t for t in rows if not _over(t)]
    if not rows:
        return None
    if left and asked(run, definition, ledger) and not over:
        message = f"{len(rows) - len(left)} of {len(rows)} undone"
        return Account("Unknown", Reason.COMPENSATING, message)
    failed = [t for t in rows if _over(t) and not _undone(t)]
    if failed:
        return Account("False", Reason.COMPENSATION_FAILED, _list(failed, left))
    if left:
        return Account("False", Reason.NOT_COMPENSATED, _list(failed, left))
    return Account("True", Reason.COMPENSATED, f"{len(rows)} of {len(rows)} undone")


def _over(target: Target) -> bool:
    return target.record is not None and target.record.state.terminal


def _undone(target: Target) -> bool:
    return target.record is not None and target.record.state is StepState.SUCCEEDED


def _list(failed: list[Target], left: list[Target]) -> str:
    parts = []
    if failed:
        parts.append("could not be undone: " + _names(failed, reasons=True))
    if left:
        parts.append("not undone: " + _names(left, reasons=False))
    return "; ".join(parts)[:MAX_MESSAGE_CHARS]


def _names(rows: list[Target], *, reasons: bool) -> str:
    named = [
        f"{t.unit.name} ({t.record.reason})" if reasons and t.record else t.unit.name
        for t in rows[:_NAMED]
    ]
    more = len(rows) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
