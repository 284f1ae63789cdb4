"""Every live unit looked at once: verdicts written into the ledger, stops asked for.

A stop takes two plans: the first writes down why (`stopReason`), the second carries it out. So a
crash between the two never leaves a stopped try whose cause is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import ItemStatus, OutputRef, StepState, StepStatus, UnitStatus
from workflow_do.engine import calling, closing, inputs, limits, nodes, stored, waiting
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import Effect, StoreData
from workflow_do.engine.facts import JobFact, Observed, PodFact, Refusal, parse_time
from workflow_do.engine.held import is_ours
from workflow_do.engine.identity import Role
from workflow_do.engine.late import late_jobs
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem, find_reason
from workflow_do.engine.stopping import pod_of, pods_by_job, stop
from workflow_do.engine.timestamps import earliest
from workflow_do.engine.verdict import (
    OUTPUT_PATIENCE,
    OUTPUT_PAUSE,
    Attempt,
    Ended,
    Going,
    Stop,
    judge,
    running,
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """The ledger after a look at all live units, and what the look asks for."""

    ledger: Ledger
    live: bool = False
    effects: tuple[Effect, ...] = ()
    look_at: datetime | None = None
    needs_live: bool = False
    needs_guard: bool = False
    needs_events: frozenset[str] = frozenset()
    needs_logs: Mapping[str, str] = field(default_factory=dict)
    needs_outputs: Mapping[str, str] = field(default_factory=dict)
    needs_held: frozenset[str] = frozenset()
    needs_results: frozenset[str] = frozenset()
    needs_remains: frozenset[str] = frozenset()

    @property
    def needs(self) -> bool:
        """Whether more must be observed before anything is decided."""
        more = self.needs_events or self.needs_logs or self.needs_outputs or self.needs_held
        more = more or self.needs_results or self.needs_remains
        return self.needs_live or self.needs_guard or bool(more)


class Live(NamedTuple):
    """A unit that has started and not ended, with its newest Job and Pod; `since`: when it began,
    or the step that it is an item of.
    """

    unit: UnitDef
    record: UnitStatus
    job: JobFact | None
    pod: PodFact | None
    since: str | None


def inspect(
    observed: Observed, definition: Definition, ledger: Ledger, now: datetime
) -> Inspection:
    """Judge every unit that has started and not ended."""
    found = Inspection(ledger)
    jobs = {j.uid: j for j in observed.jobs}
    pods = pods_by_job(observed.pods)
    unhurried = not limits.hurries(observed.run, definition)
    for unit, record in [row for row in ledger.units() if row[1].state is StepState.RUNNING]:
        known = books.unit_of(definition, unit)
        if known is None:
            continue
        if known.waits is not None and isinstance(record, StepStatus | ItemStatus):
            found = _look_at_wait(observed, definition, known, record, found, now)
            continue
        job = jobs.get(record.job_uid or "")
        pod = pod_of(job, pods.get(record.job_uid or "", ()))
        if unhurried and found.live and _runs_on(known, record, pod, found.look_at, now):
            continue
        step = ledger.step(unit.step) if unit.role is Role.DO else None
        since = step.start_time if step is not None else record.start_time
        if known.child is not None:
            it = Live(known, record, None, None, since)
            found = _look_at_child(observed, definition, it, found, now)
            continue
        it = Live(known, record, job, pod, since)
        found = _look(observed, definition, it, found, now)
    for late in late_jobs(observed, definition, found.ledger, now):
        effects = found.effects + stop(late.job, late.pod, stray=True)
        over = earliest(found.look_at, late.over)
        found = replace(found, live=True, effects=effects, look_at=over)
    return found


def _runs_on(
    unit: UnitDef,
    record: UnitStatus,
    pod: PodFact | None,
    look_at: datetime | None,
    now: datetime,
) -> bool:
    """Whether a program runs of which there is nothing to say before the next look. Of hundreds
    side by side it is so with nearly all.
    """
    if pod is None or look_at is None or record.stop_reason is not None:
        return False
    if record.reason is not None or unit.deadline is not None or unit.child is not None:
        return False
    until = nodes.runs_until(unit.action, pod)
    return until is not None and now < until and look_at <= until


def _look_at_wait(
    observed: Observed,
    definition: Definition,
    unit: UnitDef,
    record: waiting.Waiting,
    found: Inspection,
    now: datetime,
) -> Inspection:
    """A step without a Job, or an item of one. What ends it, or counts for it, is written down
    before anything follows: the next look may not find the approval any more.
    """
    run, failed = observed.run, found.ledger.first_failure()
    step = found.ledger.step(unit.unit.step)
    since = step.start_time if step is not None else record.start_time
    asked = limits.stop_of_wait(run, definition, unit, since, now)
    if asked is not None:
        seen = waiting.Look(waiting.stopped(asked.reason, asked.message, now))
    elif failed is not None:
        seen = waiting.Look(waiting.not_awaited(failed.id, now))
    else:
        scope = inputs.scope(definition, unit, run, found.ledger)
        scope |= inputs.item_scope(unit, scope)
        seen = waiting.look(observed, unit, record, scope, now)
    if seen.needs_live:
        return replace(found, live=True, needs_live=True)
    if seen.needs_guard:
        return replace(found, live=True, needs_guard=True)
    limit = limits.limit_of(run, definition, unit, since)
    return replace(
        found,
        ledger=found.ledger.update(unit, **seen.changes),
        live=True,
        look_at=earliest(found.look_at, now if seen.counts else earliest(seen.look_at, limit)),
    )


def _look_at_child(
    observed: Observed, definition: Definition, it: Live, found: Inspection, now: datetime
) -> Inspection:
    """A step whose child run goes on, or is to be made. The reason of a stop is written first."""
    if it.record.stop_reason is None and not calling.has_ended(observed, it.unit.unit, it.record):
        asked = limits.stop_of(observed.run, definition, it.unit, it.since, now)
        if asked is not None:
            return _ask_to_stop(found, it.unit, asked, now)
    if len(found.effects) >= calling.MOST_AT_ONCE:
        return replace(found, live=True, look_at=now)
    manifest = partial(_child_of, observed, definition, it, found.ledger)
    seen = calling.look(observed, definition, it.unit, it.record, manifest, now)
    if isinstance(seen, Ended):
        return _end(observed, definition, it, found, seen, now)
    results = found.needs_results | seen.needs_results
    if seen.needs_results and len(observed.results) + len(results) > calling.MOST_AT_ONCE:
        return replace(found, live=True, look_at=now)
    return replace(
        found,
        ledger=found.ledger.update(it.unit, **seen.changes) if seen.changes else found.ledger,
        live=True,
        effects=(*found.effects, *seen.effects),
        look_at=earliest(found.look_at, seen.look_at, _limit(observed, definition, it)),
        needs_live=found.needs_live or seen.needs_live,
        needs_results=results,
        needs_remains=found.needs_remains | seen.needs_remains,
    )


def _child_of(
    observed: Observed, definition: Definition, it: Live, ledger: Ledger
) -> dict[str, Any] | Problem:
    """The run that the step starts, from its input; rendered again, that is the same."""
    gone = stored.lost(definition, it.unit, ledger, observed.held)
    if gone is not None:
        return gone
    scope = inputs.scope(definition, it.unit, observed.run, ledger)
    rendered = inputs.render(it.unit, {**scope, **inputs.item_scope(it.unit, scope)})
    if isinstance(rendered, Problem):
        return rendered
    return calling.manifest_of(observed.run, definition, it.unit, it.record, rendered.input)


def _look(
    observed: Observed, definition: Definition, it: Live, found: Inspection, now: datetime
) -> Inspection:
    if it.record.stop_reason is None:
        asked = limits.stop_of(observed.run, definition, it.unit, it.since, now)
        if asked is not None and not _has_ended(it.pod):
            return _ask_to_stop(found, it.unit, asked, now)
    if it.pod is not None and it.pod.container.state == "running":  # nearly all do, always
        verdict = running(it.unit.action, it.pod, now)
    else:
        verdict = judge(_attempt(observed, it, now))
    if isinstance(verdict, Ended):
        return _end(observed, definition, it, found, verdict, now)
    if isinstance(verdict, Stop):
        return _ask_to_stop(found, it.unit, verdict, now)
    return _wait(found, it, verdict, _limit(observed, definition, it))


def _has_ended(pod: PodFact | None) -> bool:
    return pod is not None and pod.ended


def _limit(observed: Observed, definition: Definition, it: Live) -> datetime | None:
    """When a deadline of the step or of the run will stop the try."""
    if it.unit.unit.role is not Role.DO or it.record.stop_reason is not None:
        return None
    return limits.limit_of(observed.run, definition, it.unit, it.since)


def _attempt(observed: Observed, it: Live, now: datetime) -> Attempt:
    created = it.job.created if it.job is not None else None
    if created is None and it.pod is not None:
        created = it.pod.created
    return Attempt(
        action=it.unit.action,
        job_created=created or parse_time(it.record.start_time) or now,
        job=it.job,
        pod=it.pod,
        stop=find_reason(it.record.stop_reason),
        events=observed.job_events.get(it.record.job_uid or ""),
        log=observed.log_outputs.get(it.pod.uid) if it.pod is not None else None,
        shown=find_reason(it.record.reason),
        live=observed.live,
        now=now,
        asked=observed.asked,
    )


def _wait(found: Inspection, it: Live, verdict: Going, limit: datetime | None = None) -> Inspection:
    """Still going: show what it waits for, and carry out a stop that is written down."""
    look_at = earliest(found.look_at, verdict.look_at, limit)
    if found.live and look_at is found.look_at and _says_nothing(it.record, verdict):
        return found  # one of hundreds, of which there is nothing to say
    needs = {it.record.job_uid or ""} if verdict.needs_events else set()
    speaks = {it.pod.name: it.pod.uid} if verdict.needs_output and it.pod is not None else {}
    ledger = _show(found.ledger, it.unit, it.record, verdict)
    stops = stop(it.job, it.pod) if it.record.stop_reason else ()
    return replace(
        found,
        live=True,
        ledger=ledger,
        effects=found.effects + stops,
        look_at=look_at,
        needs_live=found.needs_live or verdict.needs_live,
        needs_events=found.needs_events | needs,
        needs_outputs={**found.needs_outputs, **speaks},
    )


def _says_nothing(record: UnitStatus, verdict: Going) -> bool:
    """Whether it simply runs on, and its record says so."""
    needs = verdict.needs_live or verdict.needs_events or verdict.needs_output
    return not needs and record.stop_reason is None and record.reason is verdict.reason is None


def _show(ledger: Ledger, unit: UnitDef, record: UnitStatus, verdict: Going) -> Ledger:
    """The reason it waits for. Of one reason the first message stays: they alternate for ever."""
    reason = verdict.reason.value if verdict.reason is not None else None
    if reason == record.reason or (record.stop_reason is not None and reason is None):
        return ledger
    message = verdict.message[:MAX_MESSAGE_CHARS] or None
    return ledger.update(unit, reason=reason, message=message)


def _ask_to_stop(found: Inspection, unit: UnitDef, verdict: Stop, now: datetime) -> Inspection:
    ledger = found.ledger.update(
        unit,
        reason=verdict.reason.value,
        message=verdict.message[:MAX_MESSAGE_CHARS] or None,
        stop_reason=verdict.reason.value,
    )
    return replace(found, live=True, ledger=ledger, look_at=now)


def _end(
    observed: Observed,
    definition: Definition,
    it: Live,
    found: Inspection,
    verdict: Ended,
    now: datetime,
) -> Inspection:
    """A try that has ended: what it gave is kept, before anything else is said of it."""
    if it.unit.unit.role is Role.UNDO:
        verdict = replace(verdict, output=None)  # nobody can read it, so it takes no room
    by = it.record.job_uid or it.record.run_uid or ""
    given = stored.Given(it.unit, it.record.tries, by, verdict.output or {})
    if verdict.reason is Reason.JOB_LOST:
        name = stored.place_of(observed.run, definition, given).name
        if name not in observed.held:
            return replace(found, needs_held=found.needs_held | {name})
        verdict = _unless_stored(observed, definition, given, verdict, now)
        given = replace(given, output=verdict.output or {})
    if verdict.output is None:
        return _close(observed, it, found, verdict, now)
    kept = stored.keep(observed, definition, found.ledger, given)
    if isinstance(kept, StoreData):
        return replace(found, live=True, effects=(*found.effects, kept))
    if isinstance(kept, Refusal):
        return _not_stored(observed, it, found, kept, now)
    if isinstance(kept, Problem):
        ended = verdict.finished
        verdict = Ended(StepState.UNKNOWN, kept.reason, kept.message, 0, finished=ended)
        return _close(observed, it, found, verdict, now)
    return _close(observed, it, found, verdict, now, kept)


def _unless_stored(
    observed: Observed, definition: Definition, given: stored.Given, verdict: Ended, now: datetime
) -> Ended:
    """The Job or its Pod is gone; but an output of it that was stored proves its success: whoever
    stored it had judged it, and was ended before writing that down.
    """
    place = stored.place_of(observed.run, definition, given)
    found = observed.held.get(place.name)
    if found is None or found.value is None or not is_ours(found, place):
        return verdict
    return Ended(StepState.SUCCEEDED, exit_code=0, output=found.value, finished=now)


def _not_stored(
    observed: Observed, it: Live, found: Inspection, why: Refusal, now: datetime
) -> Inspection:
    """The API server refuses the output: it is tried again, for a time, and shows."""
    ended = it.pod.container.finished if it.pod is not None else None
    if it.record.reason == why.reason and now >= (ended or now) + OUTPUT_PATIENCE:
        verdict = Ended(StepState.UNKNOWN, why.reason, why.message, 0, finished=ended)
        return _close(observed, it, found, verdict, now)
    return _wait(found, it, Going(why.reason, why.message, look_at=now + OUTPUT_PAUSE))


def _close(
    observed: Observed,
    it: Live,
    found: Inspection,
    verdict: Ended,
    now: datetime,
    ref: OutputRef | None = None,
) -> Inspection:
    """The verdict as the record of the unit; of a failure the end of its log, first."""
    pod = it.pod
    unread = pod is not None and pod.uid not in observed.logs and _has_log(it, verdict, pod)
    if pod is not None and unread:
        return replace(found, needs_logs={**found.needs_logs, pod.name: pod.uid})
    ended = closing.Closing(
        unit=it.unit,
        record=it.record,
        verdict=verdict,
        image_id=pod.container.image_id if pod is not None else "",
        log=observed.logs.get(pod.uid, "") if pod is not None and _keeps_log(it) else "",
        limit=limits.step_limit(it.unit, it.since),
        ref=ref,
    )
    return replace(found, ledger=closing.close(found.ledger, ended, observed.run.uid, now))


def _has_log(it: Live, verdict: Ended, pod: PodFact) -> bool:
    """A container that began, and did not succeed, has something to say."""
    failed = verdict.state is not StepState.SUCCEEDED and pod.container.started is not None
    return failed and _keeps_log(it)


def _keeps_log(it: Live) -> bool:
    """Whether the Action lets the end of its log be seen by those who may read runs."""
    return it.unit.action.spec.logs_tail
