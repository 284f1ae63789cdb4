"""A step without a Job: how it begins to wait, and when that is over.

Its start and its end are status writes and nothing else. The start is written first: it says until
when the step waits, and from when on approvals count. The verdict follows from that record, the
time and the approvals alone, so that a crash between the two is harmless. Decides nothing about
other steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from workflow_do.api.base import Json
from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import ItemStatus, StepState, StepStatus
from workflow_do.api.waiting import MAX_WAIT_SECONDS, OnExpiry
from workflow_do.engine import expressions as ex
from workflow_do.engine.approvals import Poll, Tally, tally
from workflow_do.engine.definition import UnitDef
from workflow_do.engine.facts import Observed, parse_time
from workflow_do.engine.identity import Unit
from workflow_do.engine.inputs import invalid
from workflow_do.engine.jobs import encode_input, hash_of_input
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import describe_span, stamp, stamp_after
from workflow_do.engine.waitdef import NO_TIME, ApprovalDef, WaitDef, WaitingDef

Waiting = StepStatus | ItemStatus
"""The record of a step that waits, or of an item of one."""

_MAX_WAIT: Final = timedelta(seconds=MAX_WAIT_SECONDS)


@dataclass(frozen=True, slots=True)
class Start:
    """What a step waits for, rendered: until when, the text for people, what it depends on."""

    until: datetime
    message: str | None
    input_hash: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a waiting step comes to: changes of its record, or what must be known first.

    `look_at`: when something changes by itself; None where the changes end the step.
    """

    changes: Mapping[str, Any]
    look_at: datetime | None = None
    needs_live: bool = False
    needs_guard: bool = False

    @property
    def counts(self) -> bool:
        """Whether the changes are more than words."""
        return not self.changes.keys() <= {"message"}


def render(waits: WaitingDef, scope: Mapping[str, Json], now: datetime) -> Start | Problem:
    """What the step waits for, seen from `now`. Problem: InvalidTemplate."""
    if isinstance(waits, ApprovalDef):
        return _render_approval(waits, scope, now)
    if waits.until is None:
        seconds = waits.spec.seconds or 0
        until = now + timedelta(seconds=seconds)
        return Start(until, None, hash_of_input({"seconds": seconds}))
    value = ex.render(waits.until, scope)
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    time = parse_time(value)
    if time is None:
        return Problem(Reason.INVALID_TEMPLATE, NO_TIME)
    if time > now + _MAX_WAIT:
        message = f"wait.until: it is over {_MAX_WAIT.days} days ahead, which is the most"
        return Problem(Reason.INVALID_TEMPLATE, message)
    return Start(max(time, now), None, hash_of_input({"until": value}))


def guarded(observed: Observed, waits: WaitingDef) -> bool | Problem:
    """Whether approvals can be believed; False: ask first. Problem: ApprovalUnprotected."""
    if isinstance(waits, WaitDef):
        return True
    if observed.guard is None:
        return False
    fault = observed.guard.fault
    return Problem(Reason.APPROVAL_UNPROTECTED, fault) if fault else True


def begun(waits: WaitingDef, start: Start, seq: int, now: datetime) -> dict[str, Any]:
    """The changes that begin the wait; from here on approvals count."""
    approval = isinstance(waits, ApprovalDef)
    reason = Reason.WAITING_FOR_APPROVAL if approval else Reason.WAITING
    until = stamp_after(start.until)
    return {
        "state": StepState.RUNNING,
        "reason": reason.value,
        "message": start.message if approval else f"until {until}",
        "seq": seq,
        "start_time": stamp(now),
        "input_hash": start.input_hash,
        "wait_until": until,
        "approvals": () if approval else None,
        "approvals_required": waits.spec.required if isinstance(waits, ApprovalDef) else None,
        **dict.fromkeys(("taken_over", "output")),
    }


def look(
    observed: Observed,
    unit: UnitDef,
    record: Waiting,
    scope: Mapping[str, Json],
    now: datetime,
) -> Look:
    """How a step is that waits; `scope` is what its templates see."""
    waits = unit.waits
    if isinstance(waits, ApprovalDef):
        asked = _asked(waits, scope)
        text = asked if isinstance(asked, str) else None
        poll = _poll(observed, unit.unit, waits, record, now)
        return _look_at_approval(observed, waits, record, poll, text, now)
    until = (parse_time(record.wait_until) if isinstance(record, StepStatus) else None) or now
    return Look({}, look_at=until) if now < until else Look(_succeeded({}, None, now))


