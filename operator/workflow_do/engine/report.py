"""The status of a run, told from its ledger: conditions, progress, times.

`Succeeded` stays Unknown until everything has ended; False (or True) and Completed=True come in
one write, with the reason of the first failure. Reconciling and Stalled are there for tools that
read kstatus. Decides what is said, never what is done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workflow_do.api import conditions as cond
from workflow_do.api.conditions import Condition, ConditionType
from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus, StepState, StepStatus
from workflow_do.engine.facts import Run, parse_time
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import describe_span, stamp


def completed(status: RunStatus) -> bool:
    """Whether the run has ended for good."""
    found = cond.find(status.conditions, ConditionType.COMPLETED)
    return found is not None and found.status == "True"


def waiting(run: Run, why: Problem, now: datetime) -> RunStatus:
    """Not begun: a definition is awaited."""
    status = _base(run, now)
    return _going(run, status, why.reason, why.message, now)


def pinned(run: Run, revision_name: str, ledger: Ledger, now: datetime) -> RunStatus:
    """Pinned to a revision, every step Pending."""
    status = _base(run, now).model_copy(update={"revision_name": revision_name})
    return going(run, status, ledger, now)


def going(run: Run, status: RunStatus, ledger: Ledger, now: datetime) -> RunStatus:
    """On its way: a step or the handler runs or is about to."""
    status = status.model_copy(update=_progress(ledger))
    first = ledger.first_failure()
    if first is not None:
        return _going(run, status, Reason.FINISHING, _failed(first), now)
    step = ledger.next_step()
    return _going(run, status, Reason.RUNNING, _running(step) if step else "", now)


def ended(run: Run, status: RunStatus, ledger: Ledger, now: datetime) -> RunStatus:
    """Ended: every step succeeded, or the first failure tells why not."""
    status = status.model_copy(update=_progress(ledger))
    first = ledger.first_failure()
    if first is not None:
        reason = first.reason or Reason.EXIT_CODE
        return _ended(run, status, "False", reason, _failed(first), now)
    message = f"{len(ledger.steps)} of {len(ledger.steps)} steps succeeded"
    return _ended(run, status, "True", Reason.SUCCEEDED, message, now)


def refused(run: Run, why: Problem, now: datetime) -> RunStatus:
    """Ended without a failed step: the run could not begin, or its definition was lost."""
    status = _base(run, now)
    return _ended(run, status, "False", why.reason, why.message, now)


def _base(run: Run, now: datetime) -> RunStatus:
    return run.status.model_copy(update={"start_time": run.status.start_time or stamp(now)})


def _progress(ledger: Ledger) -> dict[str, Any]:
    done = sum(1 for s in ledger.steps if s.state is StepState.SUCCEEDED)
    current = ledger.first_failure() or ledger.next_step()
    return {
        "steps": ledger.steps,
        "on_failure": ledger.handler,
        "progress": f"{done}/{len(ledger.steps)}",
        "current_step": current.id if current is not None else None,
    }


def _running(step: StepStatus) -> str:
    waits = f" ({step.reason})" if step.reason else ""
    return f"step {step.id}: {step.state.value}{waits}"


def _failed(step: StepStatus) -> str:
    return f"step {step.id}: {step.message or step.reason or step.state.value}"


def _going(run: Run, status: RunStatus, reason: str, message: str, now: datetime) -> RunStatus:
    return _put(
        run,
        status,
        now,
        (ConditionType.SUCCEEDED, "Unknown", reason, message),
        (ConditionType.COMPLETED, "False", reason, ""),
        (ConditionType.RECONCILING, "True", reason, ""),
    )


def _ended(
    run: Run, status: RunStatus, verdict: str, reason: str, message: str, now: datetime
) -> RunStatus:
    started = parse_time(status.start_time)
    status = status.model_copy(
        update={
            "completion_time": stamp(now),
            "duration": describe_span(now - started) if started is not None else None,
            "conditions": cond.drop(status.conditions, ConditionType.RECONCILING),
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
        new = Condition(
            type=type_,
            status=value,
            reason=str(reason),
            message=message[:MAX_MESSAGE_CHARS],
            observed_generation=run.generation,
            last_transition_time=stamp(now),
        )
        conditions = cond.put(conditions, new)
    return status.model_copy(
        update={"conditions": conditions, "observed_generation": run.generation}
    )
