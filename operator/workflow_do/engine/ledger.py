"""The ledger of a run: one record per unit, the status as written plus what Jobs add to it.

    steps ...... a record for each, in order; one with forEach holds a record per item
    undo ....... within the record of what it undoes
    handler .... onFailure, once it has started
    finals ..... those of `finally` that have started

A Job that the status does not know yet counts as started: the operator crashed, or its write was
refused, between the POST and the PATCH. Only a Job whose name is the one derived from its labels,
and whose owner is the run, is taken in. A record that has ended never changes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from workflow_do.api.reasons import Reason
from workflow_do.api.run import (
    CompensationStatus,
    FinallyStatus,
    HandlerStatus,
    ItemCompensationStatus,
    ItemStatus,
    RunStatus,
    StepState,
    StepStatus,
    UnitStatus,
)
from workflow_do.api.unit import BAD, LIVE
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import JobFact, Run
from workflow_do.engine.identity import Role, Unit, job_name
from workflow_do.engine.timestamps import stamp

OF_ONE_TRY: Final = (
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
_NEVER_CONTINUED: Final = frozenset({Reason.CANCELLED.value, Reason.RUN_DEADLINE_EXCEEDED.value})
_TROUBLED: Final = BAD | {StepState.RETRYING}
_ROLES: Final = frozenset(role.value for role in Role)


def _told_once() -> Any:
    """A field that is filled when it is first asked for, and empty again in every copy."""
    return field(default=None, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of all units. `first` is the step that is on record as the one that ended the
    run; `places` says where each step stands in `steps`. What a plan asks for many times, and of
    hundreds of records, is told once a ledger.
    """

    steps: tuple[StepStatus, ...]
    handler: HandlerStatus | None = None
    finals: tuple[FinallyStatus, ...] = ()
    first: str | None = field(default=None, compare=False)
    places: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    _units: tuple[tuple[Unit, UnitStatus], ...] | None = _told_once()
    _failure: tuple[StepStatus | None] | None = _told_once()
    _jobs: frozenset[str] | None = _told_once()
    _trouble: tuple[tuple[Unit, StepState, int], ...] | None = _told_once()

    def __post_init__(self) -> None:
        if len(self.places) != len(self.steps):
            object.__setattr__(self, "places", {s.id: at for at, s in enumerate(self.steps)})

    def newest_jobs(self) -> frozenset[str]:
        """The uids of the Jobs that the records are of: each unit's newest."""
        if self._jobs is None:
            uids = [record.job_uid for _, record in self.units()]
            object.__setattr__(self, "_jobs", frozenset(filter(None, uids)))
        return self._jobs or frozenset()

    def units(self) -> tuple[tuple[Unit, UnitStatus], ...]:
        """Every unit that has a record, in order; of a step with items those and not the step."""
        if self._units is None:
            object.__setattr__(self, "_units", tuple(self._list_units()))
        return self._units or ()

    def _list_units(self) -> Iterator[tuple[Unit, UnitStatus]]:
        for step in self.steps:
            if _is_one(step):
                yield _unit(Role.DO, step.id), step
            else:
                yield from _of_step(step)
        if self.handler is not None:
            yield Unit(Role.ON_FAILURE), self.handler
        for final in self.finals:
            yield Unit(Role.FINALLY, final.id), final

    def find(self, unit: Unit) -> UnitStatus | None:
        """The record of a unit; None where it has none."""
        match unit.role:
            case Role.ON_FAILURE:
                return self.handler
            case Role.FINALLY:
                return next((f for f in self.finals if f.id == unit.step), None)
            case Role.DO:
                return self._done(unit)
            case Role.UNDO:
                done = self._done(unit)
                return done.compensation if done is not None else None

    def step(self, id_: str) -> StepStatus | None:
        """The record of a step, with or without items."""
        at = self.places.get(id_)
        return self.steps[at] if at is not None else None

    def update(self, definition: UnitDef, **changes: Any) -> Ledger:
        """The ledger with fields of one unit's record changed; one that it lacks is opened.

        An item has no room for some of what is said of a step: that is left out.
        """
        unit = definition.unit
        match unit.role:
            case Role.ON_FAILURE:
                old = self.handler or HandlerStatus(action=definition.action.name)
                return replace(self, handler=old.model_copy(update=changes))
            case Role.FINALLY:
                return replace(self, finals=self._with_final(definition, changes))
            case Role.DO:
                return self._with_done(unit, changes)
            case Role.UNDO:
                undo = self.find(unit) or _no_undo(definition)
                undone = undo.model_copy(update=_known_to(undo, changes))
                return self._with_done(unit, {"compensation": undone})

    def put(self, step: StepStatus) -> Ledger:
        """The ledger with another record of the step with this id."""
        at = self.places[step.id]
        new = replace(self, steps=(*self.steps[:at], step, *self.steps[at + 1 :]))
        object.__setattr__(new, "_units", self._units_with(at, step))
        return new

    def _units_with(self, at: int, step: StepStatus) -> tuple[tuple[Unit, UnitStatus], ...] | None:
        """The units with another record of one step, where that is quick to tell."""
        units, old = self._units or (), self.steps[at]
        if not (_is_one(old) and _is_one(step) and at < len(units) and units[at][1] is old):
            return None
        return (*units[:at], (units[at][0], step), *units[at + 1 :])

    def next_seq(self) -> int:
        """The number of the next start in this run, from 1."""
        return 1 + max((u.seq or 0 for _, u in self.units()), default=0)

    def first_failure(self) -> StepStatus | None:
        """The step that failed first and so ended the run; None while there is none.

        One that the run may go on without is none; an item that failed for good is, at once.
        """
        if self._failure is None:
            object.__setattr__(self, "_failure", (self._find_failure(),))
        return self._failure[0] if self._failure is not None else None

    def _find_failure(self) -> StepStatus | None:
        known = self.step(self.first) if self.first is not None else None
        if known is not None:
            return known
        bad = [
            step
            for step in self.steps
            if (step.state in BAD or step.items is not None) and has_failed(step)
        ]
        return min(bad, key=lambda s: _failed_at(s) or "~", default=None)

    def trouble(self) -> tuple[tuple[Unit, StepState, int], ...]:
        """Every unit that did not succeed: ended, or waiting for another try."""
        if self._trouble is None:
            bad = [row for row in self.units() if row[1].state in _TROUBLED]
            told = tuple((unit, record.state, record.tries) for unit, record in bad)
            object.__setattr__(self, "_trouble", told)
        return self._trouble or ()

    def next_step(self) -> StepStatus | None:
        """The first step that has not ended."""
        return next((s for s in self.steps if s.state in LIVE), None)

    def _done(self, unit: Unit) -> StepStatus | ItemStatus | None:
        step = self.step(unit.step)
        if step is None or unit.item is None:
            return step if step is None or step.items is None else None
        items = step.items or ()
        return items[unit.item] if 0 <= unit.item < len(items) else None

    def _with_done(self, unit: Unit, changes: Mapping[str, Any]) -> Ledger:
        step = self.steps[self.places[unit.step]]
        if unit.item is None:
            return self.put(step.model_copy(update=changes))
        items, at = step.items or (), unit.item
        item = items[at].model_copy(update=_known_to(items[at], changes))
        return self.put(step.model_copy(update={"items": (*items[:at], item, *items[at + 1 :])}))

    def _with_final(
        self, definition: UnitDef, changes: Mapping[str, Any]
    ) -> tuple[FinallyStatus, ...]:
        id_ = definition.unit.step
        finals = self.finals
        if all(f.id != id_ for f in finals):
            finals = (*finals, FinallyStatus(id=id_, action=definition.action.name))
        return tuple(f.model_copy(update=changes) if f.id == id_ else f for f in finals)