def stopped(why: Reason, message: str, now: datetime) -> dict[str, Any]:
    """The changes that end a wait badly: nothing was done, so nothing is unknown."""
    return {
        "state": StepState.FAILED,
        "reason": why.value,
        "message": message[:MAX_MESSAGE_CHARS],
        "completion_time": stamp(now),
    }


def not_awaited(failed_step: str, now: datetime) -> dict[str, Any]:
    """The changes that end the wait of a run that has failed elsewhere: no failure of its own."""
    message = f"the step {failed_step} had failed"
    return {**stopped(Reason.NOT_AWAITED, message, now), "state": StepState.SKIPPED}


def _render_approval(
    waits: ApprovalDef, scope: Mapping[str, Json], now: datetime
) -> Start | Problem:
    """A retry asks again unless all that the approvers could have seen is the same."""
    asked = _asked(waits, scope)
    if isinstance(asked, Problem):
        return asked
    seen = {"message": asked, "trigger": scope["trigger"], "steps": scope["steps"]}
    if "item" in scope:
        seen["item"] = scope["item"]
    until = now + timedelta(seconds=waits.spec.expires_seconds)
    return Start(until, asked, hash_of_input(seen))


def _asked(waits: ApprovalDef, scope: Mapping[str, Json]) -> str | Problem | None:
    """What is to be decided, as a text that fits into a message."""
    value = ex.render(waits.message, scope) if waits.message is not None else None
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    text = value if isinstance(value, str) or value is None else encode_input(value)
    return text[:MAX_MESSAGE_CHARS] if text else None


def _look_at_approval(
    observed: Observed,
    waits: ApprovalDef,
    record: Waiting,
    poll: Poll,
    asked: str | None,
    now: datetime,
) -> Look:
    counted = record.approvals or ()
    found = tally(poll, counted, observed.approvals)
    if found.rejection is not None:
        return Look(stopped(Reason.APPROVAL_REJECTED, found.rejection, now))
    believed = found.votes == counted or guarded(observed, waits)
    if isinstance(believed, Problem):
        return Look(stopped(believed.reason, believed.message, now))
    if not believed:
        return Look({}, needs_guard=True)
    if found.output is not None:
        return Look(_succeeded(found.output, None, now) | {"approvals": found.votes})
    if now >= poll.expiry:
        return _expired(waits, found, now) if observed.live else Look({}, needs_live=True)
    changes: dict[str, Any] = {"message": _text(asked, found)}
    if found.votes != counted:
        changes["approvals"] = found.votes
    return Look(changes, look_at=poll.expiry)


def _poll(
    observed: Observed, unit: Unit, waits: ApprovalDef, record: Waiting, now: datetime
) -> Poll:
    """What is asked. Of an item only its start is on record: there is little room for each."""
    run, start = observed.run, parse_time(record.start_time) or now
    until = parse_time(record.wait_until) if isinstance(record, StepStatus) else None
    return Poll(
        workflow_name=run.spec.workflow_name,
        run_name=run.name,
        step=unit.step,
        required=waits.spec.required,
        start=start,
        expiry=until or start + timedelta(seconds=waits.spec.expires_seconds),
        data=waits.data,
        item=unit.item,
    )


def _expired(waits: ApprovalDef, found: Tally, now: datetime) -> Look:
    """Nobody has decided, and a look at the API server itself says so."""
    span = describe_span(timedelta(seconds=waits.spec.expires_seconds))
    many = f"{len(found.votes)} of {waits.spec.required} approvals in {span}"
    if waits.spec.on_expiry is OnExpiry.APPROVE:
        return Look(_succeeded({}, f"{many}; nobody rejected it", now))
    text = _text(many, found) or many
    return Look(stopped(Reason.APPROVAL_EXPIRED, text, now))


def _text(asked: str | None, found: Tally) -> str | None:
    """The message of the step: what is to be decided, and which approvals do not count."""
    if not found.ignored:
        return asked
    ignored = "ignored: " + "; ".join(found.ignored[:3])
    more = len(found.ignored) - 3
    ignored += f"; and {more} more" if more > 0 else ""
    room = MAX_MESSAGE_CHARS - len(ignored) - 2
    return f"{asked[: max(0, room)]}; {ignored}"[:MAX_MESSAGE_CHARS] if asked else ignored


def _succeeded(output: dict[str, Any], message: str | None, now: datetime) -> dict[str, Any]:
    return {
        "state": StepState.SUCCEEDED,
        "reason": None,
        "message": message,
        "output": output,
        "completion_time": stamp(now),
    }
