"""How a unit starts: taken over from the run it retries, as the Job of its next try, or (a step
that waits, or starts another run) by a record alone.

Decides whether the next try is due and what it is made of. The run's uid is written into its
metadata before the first Job, so that a restored backup is told from a run that never began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflow_do.api.base import Json
from workflow_do.api.run import StepState, UnitStatus
from workflow_do.engine import calling, crowd, inputs, jobs, stored, waiting
from workflow_do.engine.definition import ChildDef, Definition, UnitDef
from workflow_do.engine.effects import CreateJob, MarkStarted, StoreData
from workflow_do.engine.facts import Observed, Refusal, Run, parse_time
from workflow_do.engine.identity import Role, job_name
from workflow_do.engine.jobs import hash_of_input
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.waitdef import WaitingDef


@dataclass(frozen=True, slots=True)
class AskGuard:
    """Whether approvals can be believed must be known first."""


@dataclass(frozen=True, slots=True)
class InLine:
    """It could start, and waits for its turn among the Jobs of all runs."""

    name: str


Start = (
    CreateJob | StoreData | MarkStarted | dict[str, Any] | datetime | AskGuard | InLine | Problem
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A unit that may start as number `seq` of the run, its record so far, and what it sees.

    `epoch`: that of the record, or of what it undoes.
    """

    unit: UnitDef
    record: UnitStatus | None
    seq: int
    epoch: int
    scope: Mapping[str, Json]


def start(
    observed: Observed, definition: Definition, ledger: Ledger, this: Wanted, now: datetime
) -> Start:
    """The effect that starts the unit's next try; or when that is due, the changes of a record
    that is taken over, or why it cannot start.
    """
    run, record = observed.run, this.record
    if this.unit.waits is not None:
        return _wait(observed, this, this.unit.waits, now)
    if this.unit.child is not None:
        return _call(observed, definition, ledger, this, this.unit.child, now)
    due = parse_time(record.retry_time) if record is not None else None
    if due is not None and due > now:
        return due
    number = 1 + (record.tries if record is not None else 0)
    name = job_name(run.name, run.uid, this.unit.unit, number)
    refusal = observed.refusals.get(name)
    if refusal is not None:
        return Problem(refusal.reason, refusal.message)
    if observed.crowd is not None and name in observed.crowd.waiting:
        return InLine(name)
    rendered = inputs.render(this.unit, this.scope)
    if isinstance(rendered, Problem):
        return rendered
    if _is_taken_over(this, rendered):
        return _take_over(observed, definition, ledger, this, now)
    if run.started_uid != run.uid:
        return MarkStarted()
    file = stored.keep_input(observed, definition, this.unit, rendered.input)
    if isinstance(file, StoreData | Problem):
        return file
    made = replace(_try(run, this, number, rendered), input_file=file)
    manifest = jobs.build_job(definition, this.unit.action, made)
    return CreateJob(name, manifest, waits=crowd.has_to_wait(this.unit.unit.role))


def _wait(observed: Observed, this: Wanted, waits: WaitingDef, now: datetime) -> Start:
    """A step without a Job. Who approved before need not do so again, if nothing has changed."""
    run, record = observed.run, this.record
    asked = waiting.render(waits, this.scope, now)
    if isinstance(asked, Problem):
        return asked
    if record is not None and record.taken_over and record.input_hash == asked.input_hash:
        return {"state": StepState.SUCCEEDED, "seq": this.seq, "completion_time": stamp(now)}
    believed = waiting.guarded(observed, waits)
    if isinstance(believed, Problem):
        return believed
    if not believed:
        return AskGuard()
    if run.started_uid != run.uid:
        return MarkStarted()
    return waiting.begun(waits, asked, this.seq, now)


def _call(
    observed: Observed,
    definition: Definition,
    ledger: Ledger,
    this: Wanted,
    child: ChildDef,
    now: datetime,
) -> Start:
    """A step that starts a run of another Workflow: that it has begun is written first."""
    run = observed.run
    rendered = inputs.render(this.unit, this.scope)
    if isinstance(rendered, Problem):
        return rendered
    if _is_taken_over(this, rendered):
        return _take_over(observed, definition, ledger, this, now)
    fault = calling.check(run, definition, child, rendered.input)
    if fault is not None:
        return fault
    if run.started_uid != run.uid:
        return MarkStarted()
    epoch = _try(run, this, 1, rendered).epoch
    return calling.begun(this.record, rendered.input, this.seq, epoch, now)


def next_try(definition: Definition, ledger: Ledger, unit: UnitDef, run: Run) -> jobs.Try | None:
    """What the unit's next try is made of, whether it is due or not; None if it cannot render."""
    record = ledger.find(unit.unit)
    seen = inputs.scope(definition, unit, run, ledger)
    seen |= inputs.item_scope(unit, seen)
    rendered = inputs.render(unit, seen)
    if isinstance(rendered, Problem):
        return None
    number = 1 + (record.tries if record is not None else 0)
    this = Wanted(unit, record, ledger.next_seq(), epoch_of(ledger, unit), seen)
    return _try(run, this, number, rendered)


def epoch_of(ledger: Ledger, unit: UnitDef) -> int:
    """The epoch of a unit; an undo has that of what it undoes."""
    of = replace(unit.unit, role=Role.DO) if unit.unit.role is Role.UNDO else unit.unit
    record = ledger.find(of)
    return (record.epoch or 0) if record is not None else 0


def _is_taken_over(this: Wanted, rendered: inputs.Rendered) -> bool:
    """Whether the unit succeeded in the run before, and would get the same input again."""
    record = this.record
    if record is None or not record.taken_over:
        return False
    return record.input_hash == hash_of_input(rendered.input)


def _take_over(
    observed: Observed, definition: Definition, ledger: Ledger, this: Wanted, now: datetime
) -> Start:
    """Succeeded before. An output in a ConfigMap is copied: the other run may be deleted first."""
    record = this.record or UnitStatus()
    ref = record.output_ref
    if ref is not None:
        given = stored.Given(this.unit, 0, "", record.output or {})
        kept = stored.keep(observed, definition, ledger, given)
        if isinstance(kept, StoreData | Problem):
            return kept
        if isinstance(kept, Refusal):
            return Problem(kept.reason, kept.message)
        ref = kept
    return {
        "state": StepState.SUCCEEDED,
        "seq": this.seq,
        "output_ref": ref,
        "completion_time": stamp(now),
    }


def _try(run: Run, this: Wanted, number: int, rendered: inputs.Rendered) -> jobs.Try:
    """A step that succeeded before, and now gets another input, is another piece of work."""
    record = this.record
    known = record.input_hash if record is not None and record.tries == 0 else None
    anew = known is not None and known != hash_of_input(rendered.input)
    return jobs.Try(
        run_name=run.name,
        run_namespace=run.namespace,
        run_uid=run.uid,
        root_run_uid=run.status.root_run_uid or run.uid,
        call_path=run.status.call_path or "",
        unit=this.unit.unit,
        number=number,
        seq=this.seq,
        epoch=this.epoch + 1 if anew else this.epoch,
        input=rendered.input,
        env=rendered.env,
    )