def has_failed(step: StepStatus) -> bool:
    """Whether the run ends because of this step: it, or an item of it, failed for good.

    Whatever is asked for with `onError: Continue`, a run that is stopped does not go on.
    """
    parts = (step, *(step.items or ()))
    bad = [part for part in parts if part.state.bad]
    if step.on_error is None:
        return bool(bad)
    return any(part.reason in _NEVER_CONTINUED for part in bad)


def _failed_at(step: StepStatus) -> str | None:
    """When the step failed, or its first item; RFC 3339 in UTC sorts as text."""
    items = [i.completion_time for i in step.items or () if i.state.bad and i.completion_time]
    return min(items, default=step.completion_time)


_unit: Final = lru_cache(maxsize=8192)(Unit)
"""A unit is asked for by every plan; making one anew costs more than finding it."""


def _is_one(step: StepStatus) -> bool:
    """Whether the step is all that there is of it: no items, no undo. So it is with nearly all."""
    return step.items is None and step.compensation is None


def _of_step(step: StepStatus) -> Iterator[tuple[Unit, UnitStatus]]:
    if step.items is None:
        yield _unit(Role.DO, step.id), step
        if step.compensation is not None:
            yield _unit(Role.UNDO, step.id), step.compensation
        return
    for at, item in enumerate(step.items):
        yield _unit(Role.DO, step.id, at), item
        if item.compensation is not None:
            yield _unit(Role.UNDO, step.id, at), item.compensation


