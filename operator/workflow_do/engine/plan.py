"""What happens next in a run: the one place that decides.

`plan` takes everything that was observed and says what to do, what to write down and when to look
again. It is total and deterministic: a broken template or a strange Pod becomes a record in the
status, never an exception. It knows no cluster, no clock and no I/O.

    completed ............ silent (a late Job is stopped, the finished label is put on)
    restored ............. its old verdict, or Interrupted: nothing runs a second time
    no definition yet .... wait up to 20 s, then end; else pin the run to a revision
    otherwise ............ fold Jobs into the ledger, judge the live units, then one of:
                           a try is to stop  → write down why, then stop it
                           something failed  → write that down
                           paused            → wait
                           units are next    → start them (or wait until a next try is due)
                           one is live       → wait for it
                           nothing is left   → end
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus
from workflow_do.engine import (
    budget,
    choosing,
    closing,
    fanout,
    inherited,
    inputs,
    limits,
    placing,
    report,
    saga,
    stopping,
    stored,
    vouching,
)
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition
from workflow_do.engine.effects import ClaimRetry, CreateRevision, MarkFinished, Plan
from workflow_do.engine.facts import Observed, Pinning, Run, parse_time
from workflow_do.engine.identity import Role
from workflow_do.engine.inspect import inspect
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.report import Outputs
from workflow_do.engine.timestamps import earliest

DEFINITION_WAIT: Final = timedelta(seconds=20)
"""Objects applied together arrive in any order; this long a missing one may be on its way."""

_AT_ONCE: Final = (Reason.RETRY_REFUSED, Reason.NOT_A_CHILD)
"""What no waiting can mend."""

_UNREADABLE_AGAIN: Final = timedelta(seconds=60)


_ASKED_AT_ONCE: Final = 50
"""Of so many Jobs the Events are asked for by one plan; the next plan goes on."""


def plan(observed: Observed, now: datetime) -> Plan:
    """What to do next about the observed run, at `now` (aware, UTC)."""
    if report.completed(observed.run.status):
        return _completed(observed)
    decided = _decide(observed, now)
    status = stored.strip(decided.status)
    if status != observed.run.status:  # one that stays as it is was fitted when it was written
        status = budget.fit(status)
    return replace(decided, status=status)


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
    return placing.hold(observed, definition, now) or _advance(observed, definition, now)


def _completed(observed: Observed) -> Plan:
    run = observed.run
    reason = report.reason_of(run.status)
    label = () if run.finished == reason else (MarkFinished(reason),)
    return Plan(run.status, effects=(*label, *stopping.strays(observed)))


def _without_definition(observed: Observed, why: Problem, now: datetime) -> Plan:
    """Nothing to run by. Before the run is pinned it may still come; afterwards it is lost."""
    run = observed.run
    if why == vouching.AWAITED and not limits.cancelled(run):
        return Plan(run.status)  # what its parent writes wakes it
    if run.status.revision_name is not None:
        unreadable = why.reason is Reason.REVISION_UNREADABLE and not limits.cancelled(run)
        return _kept(run, why, now) if unreadable else _lost(observed, why, now)
    if limits.cancelled(run):
        return Plan(report.refused(run, report.CANCELLED, now))
    if why.reason is Reason.WORKFLOW_SUSPENDED:
        return Plan(report.waiting(run, why, now))
    since = parse_time(run.status.start_time) or now
    if why.reason in _AT_ONCE or now >= since + DEFINITION_WAIT:
        return Plan(report.refused(run, why, now))
    return Plan(report.waiting(run, why, now), look_at=since + DEFINITION_WAIT)


def _kept(run: Run, why: Problem, now: datetime) -> Plan:
    """Another version of the operator can go on with it: nothing is started, stopped or ended."""
    return Plan(report.waiting(run, why, now), look_at=now + _UNREADABLE_AGAIN, partial=True)


def _lost(observed: Observed, why: Problem, now: datetime) -> Plan:
    """Begun, and nothing to go on by: what is live is stopped, and its end awaited."""
    run = observed.run
    if not observed.live:
        return Plan(run.status, needs_live=True)
    stops = stopping.stop_all(observed)
    if stops:
        return Plan(run.status, effects=stops)
    lives, look_at = stopping.lives_until(observed, now)
    if lives:
        return Plan(report.waiting(run, why, now), look_at=look_at, partial=True)
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
    missing = (*pinning.before, *filter(None, [pinning.manifest]))
    if missing:
        refused = (observed.refusals.get(str(made["metadata"]["name"])) for made in missing)
        refusal = next(filter(None, refused), None)
        if refusal is not None:
            return _without_definition(observed, Problem(refusal.reason, refusal.message), now)
        return Plan(run.status, effects=tuple(map(CreateRevision, missing)))
    original = pinning.original
    if original is not None and original.retried_by != run.uid:
        return Plan(run.status, effects=(ClaimRetry(original),))
    return Plan(report.pinned(run, pinning, now), look_at=now, partial=True)


def _advance(observed: Observed, definition: Definition, now: datetime) -> Plan:
    missing = stored.wanted(observed, definition)
    if missing:
        return Plan(observed.run.status, needs_held=missing)
    observed = _filled(observed)
    run = observed.run
    before = books.of_status(run.status)
    folded = books.fold(before, run, definition, observed.jobs)
    found = inspect(observed, definition, folded, now)
    if found.needs:
        return Plan(
            run.status,
            needs_live=found.needs_live,
            needs_guard=found.needs_guard,
            needs_events=found.needs_events,
            needs_logs=found.needs_logs,
            needs_outputs=found.needs_outputs,
            needs_held=found.needs_held,
            needs_results=found.needs_results,
            needs_remains=found.needs_remains,
        )
    if found.effects:
        status = report.going(run, definition, found.ledger, now)
        return Plan(status, effects=found.effects, look_at=found.look_at)
    asked_to_stop = found.look_at is not None and found.look_at <= now
    if _is_worse(found.ledger, before) or asked_to_stop:
        # What went wrong, and why a try is stopped, is written down before anything follows.
        status = report.going(run, definition, found.ledger, now)
        return Plan(status, look_at=now, partial=True)
    unknown = _account(observed, definition, found.ledger, now)
    if unknown is not None:
        return unknown
    ledger = _settled(run, definition, found.ledger, now)
    status = report.going(run, definition, ledger, now)
    if _is_worse(ledger, before):
        return Plan(status, look_at=now, partial=True)
    chosen = choosing.choose(observed, definition, ledger, found.live, now)
    if chosen.needs_guard:
        return Plan(run.status, needs_guard=True)
    if chosen.over and not found.live:
        return _end(observed, definition, ledger, now)
    if chosen.ledger is not ledger:
        return Plan(report.going(run, definition, chosen.ledger, now), look_at=now)
    look_at = earliest(found.look_at, chosen.look_at)
    follows = chosen.effects or chosen.waits or (look_at is not None and look_at <= now)
    stands = not follows and _holds_for(observed, status)
    decided = Plan(
        status, effects=chosen.effects, look_at=look_at, waits=chosen.waits, stands=stands
    )
    return _in_line(observed, definition, ledger, decided, now) if chosen.waits else decided


def _filled(observed: Observed) -> Observed:
    """The same, with the outputs that are at hand in its status."""
    status = stored.fill(observed.run.status, observed.held)
    if status is observed.run.status:
        return observed
    return replace(observed, run=replace(observed.run, status=status))


def _holds_for(observed: Observed, status: RunStatus) -> bool:
    """Whether what was decided holds for the next look, too, once the status is written: it was
    decided by what watches tell alone, and no time that counts is another one by then.
    """
    asked = (observed.job_events, observed.past, observed.refusals, observed.logs, observed.held)
    more = (observed.log_outputs, observed.results, observed.remains, observed.live)
    others = observed.guard or observed.standing or observed.crowd
    same = status.paused_since == observed.run.status.paused_since
    return same and others is None and not any(asked) and not any(more)


def _in_line(
    observed: Observed, definition: Definition, ledger: Ledger, decided: Plan, now: datetime
) -> Plan:
    """What waits for its turn among the Jobs of all runs is told of, once nothing else starts."""
    if decided.effects or observed.crowd is None:
        return decided
    why = observed.crowd.describe()
    return replace(decided, status=report.in_line(observed.run, definition, ledger, why, now))


def _is_worse(ledger: Ledger, before: Ledger) -> bool:
    """Whether it tells of trouble that was not on record."""
    return ledger is not before and ledger.trouble() != before.trouble()


def _account(
    observed: Observed, definition: Definition, ledger: Ledger, now: datetime
) -> Plan | None:
    """What another process may have started, whatever was asked of the run since; None: nothing.

    By the records as they were found: a step that is given up now may have begun.
    """
    run = observed.run
    if not observed.inherited:
        return None
    unknown, known = set(), ledger
    for unit in inherited.may_have_begun(run, definition, ledger):
        begun = inherited.account(observed, definition, known, unit)
        if isinstance(begun, str):
            unknown.add(begun)
        elif begun is not None:
            known = begun
    if unknown:
        return Plan(run.status, needs_past=frozenset(sorted(unknown)[:_ASKED_AT_ONCE]))
    if known == ledger:
        return None
    return Plan(report.going(run, definition, known, now), look_at=now, partial=True)


def _settled(run: Run, definition: Definition, ledger: Ledger, now: datetime) -> Ledger:
    """The ledger with what follows from its records alone: in a run that fails or is cancelled no
    try comes after the live ones, and a step is as its items are.
    """
    failure = ledger.first_failure()
    if limits.cancelled(run):
        stopped: Problem | None = report.CANCELLED
    elif failure is not None:
        stopped = Problem(Reason.ITEMS_NOT_RUN, f"the step {failure.id} had failed")
    else:
        stopped = None
    if stopped is not None:
        why = stopped if failure is None else None
        roles = _without_another_try(run, definition, ledger)
        ledger = closing.wind_down(ledger, definition, roles, why, now)
    return fanout.settle(ledger, stopped, now)


def _without_another_try(run: Run, definition: Definition, ledger: Ledger) -> frozenset[Role]:
    """After a cancel that goes for handler and undo too, but for an undo that is asked for."""
    if not limits.cancelled(run):
        return frozenset({Role.DO})
    undone = saga.asked(run, definition, ledger)
    return frozenset({Role.DO, Role.ON_FAILURE} | (set() if undone else {Role.UNDO}))


def _end(observed: Observed, definition: Definition, ledger: Ledger, now: datetime) -> Plan:
    """Everything has ended; a look at the API server itself says so."""
    run = observed.run
    if not observed.live:
        return Plan(run.status, needs_live=True)
    outputs: Outputs | Problem = None
    if not saga.cut_short(run, ledger) and ledger.first_failure() is None:
        missing = stored.wanted_by_outputs(definition, ledger, observed.held)
        if missing:
            return Plan(run.status, needs_held=missing)
        outputs = _outputs(observed, definition, ledger)
    return Plan(report.ended(run, definition, ledger, outputs, now))


def _outputs(observed: Observed, definition: Definition, ledger: Ledger) -> Outputs | Problem:
    """What a run gives that did not fail. Problems: InvalidTemplate, OutputLost, OutputTooLarge."""
    run = observed.run
    gone = stored.lost_to_outputs(definition, ledger, observed.held)
    if gone is not None:
        return gone
    outputs = inputs.render_outputs(definition, run, ledger)
    if isinstance(outputs, dict) and not stored.has_room(ledger, outputs):
        limit = names.MAX_INLINE_OUTPUTS_BYTES
        message = f"outputs: with those of the steps they are over {limit:,} bytes"
        return Problem(Reason.OUTPUT_TOO_LARGE, message)
    return outputs
