"""The verdict on a try as the record of its unit: the end for good, or the wait for another try.

The state of a unit that failed is the worst of all its tries: what one of them may have done is
not undone by a later one that never began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from workflow_do.api.names import MAX_LOGS_TAIL_BYTES, MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import OutputRef, StepState, UnitStatus
from workflow_do.engine import retry
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.identity import Role
from workflow_do.engine.ledger import Ledger, unit_of
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp, stamp_after
from workflow_do.engine.verdict import Ended

_WORST: Final = (StepState.UNKNOWN, StepState.FAILED, StepState.NOT_STARTED)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
"""Terminal control sequences (ECMA-48, 5.4), as a whole."""
_FROM_OUTSIDE: Final = frozenset(
    {Reason.CANCELLED, Reason.RUN_DEADLINE_EXCEEDED, Reason.STEP_DEADLINE_EXCEEDED}
)
"""After these no other try follows, whatever the Action allows."""


@dataclass(frozen=True, slots=True)
class Closing:
    """A try that has ended. `limit`: when the step's deadline passes; `log`: the log's end; `ref`:
    where its output was stored, if not in the status.
    """

    unit: UnitDef
    record: UnitStatus
    verdict: Ended
    image_id: str
    log: str
    limit: datetime | None
    ref: OutputRef | None = None


def close(ledger: Ledger, this: Closing, run_uid: str, now: datetime) -> Ledger:
    """The ledger with the try ended: Succeeded, given up, or Retrying."""
    verdict = this.verdict
    ended = {
        "exit_code": verdict.exit_code,
        "image_id": this.image_id or None,
        "attempts": this.record.attempts + (0 if retry.is_free(this.record, verdict) else 1),
    }
    if this.unit.unit.item is not None:
        ended["stop_reason"] = None  # its record is small, and the reason says the same
    if verdict.state is StepState.SUCCEEDED:
        return ledger.update(this.unit, **{**ended, **_success(verdict, this.ref, now)})
    ended |= {
        "reason": verdict.reason.value if verdict.reason is not None else None,
        "message": _message(this.record, verdict),
        "logs_tail": clean_log(this.log) or None,
    }
    again = (
        None
        if this.record.stop_reason in _FROM_OUTSIDE
        else retry.decide(this.unit, this.record, verdict, run_uid, now)
    )
    state = worst(this.record.prior_state, verdict.state)
    if again is None:
        return _failed(ledger, this, {**ended, **_failure(state, verdict.finished or now)})
    if this.limit is not None and again.time >= this.limit:
        late = give_up(state, Reason.STEP_DEADLINE_EXCEEDED, "no time for another try", now)
        return _failed(ledger, this, {**ended, **late})
    waits = {
        "state": StepState.RETRYING,
        "retry_time": stamp_after(again.time),
        "prior_state": state,
    }
    return ledger.update(this.unit, **ended, **waits)


def wind_down(
    ledger: Ledger,
    definition: Definition,
    roles: frozenset[Role],
    why: Problem | None,
    now: datetime,
) -> Ledger:
    """What waits for another try gets none. `why` replaces what the last one had ended with; None:
    that stands.
    """
    for unit, record in ledger.units():
        if record.state is not StepState.RETRYING or unit.role not in roles:
            continue
        known = unit_of(definition, unit)
        if known is None:
            continue
        ended = _failure(worst(record.prior_state), now)
        if why is not None:
            ended = give_up(record.prior_state, why.reason, why.message, now)
        ledger = ledger.update(known, **ended)
    return ledger


def worst(*states: StepState | None) -> StepState:
    """The worst of the outcomes of a unit's tries."""
    return next((s for s in _WORST if s in states), StepState.NOT_STARTED)


def give_up(state: StepState | None, reason: Reason, message: str, now: datetime) -> dict[str, Any]:
    """The changes that end a unit which has no live try; `state` is that of its earlier tries."""
    return {
        "reason": reason.value,
        "message": message[:MAX_MESSAGE_CHARS],
        **_failure(worst(state), now),
    }


def _failed(ledger: Ledger, this: Closing, changes: dict[str, Any]) -> Ledger:
    """The end for good; a step with items keeps the log of the first of them that failed."""
    ledger = ledger.update(this.unit, **changes)
    step = ledger.step(this.unit.unit.step)
    if this.unit.unit.item is None or step is None or step.logs_tail:
        return ledger
    return ledger.put(step.model_copy(update={"logs_tail": changes["logs_tail"]}))


def clean_log(text: str) -> str:
    """The last 2 KiB, without control characters but line ends and tabs."""
    text = _COLOURS.sub("", text)
    kept = "".join(c for c in text if c in "\n\t" or (c.isprintable() or c == " "))
    data = kept.rstrip().encode(errors="replace")[-MAX_LOGS_TAIL_BYTES:]
    return data.decode(errors="ignore")


def _success(verdict: Ended, ref: OutputRef | None, now: datetime) -> dict[str, Any]:
    return {
        "state": StepState.SUCCEEDED,
        "output": verdict.output,
        "output_ref": ref,
        "completion_time": stamp(verdict.finished or now),
        **dict.fromkeys(("reason", "message", "stop_reason", "prior_state", "logs_tail")),
    }


def _failure(state: StepState, finished: datetime) -> dict[str, Any]:
    kept_none = dict.fromkeys(("retry_time", "prior_state", "taken_over", "output", "output_ref"))
    return {"state": state, "completion_time": stamp(finished), **kept_none}


def _message(record: UnitStatus, verdict: Ended) -> str | None:
    """The verdict's own message; of a try that was stopped, the one that was written then."""
    text = verdict.message or (record.message if record.stop_reason else "") or ""
    return text[:MAX_MESSAGE_CHARS] or None
