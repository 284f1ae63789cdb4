"""The ledger of a run: one record per unit, the status as written plus what Jobs add to it.

A Job that the status does not know yet counts as started: the operator crashed, or its write was
refused, between the POST and the PATCH. Only a Job whose name is the one derived from its labels,
and whose owner is the run, is taken in. A record that has ended never changes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from workflow_do.api.run import (
    CompensationStatus,
    HandlerStatus,
    RunStatus,
    StepState,
    StepStatus,
    UnitStatus,
)
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import JobFact, Run
from workflow_do.engine.identity import Role, Unit, job_name
from workflow_do.engine.timestamps import stamp

_OF_ONE_TRY: Final = (
    "reason",
    "message",
    "exit_code",
    "stop_reason",
    "retry_time",
    "completion_time",
    "output",
    "output_ref",
    "taken_over",
)
_WITHOUT_TROUBLE: Final = frozenset({StepState.PENDING, StepState.RUNNING, StepState.SUCCEEDED})
_MAY_HAVE_UNDONE: Final = frozenset(set(StepState) - {StepState.PENDING, StepState.NOT_STARTED})
_ROLES: Final = frozenset(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of all units. `handler` is None until it is started."""

    steps: tuple[StepStatus, ...]
    handler: HandlerStatus | None = None

    def units(self) -> Iterator[tuple[Unit, UnitStatus]]:
        """Every unit that has a record, in order; an undo after what it undoes."""
        for step in self.steps:
            yield Unit(Role.DO, step.id), step
            if step.compensation is not None:
                yield Unit(Role.UNDO, step.id), step.compensation
        if self.handler is not None:
            yield Unit(Role.ON_FAILURE), self.handler

    def next_seq(self) -> int:
        """The number of the next start in this run, from 1."""
        return 1 + max((u.seq or 0 for _, u in self.units()), default=0)

    def undo_of(self, unit: Unit) -> CompensationStatus | None:
        """The record of the undo of a step; None where it has not begun."""
        return next((s.compensation for s in self.steps if s.id == unit.step), None)

    def first_failure(self) -> StepStatus | None:
        """The first step, in order, that ended in anything but success."""
        return next(
            (s for s in self.steps if s.state.terminal and s.state is not StepState.SUCCEEDED),
            None,
        )

    def trouble(self) -> tuple[tuple[Unit, StepState, int], ...]:
        """Every unit that did not succeed: ended, or waiting for another try."""
        return tuple(
            (unit, record.state, record.tries)
            for unit, record in self.units()
            if record.state not in _WITHOUT_TROUBLE
        )

    def next_step(self) -> StepStatus | None:
        """The first step that has not ended."""
        return next((s for s in self.steps if not s.state.terminal), None)

    def update(self, definition: UnitDef, **changes: Any) -> Ledger:
        """The ledger with fields of one unit's record changed."""
        if definition.unit.role is Role.ON_FAILURE:
            old = self.handler or HandlerStatus(action=definition.action.name)
            return replace(self, handler=old.model_copy(update=changes))
        if definition.unit.role is Role.UNDO:
            known = self.undo_of(definition.unit)
            undo = known or CompensationStatus(action=definition.action.name)
            changes = {"compensation": undo.model_copy(update=changes)}
        steps = tuple(
            s.model_copy(update=changes) if s.id == definition.unit.step else s for s in self.steps
        )
        return replace(self, steps=steps)


def opening(definition: Definition, original: RunStatus | None, alike: frozenset[str]) -> Ledger:
    """The ledger of a run that has not begun: every step Pending, in order.

    In a retry, a step that succeeded in the original run keeps its output and the hash of its
    input: it is taken over when its turn comes, if it would get the same input again.
    """
    before = {s.id: s for s in original.steps} if original is not None else {}
    return Ledger(
        tuple(_opened(s, before.get(s.unit.step), s.unit.step in alike) for s in definition.steps)
    )


def _opened(unit: UnitDef, before: StepStatus | None, alike: bool) -> StepStatus:
    """Pending. The epoch never falls; the hash of an input stands for one that succeeded.

    What was undone, or may have been, runs again as another piece of work.
    """
    fresh = StepStatus(id=unit.unit.step, action=unit.action.name)
    if before is None:
        return fresh
    if before.compensation is not None and before.compensation.state in _MAY_HAVE_UNDONE:
        return fresh.model_copy(update={"epoch": (before.epoch or 0) + 1})
    waits = before.state is StepState.PENDING and before.input_hash is not None
    if before.state is not StepState.SUCCEEDED and not waits:
        return fresh.model_copy(update={"epoch": before.epoch})
    kept: dict[str, Any] = {"input_hash": before.input_hash, "epoch": before.epoch}
    if alike and (before.state is StepState.SUCCEEDED or before.taken_over):
        given = {"output": before.output, "output_ref": before.output_ref}
        kept |= {**given, "taken_over": True}
    return fresh.model_copy(update=kept)


def of_status(status: RunStatus) -> Ledger:
    """The ledger as last written."""
    return Ledger(status.steps, status.on_failure)


def fold(ledger: Ledger, run: Run, definition: Definition, jobs: tuple[JobFact, ...]) -> Ledger:
    """The ledger with every Job of the run that it does not know yet, oldest first."""
    units = {u.unit: u for u in units_of(definition)}
    for job in sorted(jobs, key=lambda j: (j.seq, j.try_, j.name)):
        unit = identified(run, job)
        known = units.get(unit) if unit is not None else None
        if known is not None and _is_news(ledger, known, job):
            record = record_of(ledger, known.unit)
            ledger = ledger.update(known, **started(job, record))
    return ledger


def identified(run: Run, job: JobFact) -> Unit | None:
    """The unit that a Job is a try of; None for one that is not this run's own."""
    if job.owner_uid != run.uid or job.try_ < 1 or job.role not in _ROLES:
        return None
    unit = Unit(Role(job.role), job.step)
    return unit if job.name == job_name(run.name, run.uid, unit, job.try_) else None


def units_of(definition: Definition) -> Iterator[UnitDef]:
    """Every unit that a definition can start."""
    yield from definition.steps
    yield from definition.undos.values()
    if definition.handler is not None:
        yield definition.handler


def record_of(ledger: Ledger, unit: Unit) -> UnitStatus | None:
    """The record of a unit; None where it has none."""
    if unit.role is Role.ON_FAILURE:
        return ledger.handler
    if unit.role is Role.UNDO:
        return ledger.undo_of(unit)
    return next((s for s in ledger.steps if s.id == unit.step), None)


def _is_news(ledger: Ledger, unit: UnitDef, job: JobFact) -> bool:
    record = record_of(ledger, unit.unit)
    return record is None or (not record.state.terminal and job.try_ > record.tries)


def started(job: JobFact, record: UnitStatus | None) -> dict[str, Any]:
    """The changes by a new try: what the one before had ended with is over. The first start stays
    the start.
    """
    first = record.start_time if record is not None else None
    created: datetime | None = job.created
    return {
        "state": StepState.RUNNING,
        "tries": job.try_,
        "seq": job.seq,
        "job_name": job.name,
        "job_uid": job.uid,
        "input_hash": job.input_hash,
        "epoch": job.epoch or None,
        "start_time": first or (stamp(created) if created is not None else None),
        **dict.fromkeys(_OF_ONE_TRY),
    }
