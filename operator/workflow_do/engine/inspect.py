"""Every live unit looked at once: verdicts written into the ledger, stops asked for.

A stop takes two plans: the first writes down why (`stopReason`), the second carries it out. So a
crash between the two never leaves a stopped try whose cause is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from workflow_do.api.names import MAX_INLINE_OUTPUTS_BYTES, MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason, find_reason
from workflow_do.api.run import StepState, UnitStatus
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import Effect
from workflow_do.engine.facts import JobFact, Observed, PodFact, parse_time
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.stopping import newest_pod, stop
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.verdict import Attempt, Ended, Going, Stop, judge


@dataclass(frozen=True, slots=True)
class Inspection:
    """The ledger after a look at all live units, and what the look asks for."""

    ledger: Ledger
    live: bool = False
    effects: tuple[Effect, ...] = ()
    look_at: datetime | None = None
    needs_live: bool = False
    needs_events: frozenset[str] = frozenset()


def inspect(
    observed: Observed, definition: Definition, ledger: Ledger, now: datetime
) -> Inspection:
    """Judge every unit that has started and not ended."""
    found = Inspection(ledger)
    for unit in books.units_of(definition):
        record = books.record_of(ledger, unit.unit)
        if record is not None and record.state is StepState.RUNNING:
            found = _look(observed, unit, record, found, now)
    return found


def _look(
    observed: Observed, unit: UnitDef, record: UnitStatus, found: Inspection, now: datetime
) -> Inspection:
    job = next((j for j in observed.jobs if j.uid == record.job_uid), None)
    pod = newest_pod(record.job_uid or "", observed.pods)
    verdict = judge(_attempt(observed, unit, record, job, pod, now))
    if isinstance(verdict, Ended):
        return replace(found, ledger=_close(found.ledger, unit, record, verdict, pod, now))
    if isinstance(verdict, Stop):
        return _ask_to_stop(found, unit, verdict, now)
    return _wait(found, unit, record, verdict, job, pod)


def _attempt(
    observed: Observed,
    unit: UnitDef,
    record: UnitStatus,
    job: JobFact | None,
    pod: PodFact | None,
    now: datetime,
) -> Attempt:
    return Attempt(
        action=unit.action,
        job_created=parse_time(record.start_time) or now,
        job=job,
        pod=pod,
        stop=find_reason(record.stop_reason),
        events=observed.job_events.get(record.job_uid or ""),
        live=observed.live,
        now=now,
    )


def _wait(
    found: Inspection,
    unit: UnitDef,
    record: UnitStatus,
    verdict: Going,
    job: JobFact | None,
    pod: PodFact | None,
) -> Inspection:
    """Still going: show what it waits for, and carry out a stop that is written down."""
    needs = {record.job_uid or ""} if verdict.needs_events else set()
    return replace(
        found,
        live=True,
        ledger=_show(found.ledger, unit, record, verdict),
        effects=found.effects + (stop(job, pod) if record.stop_reason else ()),
        look_at=_earliest(found.look_at, verdict.look_at),
        needs_live=found.needs_live or verdict.needs_live,
        needs_events=found.needs_events | needs,
    )


def _show(ledger: Ledger, unit: UnitDef, record: UnitStatus, verdict: Going) -> Ledger:
    """The reason it waits for. Of one reason the first message stays: they alternate for ever."""
    reason = verdict.reason.value if verdict.reason is not None else None
    if reason == record.reason:
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


def _close(
    ledger: Ledger,
    unit: UnitDef,
    record: UnitStatus,
    verdict: Ended,
    pod: PodFact | None,
    now: datetime,
) -> Ledger:
    """The verdict as the record of the unit, for good."""
    changes: dict[str, Any] = {
        "state": verdict.state,
        "reason": verdict.reason.value if verdict.reason is not None else None,
        "message": _message(record, verdict),
        "exit_code": verdict.exit_code,
        "output": verdict.output,
        "image_id": (pod.container.image_id if pod is not None else "") or None,
        "completion_time": stamp(verdict.finished or now),
    }
    if verdict.output is not None and _over_budget(ledger, verdict.output):
        limit = MAX_INLINE_OUTPUTS_BYTES
        changes |= {
            "state": StepState.UNKNOWN,
            "reason": Reason.OUTPUT_TOO_LARGE.value,
            "message": f"the run's outputs together are over {limit} bytes",
            "output": None,
        }
    return ledger.update(unit, **changes)


def _message(record: UnitStatus, verdict: Ended) -> str | None:
    """The verdict's own message; of a try that was stopped, the one that was written then."""
    kept = record.message if record.stop_reason and verdict.state.terminal else None
    succeeded = verdict.state is StepState.SUCCEEDED
    text = verdict.message or (None if succeeded else kept) or ""
    return text[:MAX_MESSAGE_CHARS] or None


def _over_budget(ledger: Ledger, output: dict[str, Any]) -> bool:
    kept = sum(len(orjson.dumps(u.output)) for _, u in ledger.units() if u.output)
    return kept + len(orjson.dumps(output)) > MAX_INLINE_OUTPUTS_BYTES


def _earliest(a: datetime | None, b: datetime | None) -> datetime | None:
    times = [t for t in (a, b) if t is not None]
    return min(times) if times else None
