"""How a unit starts: taken over from the run it retries, or as the Job of its next try.

Decides whether the next try is due and what it is made of. The run's uid is written into its
metadata before the first Job, so that a restored backup is told from a run that never began.
"""

from __future__ import annotations

from datetime import datetime

from workflow_do.api.run import StepState, UnitStatus
from workflow_do.engine import budget, inputs, jobs, stored
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import CreateJob, MarkStarted, StoreData
from workflow_do.engine.facts import Observed, Refusal, Run, parse_time
from workflow_do.engine.identity import Role, job_name
from workflow_do.engine.jobs import hash_of_input
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp

Start = CreateJob | StoreData | MarkStarted | Ledger | datetime | Problem


def start(
    observed: Observed, definition: Definition, ledger: Ledger, unit: UnitDef, now: datetime
) -> Start:
    """The effect that starts the unit's next try; or when that is due, the ledger with the unit
    taken over, or why it cannot start.
    """
    run = observed.run
    record = books.record_of(ledger, unit.unit)
    due = parse_time(record.retry_time) if record is not None else None
    if due is not None and due > now:
        return due
    number = 1 + (record.tries if record is not None else 0)
    name = job_name(run.name, run.uid, unit.unit, number)
    refusal = observed.refusals.get(name)
    if refusal is not None:
        return Problem(refusal.reason, refusal.message)
    rendered = inputs.render(definition, unit, run, ledger)
    if isinstance(rendered, Problem):
        return rendered
    if (
        record is not None
        and record.taken_over
        and record.input_hash == hash_of_input(rendered.input)
    ):
        return _take_over(observed, definition, ledger, unit, record, now)
    full = budget.room(ledger, definition.undos.keys()) if unit.unit.role is Role.DO else None
    if full is not None:
        return full
    if run.started_uid != run.uid:
        return MarkStarted()
    this = _try(run, unit, _epoch_from(ledger, unit, record), number, ledger.next_seq(), rendered)
    return CreateJob(name, jobs.build_job(definition, unit.action, this))


def next_try(definition: Definition, ledger: Ledger, unit: UnitDef, run: Run) -> jobs.Try | None:
    """What the unit's next try is made of, whether it is due or not; None if it cannot render."""
    rendered = inputs.render(definition, unit, run, ledger)
    if isinstance(rendered, Problem):
        return None
    record = books.record_of(ledger, unit.unit)
    number = 1 + (record.tries if record is not None else 0)
    of = _epoch_from(ledger, unit, record)
    return _try(run, unit, of, number, ledger.next_seq(), rendered)


def _take_over(
    observed: Observed,
    definition: Definition,
    ledger: Ledger,
    unit: UnitDef,
    record: UnitStatus,
    now: datetime,
) -> Start:
    """Succeeded before. An output in a ConfigMap is copied: the other run may be deleted first."""
    ref = record.output_ref
    if ref is not None:
        given = stored.Given(unit, 0, "", record.output or {})
        kept = stored.keep(observed, definition, ledger, given)
        if isinstance(kept, StoreData | Problem):
            return kept
        if isinstance(kept, Refusal):
            return Problem(kept.reason, kept.message)
        ref = kept
    changes = {"state": StepState.SUCCEEDED, "seq": ledger.next_seq(), "output_ref": ref}
    return ledger.update(unit, **changes, completion_time=stamp(now))


def _epoch_from(ledger: Ledger, unit: UnitDef, record: UnitStatus | None) -> UnitStatus | None:
    """The record whose epoch holds: an undo has that of what it undoes."""
    if unit.unit.role is not Role.UNDO:
        return record
    done = next(s for s in ledger.steps if s.id == unit.unit.step)
    return UnitStatus(epoch=done.epoch)


def _try(
    run: Run,
    unit: UnitDef,
    record: UnitStatus | None,
    number: int,
    seq: int,
    rendered: inputs.Rendered,
) -> jobs.Try:
    """A step that succeeded before, and now gets another input, is another piece of work."""
    epoch = (record.epoch or 0) if record is not None else 0
    known = record.input_hash if record is not None and record.tries == 0 else None
    anew = known is not None and known != hash_of_input(rendered.input)
    return jobs.Try(
        run_name=run.name,
        run_namespace=run.namespace,
        run_uid=run.uid,
        root_run_uid=run.status.root_run_uid or run.uid,
        unit=unit.unit,
        number=number,
        seq=seq,
        epoch=epoch + 1 if anew else epoch,
        input=rendered.input,
        env=rendered.env,
    )
