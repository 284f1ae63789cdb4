"""The status of a run, told from its ledger: conditions, progress, times.

`Succeeded` stays Unknown until everything has ended; False (or True) and Completed=True come in
one write, with the reason of the first failure. Reconciling and Stalled are there for tools that
read kstatus. Decides what is said, never what is done.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from workflow_do.api import conditions as cond
from workflow_do.api.base import Json
from workflow_do.api.conditions import Condition, ConditionType
from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState, RunStatus, StepState, StepStatus, UnitStatus
from workflow_do.engine import saga
from workflow_do.engine.definition import Definition
from workflow_do.engine.facts import Pinning, Run, parse_time
from workflow_do.engine.fanout import describe
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.opening import opening
from workflow_do.engine.problem import Problem, find_reason
from workflow_do.engine.timestamps import describe_span, stamp

Outputs = dict[str, Json] | None
"""What a run gives, by name; None where its Workflow names none, or it failed."""
_TOLD: Final = 3
"""Of so many steps at once a message tells."""
_LIVE: Final = (StepState.RUNNING, StepState.RETRYING)
_DONE: Final = (StepState.SUCCEEDED, StepState.SKIPPED)
L = TypeVar("L", bound=UnitStatus | None)
CANCELLED: Final = Problem(Reason.CANCELLED, "the run was cancelled")


def completed(status: RunStatus) -> bool:
    """Whether the run has ended for good."""
    found = cond.find(status.conditions, ConditionType.COMPLETED)
    return found is not None and found.status == "True"


def waiting(run: Run, why: Problem, now: datetime) -> RunStatus:
    """Not begun: a definition is awaited."""
    status = _base(run, now)
    return _going(run, status, why.reason, why.message, now)


def pinned(run: Run, pinning: Pinning, now: datetime) -> RunStatus:
    """Pinned to a revision, every step Pending."""
    original = pinning.original
    old = original.status if original is not None else None
    root = (old.root_run_uid if old is not None else None) or (original and original.uid)
    path = old.call_path if old is not None else None
    vouched = pinning.vouched
    begun = {
        "revision_name": pinning.definition.revision_name,
        "root_run_uid": root or (vouched.root_run_uid if vouched is not None else None),
        "call_path": path or (vouched.call_path if vouched is not None else None),
        "depth": vouched.depth if vouched is not None else None,
        "child_revisions": dict(pinning.definition.children) or None,
        "start_time": stamp(now),  # waiting for a definition is no part of the run
    }
    run = replace(run, status=run.status.model_copy(update=begun))
    definition = pinning.definition
    return going(run, definition, opening(definition, original, pinning.alike), now)


def going(run: Run, definition: Definition, ledger: Ledger, now: datetime) -> RunStatus:
    """On its way: a step, an undo or a handler runs or is about to."""
    account = saga.account(run, definition, ledger, over=False)
    status = run.status.model_copy(update={**_progress(ledger), **_pauses(run, now)})
    status = _with_account(run, status, account, now)
    return _going(run, status, _what(run, ledger, account), _now(ledger), now)


def in_line(run: Run, definition: Definition, ledger: Ledger, why: str, now: datetime) -> RunStatus:
    """On its way, and held up because others are; Queued where nothing of the run is live."""
    status = going(run, definition, ledger, now)
    live = any(record.state is StepState.RUNNING for _, record in ledger.units())
    reason = _what(run, ledger, None) if live else Reason.QUEUED
    return _going(run, status, reason, f"{_now(ledger)}; {why}", now)


def _with_account(
    run: Run, status: RunStatus, account: saga.Account | None, now: datetime
) -> RunStatus:
    """A cancel that came too late leaves nothing to undo: what was said of it goes, too."""
    if account is None:
        return _without(status, ConditionType.COMPENSATED)
    row = (ConditionType.COMPENSATED, account.status, account.reason, account.message)
    return _put(run, status, now, row)


def _what(run: Run, ledger: Ledger, account: saga.Account | None) -> Reason:
    """The word for how a live run stands."""
    undoing = account is not None and account.reason is Reason.COMPENSATING
    if run.spec.desired_state.cancels:
        return Reason.COMPENSATING if undoing else Reason.CANCELLING
    if run.spec.desired_state is DesiredState.PAUSED:
        return Reason.PAUSED
    if ledger.first_failure() is not None or ledger.next_step() is None:
        return Reason.COMPENSATING if undoing else Reason.FINISHING
    states = {step.state for step in ledger.steps}
    retrying = StepState.RETRYING in states and StepState.RUNNING not in states
    return Reason.RETRYING if retrying else Reason.RUNNING


def _now(ledger: Ledger) -> str:
    """What goes on, or what ended the run."""
    first = ledger.first_failure()
    if first is not None:
        return _failed(first)
    going = [s for s in ledger.steps if s.state in _LIVE] or [*filter(None, [ledger.next_step()])]
    said = [_running(step) for step in going[:_TOLD]]
    more = [f"and {len(going) - _TOLD} more"] if len(going) > _TOLD else []
    finals = [f"finally {f.id}: {f.state.value}" for f in ledger.finals if not f.state.terminal]
    return ", ".join([*said, *more, *finals])


def ended(
    run: Run, definition: Definition, ledger: Ledger, outputs: Outputs | Problem, now: datetime
) -> RunStatus:
    """Ended: every step that the run needs succeeded, or the first failure tells why not."""
    changes = {**_progress(ledger), **_pauses(run, now, over=True)}
    if isinstance(outputs, dict):
        changes["outputs"] = outputs
    status = run.status.model_copy(update=changes)
    account = saga.account(run, definition, ledger, over=True)
    status = _with_account(run, status, account, now)
    failed = _failure_of(run, ledger, outputs)
    if failed is not None:
        return _ended(run, status, "False", failed.reason, failed.message, now)
    done = sum(1 for s in ledger.steps if s.state is StepState.SUCCEEDED)
    message = f"{done} of {len(ledger.steps)} steps succeeded"
    skipped = sum(1 for s in ledger.steps if s.state is StepState.SKIPPED)
    message += f", {skipped} skipped" if skipped else ""
    bad = [s.id for s in ledger.steps if s.state.bad]
    if bad:
        listed = ", ".join(bad[:_TOLD]) + (", …" if len(bad) > _TOLD else "")
        return _ended(
            run, status, "True", Reason.COMPLETED_WITH_ERRORS, f"{message}, failed: {listed}", now
        )
    return _ended(run, status, "True", Reason.SUCCEEDED, message, now)


def _failure_of(run: Run, ledger: Ledger, outputs: Outputs | Problem) -> Problem | None:
    """Why the run failed: its first failure, the cancel, its outputs, or `finally`."""
    first = ledger.first_failure()
    if first is not None:
        return Problem(find_reason(first.reason) or Reason.EXIT_CODE, _failed(first))
    if saga.cut_short(run, ledger):
        return CANCELLED
    if isinstance(outputs, Problem):
        return outputs
    bad = next((f for f in ledger.finals if f.state.bad), None)
    if bad is not None:
        why = bad.message or bad.reason or bad.state.value
        return Problem(Reason.FINALLY_FAILED, f"finally {bad.id}: {why}")
    return None


def refused(run: Run, why: Problem, now: datetime) -> RunStatus:
    """Ended without a failed step: the run could not begin, or its definition was lost."""
    status = _base(run, now)
    return _ended(run, status, "False", why.reason, why.message, now)


def lost(run: Run, why: Problem, now: datetime) -> RunStatus:
    """Ended in the middle, for want of its definition; what its live units did is not known."""
    old = run.status
    changes = {
        "steps": tuple(_lost_parts(_lost(s, why), why) for s in old.steps),
        "on_failure": _lost(old.on_failure, why),
        "finally_": tuple(_lost(f, why) for f in old.finally_) if old.finally_ else old.finally_,
    }
    return refused(replace(run, status=old.model_copy(update=changes)), why, now)


def _lost_parts(step: StepStatus, why: Problem) -> StepStatus:
    """The undo of the step, and its items with theirs."""
    items = None
    if step.items is not None:
        undos = ({"compensation": _lost(i.compensation, why)} for i in step.items)
        rows = zip(step.items, undos, strict=True)
        items = tuple(_lost(item, why).model_copy(update=undo) for item, undo in rows)
    undo = _lost(step.compensation, why)
    return step.model_copy(update={"items": items, "compensation": undo})


def _lost(record: L, why: Problem) -> L:
    if record is None or record.state not in (StepState.RUNNING, StepState.RETRYING):
        return record
    changes = {"state": StepState.UNKNOWN, "reason": why.reason, "message": why.message}
    return record.model_copy(update=changes)


def unreadable(why: Problem, now: datetime) -> RunStatus:
    """The whole status of a run that never began and cannot be read: ended, and why."""
    rows = [
        (ConditionType.SUCCEEDED, "False", why.message),
        (ConditionType.COMPLETED, "True", ""),
        (ConditionType.STALLED, "True", why.message),
    ]
    conditions = tuple(
        Condition(
            type=type_,
            status=value,
            reason=why.reason.value,
            message=message[:MAX_MESSAGE_CHARS],
            last_transition_time=stamp(now),
        )
        for type_, value, message in rows
    )
    return RunStatus(conditions=conditions, start_time=stamp(now), completion_time=stamp(now))


def restored(run: Run, now: datetime) -> RunStatus:
    """A finished run from a backup, which kept its label but not its status: the old verdict."""
    verdict = "True" if run.finished == Reason.SUCCEEDED else "False"
    message = "restored from a backup; the steps are not known any more"
    status = _base(run, now)
    return _ended(run, status, verdict, run.finished, message, now)


def reason_of(status: RunStatus) -> str:
    """The reason that a run ended with."""
    found = cond.find(status.conditions, ConditionType.SUCCEEDED)
    return found.reason if found is not None else ""


def _pauses(run: Run, now: datetime, over: bool = False) -> dict[str, Any]:
    """Since when the run is paused, and how long it was before."""
    since = parse_time(run.status.paused_since)
    asked = run.spec.desired_state is DesiredState.PAUSED and not over
    if asked or since is None:
        return {"paused_since": (run.status.paused_since or stamp(now)) if asked else None}
    spent = max(0, int((now - since).total_seconds()))
    return {"paused_since": None, "paused_seconds": (run.status.paused_seconds or 0) + spent}


def _base(run: Run, now: datetime) -> RunStatus:
    return run.status.model_copy(update={"start_time": run.status.start_time or stamp(now)})


def _progress(ledger: Ledger) -> dict[str, Any]:
    done = sum(1 for s in ledger.steps if s.state in _DONE)
    live = next((s for s in ledger.steps if s.state in _LIVE), None)
    final = next((f for f in ledger.finals if not f.state.terminal), None)
    current = ledger.first_failure() or live or ledger.next_step() or final
    return {
        "steps": ledger.steps,
        "on_failure": ledger.handler,
        "finally_": ledger.finals or None,
        "progress": f"{done}/{len(ledger.steps)}",
        "current_step": current.id if current is not None else None,
    }


def _running(step: StepStatus) -> str:
    waits = f" ({step.reason})" if step.reason else ""
    items = f", {describe(step.items)}" if step.items and step.state in _LIVE else ""
    return f"step {step.id}: {step.state.value}{waits}{items}"


def _failed(step: StepStatus) -> str:
    return f"step {step.id}: {step.message or step.reason or step.state.value}"


def _going(run: Run, status: RunStatus, reason: str, message: str, now: datetime) -> RunStatus:
    rows = [
        (ConditionType.SUCCEEDED, "Unknown", reason, message),
        (ConditionType.COMPLETED, "False", reason, ""),
        (ConditionType.RECONCILING, "True", reason, ""),
    ]
    if status.paused_since is not None:
        rows.append((ConditionType.PAUSED, "True", Reason.PAUSED, "nothing new starts"))
    else:
        status = _without(status, ConditionType.PAUSED)
    return _put(run, status, now, *rows)


def _without(status: RunStatus, type_: ConditionType) -> RunStatus:
    if cond.find(status.conditions, type_) is None:
        return status
    return status.model_copy(update={"conditions": cond.drop(status.conditions, type_)})


def _ended(
    run: Run, status: RunStatus, verdict: str, reason: str, message: str, now: datetime
) -> RunStatus:
    started = parse_time(status.start_time)
    live = (ConditionType.RECONCILING, ConditionType.PAUSED)
    status = status.model_copy(
        update={
            "completion_time": stamp(now),
            "duration": describe_span(now - started) if started is not None else None,
            "conditions": tuple(c for c in status.conditions if c.type not in live),
        }
    )
    rows = [
        (ConditionType.SUCCEEDED, verdict, reason, message),
        (ConditionType.COMPLETED, "True", reason, ""),
    ]
    if verdict == "False":
        rows.append((ConditionType.STALLED, "True", reason, message))
    return _put(run, status, now, *rows)


def _put(run: Run, status: RunStatus, now: datetime, *rows: tuple[str, str, str, str]) -> RunStatus:
    conditions = status.conditions
    for type_, value, reason, message in rows:
        said = (value, str(reason), message[:MAX_MESSAGE_CHARS], run.generation)
        old = cond.find(conditions, type_)
        if old is not None and _says(old) == said:
            continue
        new = Condition(
            type=type_,
            status=value,
            reason=said[1],
            message=said[2],
            observed_generation=run.generation,
            last_transition_time=stamp(now),
        )
        conditions = cond.put(conditions, new)
    return status.model_copy(
        update={"conditions": conditions, "observed_generation": run.generation}
    )


def _says(row: Condition) -> tuple[str, str, str, int | None]:
    """What a condition says, but for since when."""
    return row.status, row.reason, row.message, row.observed_generation
