"""What happens next in a run: the one place that decides.

`plan` takes everything that was observed and says what to do, what to write down and when to look
again. It is total and deterministic: a broken template or a strange Pod becomes a record in the
status, never an exception. It knows no cluster, no clock and no I/O.

    completed ............ silent (only a Job that turns up late is stopped)
    no definition yet .... wait up to 20 s, then end; else pin the run to a revision
    otherwise ............ fold Jobs into the ledger, judge the live units, then one of:
                           a unit is live    → wait for it (or stop it)
                           a step failed     → start onFailure, once; then end
                           a step is pending → start it
                           nothing is left   → end
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.run import StepState
from workflow_do.engine import inputs, jobs, report
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import CreateJob, CreateRevision, Plan
from workflow_do.engine.facts import Observed, Pinning, parse_time
from workflow_do.engine.identity import job_name
from workflow_do.engine.inspect import inspect
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.stopping import strays
from workflow_do.engine.timestamps import stamp

DEFINITION_WAIT: Final = timedelta(seconds=20)
"""Objects applied together arrive in any order; this long a missing one may be on its way."""


def plan(observed: Observed, now: datetime) -> Plan:
    """What to do next about the observed run, at `now` (aware, UTC)."""
    status = observed.run.status
    if report.completed(status):
        return Plan(status, effects=strays(observed))
    definition = observed.definition
    if isinstance(definition, Problem):
        return _without_definition(observed, definition, now)
    if isinstance(definition, Pinning):
        return _pin(observed, definition, now)
    return _advance(observed, definition, now)


def _without_definition(observed: Observed, why: Problem, now: datetime) -> Plan:
    """Nothing to run by. Before the run is pinned it may still come; afterwards it is lost."""
    run = observed.run
    if run.status.revision_name is not None:
        return Plan(report.refused(run, why, now))
    since = parse_time(run.status.start_time) or now
    if now >= since + DEFINITION_WAIT:
        return Plan(report.refused(run, why, now))
    return Plan(report.waiting(run, why, now), look_at=since + DEFINITION_WAIT)


def _pin(observed: Observed, pinning: Pinning, now: datetime) -> Plan:
    """Store the revision, then write its name down; the first Job comes after that."""
    run = observed.run
    fault = inputs.check_trigger(pinning.definition, run)
    if fault is not None:
        return Plan(report.refused(run, fault, now))
    if pinning.manifest is not None:
        return Plan(run.status, effects=(CreateRevision(pinning.manifest),))
    opening = books.opening(pinning.definition)
    status = report.pinned(run, pinning.definition.revision_name, opening, now)
    return Plan(status, look_at=now)


def _advance(observed: Observed, definition: Definition, now: datetime) -> Plan:
    run = observed.run
    before = books.of_status(run.status)
    folded = books.fold(before, run, definition, observed.jobs)
    found = inspect(observed, definition, folded, now)
    if found.needs_live or found.needs_events:
        return Plan(run.status, needs_live=found.needs_live, needs_events=found.needs_events)
    if found.live:
        status = report.going(run, run.status, found.ledger, now)
        return Plan(status, effects=found.effects, look_at=found.look_at)
    return _next(observed, definition, found.ledger, now)


def _next(observed: Observed, definition: Definition, ledger: Ledger, now: datetime) -> Plan:
    """Nothing is live: start what comes next, or end. Units that cannot start end on the way."""
    run = observed.run
    for _ in range(len(ledger.steps) + 2):
        unit = _next_unit(definition, ledger)
        if unit is None:
            if not observed.live:
                return Plan(run.status, needs_live=True)
            return Plan(report.ended(run, run.status, ledger, now))
        if unit is definition.handler and books.of_status(run.status).first_failure() is None:
            # The cause is written down before anybody is told of it.
            return Plan(report.going(run, run.status, ledger, now), look_at=now)
        started = _start(observed, definition, ledger, unit)
        if isinstance(started, CreateJob):
            status = report.going(run, run.status, ledger, now)
            return Plan(status, effects=(started,))
        ledger = ledger.update(
            unit,
            state=StepState.NOT_STARTED,
            reason=started.reason.value,
            message=started.message[:MAX_MESSAGE_CHARS],
            completion_time=stamp(now),
        )
    raise AssertionError("every turn ends a unit")


def _next_unit(definition: Definition, ledger: Ledger) -> UnitDef | None:
    """A failed step means the handler, once; otherwise the next step; None at the end."""
    if ledger.first_failure() is not None:
        return definition.handler if ledger.handler is None else None
    step = ledger.next_step()
    if step is None:
        return None
    return next(u for u in definition.steps if u.unit.step == step.id)


def _start(
    observed: Observed, definition: Definition, ledger: Ledger, unit: UnitDef
) -> CreateJob | Problem:
    """The Job of the unit's next try, or why it cannot have one."""
    run = observed.run
    record = books.record_of(ledger, unit.unit)
    number = 1 + (record.tries if record is not None else 0)
    name = job_name(run.name, run.uid, unit.unit, number)
    refusal = observed.refusals.get(name)
    if refusal is not None:
        return Problem(refusal.reason, refusal.message)
    rendered = inputs.render(definition, unit, run, ledger)
    if isinstance(rendered, Problem):
        return rendered
    this = jobs.Try(
        run_name=run.name,
        run_namespace=run.namespace,
        run_uid=run.uid,
        unit=unit.unit,
        number=number,
        seq=ledger.next_seq(),
        input=rendered.input,
        env=rendered.env,
    )
    return CreateJob(name, jobs.build_job(definition, unit.action, this))
