"""A step with `forEach`: what its record says of its items, and when it has ended.

Each item is a unit of its own, with its own tries; the step runs from the moment its list is known
until the last item has ended, and is as bad as the worst of them. Starts nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.api.reasons import Reason
from workflow_do.api.run import ItemStatus, StepState, StepStatus
from workflow_do.engine.closing import worst
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp

CHANGED: Final = Problem(
    Reason.INVALID_TEMPLATE, "forEach.items: another list than when the step began"
)
_GOING: Final = (StepState.RUNNING, StepState.RETRYING)


def opened(
    record: StepStatus, number: int, now: datetime, required: int | None = None
) -> StepStatus:
    """The step's record once its list is known; an empty one has succeeded at once.

    `required`: how many approvals each item waits for, where it does.

    Items that a retry may take over are there already, by their place in the list.
    """
    known = (record.items or ())[:number]
    items = (*known, *(ItemStatus() for _ in range(number - len(known))))
    changes: dict[str, Any] = {
        "items": items,
        "start_time": stamp(now),
        "approvals_required": required,
    }
    if items:
        changes["state"] = StepState.RUNNING
    else:
        changes |= {"state": StepState.SUCCEEDED, "completion_time": stamp(now)}
    return record.model_copy(update=changes)


def settle(ledger: Ledger, stopped: Problem | None, now: datetime) -> Ledger:
    """The ledger with every step that has items telling how they are.

    `stopped` says why no item starts any more; None while they do.
    """
    for step in ledger.steps:
        if step.items is not None and step.state is StepState.RUNNING:
            changes = _told(step, step.items, stopped, now)
            if any(getattr(step, key) != value for key, value in changes.items()):
                ledger = ledger.put(step.model_copy(update=changes))
    return ledger


def describe(items: tuple[ItemStatus, ...]) -> str:
    """`12 of 50 items`: how many have succeeded."""
    done = sum(1 for item in items if item.state is StepState.SUCCEEDED)
    return f"{done} of {len(items)} items"


def _told(
    step: StepStatus, items: tuple[ItemStatus, ...], stopped: Problem | None, now: datetime
) -> dict[str, Any]:
    bad = _first_bad(items)
    changes = bad or _asking(step, items)
    going = any(item.state in _GOING for item in items)
    left = any(item.state is StepState.PENDING for item in items)
    if going or (left and stopped is None):
        return changes
    ended = {"completion_time": stamp(now)}
    if bad:
        return {**bad, **ended, "state": worst(*(item.state for item in items))}
    skipped = next((item for item in items if item.state is StepState.SKIPPED), None)
    if skipped is not None:
        told = {"reason": skipped.reason, "message": skipped.message}
        return {**ended, **told, "state": StepState.SKIPPED}
    if left and stopped is not None:
        message = f"{describe(items)} had succeeded: {stopped.message}"[:MAX_MESSAGE_CHARS]
        return {
            **ended,
            "state": StepState.NOT_STARTED,
            "reason": stopped.reason.value,
            "message": message,
        }
    return {**changes, **ended, "state": StepState.SUCCEEDED}


def _asking(step: StepStatus, items: tuple[ItemStatus, ...]) -> dict[str, Any]:
    """What a step says whose items wait for approval; at its end nothing."""
    if step.approvals_required is None:
        return {}
    waiting = sum(1 for item in items if item.state is StepState.RUNNING)
    if waiting == 0:
        return {"reason": None, "message": None}
    message = f"{describe(items)} decided, {waiting} to be decided now"
    return {"reason": Reason.WAITING_FOR_APPROVAL.value, "message": message}


def _first_bad(items: tuple[ItemStatus, ...]) -> dict[str, Any]:
    """What the step says of the first item, in order of time, that failed for good."""
    bad = [(item.completion_time or "", at) for at, item in enumerate(items) if item.state.bad]
    if not bad:
        return {}
    at = min(bad)[1]
    first = items[at]
    more = f" (and {len(bad) - 1} more of {len(items)})" if len(bad) > 1 else ""
    said = f": {first.message}" if first.message else f": {first.reason}" if first.reason else ""
    return {
        "reason": first.reason,
        "message": f"item {at}{more}{said}"[:MAX_MESSAGE_CHARS],
        "exit_code": first.exit_code,
        "attempts": first.attempts,
    }