def _no_undo(definition: UnitDef) -> CompensationStatus | ItemCompensationStatus:
    if definition.unit.item is not None:
        return ItemCompensationStatus()
    return CompensationStatus(action=definition.action.name)


def _known_to(record: UnitStatus, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in changes.items() if k in type(record).model_fields}


def of_status(status: RunStatus) -> Ledger:
    """The ledger as last written."""
    named = (step for step in status.steps if step.id == status.current_step)
    first = next((step.id for step in named if has_failed(step)), None)
    return Ledger(status.steps, status.on_failure, status.finally_ or (), first)


def fold(ledger: Ledger, run: Run, definition: Definition, jobs: tuple[JobFact, ...]) -> Ledger:
    """The ledger with every Job of the run that it does not know yet, oldest first."""
    known = ledger.newest_jobs()
    news = [job for job in jobs if job.uid not in known and job.try_ > _tries(ledger, job)]
    for job in sorted(news, key=lambda j: (j.seq, j.try_, j.name)):
        unit = identified(run, job)
        of_unit = unit_of(definition, unit) if unit is not None else None
        if of_unit is not None and _is_news(ledger, of_unit, job):
            ledger = ledger.update(of_unit, **started(job, ledger.find(of_unit.unit)))
    return ledger


def _tries(ledger: Ledger, job: JobFact) -> int:
    """How many tries of the unit that the labels name are known; cheap, for most are."""
    record = ledger.find(Unit(Role(job.role), job.step, job.item)) if job.role in _ROLES else None
    return record.tries if record is not None else 0


def identified(run: Run, job: JobFact) -> Unit | None:
    """The unit that a Job is a try of; None for one that is not this run's own."""
    if job.owner_uid != run.uid or job.try_ < 1 or job.role not in _ROLES:
        return None
    unit = Unit(Role(job.role), job.step, job.item)
    return unit if job.name == job_name(run.name, run.uid, unit, job.try_) else None


def unit_of(definition: Definition, unit: Unit) -> UnitDef | None:
    """What a unit runs; None where the definition has no such unit."""
    match unit.role:
        case Role.DO:
            step = definition.step(unit.step)
            if step is None or (step.items is None) != (unit.item is None):
                return None
            return step if unit.item is None else step.of_item(unit.item)
        case Role.ON_FAILURE:
            return definition.handler
        case Role.FINALLY:
            return next((f for f in definition.finals if f.unit == unit), None)
        case Role.UNDO:
            undo = definition.undos.get(unit.step)
            return undo if undo is None or unit.item is None else undo.of_item(unit.item)


def _is_news(ledger: Ledger, unit: UnitDef, job: JobFact) -> bool:
    record = ledger.find(unit.unit)
    if record is None:  # items are on record before the first of their Jobs
        done = ledger.find(replace(unit.unit, role=Role.DO))
        return unit.unit.item is None or done is not None
    return not record.state.terminal and job.try_ > record.tries


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
        **dict.fromkeys(OF_ONE_TRY),
    }
