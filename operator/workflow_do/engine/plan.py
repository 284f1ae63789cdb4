"""What happens next in a run: the one place that decides.

`plan` takes everything that was observed and says what to do, what to write down and when to look
again. It is total and deterministic: a broken template or a strange Pod becomes a record in the
status, never an exception. It knows no cluster, no clock and no I/O.

    completed ............ silent (a late Job is stopped, the finished label is put on)
    restored ............. its old verdict, or Interrupted: nothing runs a second time
    no definition yet .... wait up to 20 s, then end; else pin the run to a revision
    otherwise ............ fold Jobs into the ledger, judge the live units, then one of:
                           a unit is live    → wait for it (or stop it)
                           a step failed     → write that down; then undo what was done, one
                                               after the other; then onFailure, once; then end
                           cancelled         → undo, where that was asked for; then end
                           paused            → wait
                           a step is next    → start it (or wait until its next try is due)
                           nothing is left   → end
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from workflow_do.api.reasons import Reason
from workflow_do.engine import (
    budget,
    inherited,
    inputs,
    limits,
    report,
    saga,
    starting,
    stopping,
    stored,
)
from workflow_do.engine import ledger as books
from workflow_do.engine.closing import give_up
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import ClaimRetry, CreateRevision, MarkFinished, Plan
from workflow_do.engine.facts import Observed, Pinning, Run, parse_time
from workflow_do.engine.identity import Role
from workflow_do.engine.inspect import inspect
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem

DEFINITION_WAIT: Final = timedelta(seconds=20)
"""Objects applied together arrive in any order; this long a missing one may be on its way."""


def plan(observed: Observed, now: datetime) -> Plan:
    """What to do next about the observed run, at `now` (aware, UTC)."""
    if report.completed(observed.run.status):
        return _completed(observed)
    decided = _decide(observed, now)
    return replace(decided, status=budget.fit(stored.strip(decided.status)))


def _decide(observed: Observed, now: datetime) -> Plan:
    run, definition = observed.run, observed.definition
    if run.finished and run.status.start_time is None:
        return Plan(report.restored(run, now))
    if run.started_uid not in ("", run.uid):
        why = "restored from a backup in mid-run; what its steps did since is not known"
        return Plan(report.refused(run, Problem(Reason.INTERRUPTED, why), now))
    if isinstance(definition, Problem):
        return _without_definition(observed, definition, now)
    if isinstance(definition, Pinning):
        return _pin(observed, definition, now)
    return _advance(observed, definition, now)


def _completed(observed: Observed) -> Plan:
    run = observed.run
    reason = report.reason_of(run.status)
    label = () if run.finished == reason else (MarkFinished(reason),)
    return Plan(run.status, effects=(*label, *stopping.strays(observed)))


def _without_definition(observed: Observed, why: Problem, now: datetime) -> Plan:
    """Nothing to run by. Before the run is pinned it may still come; afterwards it is lost."""
    run = observed.run
    if run.status.revision_name is not None:
        return _lost(observed, why, now)
    if limits.cancelled(run):
        return Plan(report.refused(run, report.CANCELLED, now))
    if why.reason is Reason.WORKFLOW_SUSPENDED:
        return Plan(report.waiting(run, why, now))
    since = parse_time(run.status.start_time) or now
    if why.reason is Reason.RETRY_REFUSED or now >= since + DEFINITION_WAIT:
        return Plan(report.refused(run, why, now))
    return Plan(report.waiting(run, why, now), look_at=since + DEFINITION_WAIT)


def _lost(observed: Observed, why: Problem, now: datetime) -> Plan:
    """Begun, and nothing to go on by: what is live is stopped, and its end awaited."""
    run = observed.run
    if not observed.live:
        return Plan(run.status, needs_live=True)
    stops = stopping.stop_all(observed)
    if stops:
        return Plan(run.status, effects=stops)
    if stopping.anything_lives(observed):
        return Plan(report.waiting(run, why, now))
    return Plan(report.lost(run, why, now))


def _pin(observed: Observed, pinning: Pinning, now: datetime) -> Plan:
    """Store the revision, then write its name down; the first Job comes after that."""
    run = observed.run
    if run.status.revision_name is not None and not observed.live:
        return Plan(run.status, needs_live=True)  # pinned before, to one that is gone
    if run.deleting:
        return Plan(run.status)
    if limits.cancelled(run):
        return Plan(report.refused(run, report.CANCELLED, now))
    fault = inputs.check_trigger(pinning.definition, run)
    if fault is not None:
        return Plan(report.refused(run, fault, now))
    if pinning.manifest is not None:
        return Plan(run.status, effects=(CreateRevision(pinning.manifest),))
    original = pinning.original
    if original is not None and original.retried_by != run.uid:
        return Plan(run.status, effects=(ClaimRetry(original),))
    return Plan(report.pinned(run, pinning, now), look_at=now)


def _advance(observed: Observed, definition: Definition, now: datetime) -> Plan:
    missing = stored.wanted(observed, definition)
    if missing:
        return Plan(observed.run.status, needs_held=missing)
    run = replace(observed.run, status=stored.fill(observed.run.status, observed.held))
    observed = replace(observed, run=run)
    before = books.of_status(run.status)
    folded = books.fold(before, run, definition, observed.jobs)
    found = inspect(observed, definition, folded, now)
    if found.needs:
        return Plan(
            run.status,
            needs_live=found.needs_live,
            needs_events=found.needs_events,
            needs_logs=found.needs_logs,
            needs_outputs=found.needs_outputs,
            needs_held=found.needs_held,
        )
    if found.live:
        status = report.going(run, definition, found.ledger, now)
        return Plan(status, effects=found.effects, look_at=found.look_at)
    if before.trouble() != found.ledger.trouble():
        # What went wrong is written down before anything follows from it.
        return Plan(report.going(run, definition, found.ledger, now), look_at=now)
    unknown = _account(observed, definition, found.ledger, now)
    if unknown is not None:
        return unknown
    ended = _end_what_waits(run, definition, found.ledger, now)
    if ended is not found.ledger:
        return Plan(report.going(run, definition, ended, now), look_at=now)
    return _next(observed, definition, found.ledger, now)


def _next(observed: Observed, definition: Definition, ledger: Ledger, now: datetime) -> Plan:
    """Nothing is live: start what comes next, or end."""
    run = observed.run
    unit = _next_unit(run, definition, ledger)
    if unit is None:
        return _end(observed, definition, ledger, now)
    if limits.paused(run) or run.deleting:
        return Plan(report.going(run, definition, ledger, now))
    limit = limits.run_limit(run, definition) if unit.unit.role is Role.DO else None
    late = limits.too_late(run, definition, unit, books.record_of(ledger, unit.unit), now)
    if late is not None:
        return _give_up(run, definition, ledger, unit, Problem(late.reason, late.message), now)
    gone = stored.lost(definition, unit, ledger, observed.held)
    if gone is not None:
        return _give_up(run, definition, ledger, unit, gone, now)
    started = starting.start(observed, definition, ledger, unit, now)
    if isinstance(started, Problem):
        return _give_up(run, definition, ledger, unit, started, now)
    if isinstance(started, Ledger):
        return Plan(report.going(run, definition, started, now), look_at=now)
    if isinstance(started, datetime):
        due = started if limit is None else min(started, limit)
        return Plan(report.going(run, definition, ledger, now), look_at=due)
    return Plan(report.going(run, definition, ledger, now), effects=(started,))


def _account(
    observed: Observed, definition: Definition, ledger: Ledger, now: datetime
) -> Plan | None:
    """What another process may have started, whatever was asked of the run since; None: nothing."""
    run = observed.run
    for unit in (_forward(definition, ledger), saga.next_undo(run, definition, ledger)):
        if unit is None:
            continue
        begun = inherited.account(observed, definition, ledger, unit)
        if isinstance(begun, str):
            return Plan(run.status, needs_past=frozenset({begun}))
        if begun is not None:
            return Plan(report.going(run, definition, begun, now), look_at=now)
    return None


def _next_unit(run: Run, definition: Definition, ledger: Ledger) -> UnitDef | None:
    """After a failure or a cancel what is to be undone, then the handler, once; otherwise the next
    step; None at the end.
    """
    undo = saga.next_undo(run, definition, ledger)
    if undo is not None or limits.cancelled(run):
        return undo
    return _forward(definition, ledger)


def _forward(definition: Definition, ledger: Ledger) -> UnitDef | None:
    """The next step, or after a failure the handler; None where that has ended, too."""
    if ledger.first_failure() is not None:
        ended = ledger.handler is not None and ledger.handler.state.terminal
        return None if ended else definition.handler
    step = ledger.next_step()
    if step is None:
        return None
    return next(u for u in definition.steps if u.unit.step == step.id)


def _give_up(
    run: Run, definition: Definition, ledger: Ledger, unit: UnitDef, why: Problem, now: datetime
) -> Plan:
    """The unit ends without another try; that is written down before anything follows."""
    record = books.record_of(ledger, unit.unit)
    why = saga.explain(ledger, unit, why)
    prior = record.prior_state if record is not None else None
    ledger = ledger.update(unit, **give_up(prior, why.reason, why.message, now))
    return Plan(report.going(run, definition, ledger, now), look_at=now)


def _end_what_waits(run: Run, definition: Definition, ledger: Ledger, now: datetime) -> Ledger:
    """After a cancel there is no other try, but of an undo that has begun where it is asked for."""
    if not limits.cancelled(run):
        return ledger
    undone = saga.asked(run, definition, ledger)
    for unit in books.units_of(definition):
        record = books.record_of(ledger, unit.unit)
        waits = record is not None and not record.state.terminal and record.tries
        if record is not None and waits and not (undone and unit.unit.role is Role.UNDO):
            why = report.CANCELLED
            ledger = ledger.update(
                unit, **give_up(record.prior_state, why.reason, why.message, now)
            )
    return ledger


def _end(observed: Observed, definition: Definition, ledger: Ledger, now: datetime) -> Plan:
    """Everything has ended."""
    if not observed.live:
        return Plan(observed.run.status, needs_live=True)
    return Plan(report.ended(observed.run, definition, ledger, now))
