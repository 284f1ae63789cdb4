"""A WorkflowRun as Python sees it: read-only views over the object's JSON.

Decides what "the state" and "the failing step" of a run are for people. Pure, tolerant of fields
and states that a newer operator writes; the whole object stays within reach as `raw`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from workflow_do.api import names

ON_FAILURE: Final = "onFailure"
"""The id under which the handler's unit is shown; no step can be confused with it in `role`."""

CANCELLED: Final = "Cancelled"
ENDED_BADLY: Final = ("Failed", "NotStarted", "Unknown")


@dataclass(frozen=True, slots=True)
class Unit:
    """One step, an item of one, or a handler (that of onFailure has the id "onFailure").

    state: Pending, Running, Retrying, Succeeded, Failed, NotStarted, Unknown or Skipped.
    output: what the program gave, None before it has succeeded.
    output_ref: instead of it, where it is large: name (of a ConfigMap), size (bytes), sha256.
    tries: Jobs that were made; attempts: those of them that count towards maxAttempts.
    retry_time: when the next try is due, while Retrying.
    logs_tail: the end of the log of the newest failed try, 2 KiB at most.
    taken_over: it did not run here, but in the run that this one is a retry of.
    wait_until: of a step that waits: when the wait is over, or the approval expires.
    items: with forEach, every item in the order of the list; they have no id and no action.
    continued: when it failed, the run went on (onError: Continue).
    approved_by: who has approved so far, of the approvals_required (0: it is no approval); of a
    step with items each of them.
    compensation: its undo, once that was started; it has the id of the step.
    workflow: the Workflow that it starts a run of, instead of an action; empty for none.
    run_name, run_uid: that run, once it is there; of an item only its uid.
    """

    id: str
    action: str
    state: str = "Pending"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    tries: int = 0
    attempts: int = 0
    retry_time: datetime | None = None
    logs_tail: str = ""
    taken_over: bool = False
    job_name: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    output: Mapping[str, Any] | None = None
    output_ref: Mapping[str, Any] | None = None
    wait_until: datetime | None = None
    approvals_required: int = 0
    approved_by: tuple[str, ...] = ()
    items: tuple[Unit, ...] = ()
    continued: bool = False
    compensation: Unit | None = None
    workflow: str = ""
    run_name: str | None = None
    run_uid: str | None = None

    @property
    def awaits_approval(self) -> bool:
        """Whether it waits for people to decide; of a step with items: whether one of them does."""
        if self.items:
            return any(item.awaits_approval for item in self.items)
        return self.state == "Running" and self.approvals_required > 0

    @property
    def failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.state in ENDED_BADLY

    @property
    def undo(self) -> Unit | None:
        """Its compensation; of a step with items one unit for all of theirs, once one was started.

        Such a unit runs while one of them does, and is as bad as the worst; its items, of which
        some may be pending, tell how far it is.
        """
        if self.compensation is not None or not any(i.compensation for i in self.items):
            return self.compensation
        did = [item for item in self.items if item.compensation or item.state in _DID_SOMETHING]
        undos = tuple(item.compensation or Unit(self.id, "") for item in did)
        worst = min(undos, key=lambda undo: _RANKS.get(undo.state, _RANKS["Succeeded"]))
        ends = [undo.completion_time for undo in undos if undo.completion_time]
        return Unit(
            id=self.id,
            action="",
            state=worst.state,
            reason=worst.reason,
            message=worst.message,
            exit_code=worst.exit_code,
            attempts=worst.attempts,
            retry_time=worst.retry_time,
            start_time=min(filter(None, (undo.start_time for undo in undos)), default=None),
            completion_time=None if worst.state in _LIVE else max(ends, default=None),
            items=undos,
        )


_DID_SOMETHING: Final = ("Succeeded", "Unknown")
_LIVE: Final = ("Running", "Retrying")
_RANKS: Final = {
    state: at for at, state in enumerate((*_LIVE, *ENDED_BADLY, "Succeeded", "Pending"))
}
"""Of the states of many units the first is that of all."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run at one moment.

    succeeded: True or False once it has ended so, None while it goes on.
    completed: nothing of the run goes on any more, handlers included.
    finals: the Actions of `finally` that were started.
    outputs: what the run gave, by name; None where it gave nothing.
    reason: the state in one word (Pending, Running, Succeeded, or why it failed).
    desired_state: what is asked of it: Running, Paused, Cancelled or CancelledWithCompensation.
    retry_of: the name of the run that this one is a retry of; empty for none.
    retried_by: the uid of the run that is a retry of this one; empty for none.
    compensated: whether what was done is undone; None where nothing was to be, or it goes on.
    compensation_message: how many are undone, or which are not and why.
    parent, parent_uid: the run of which a step has started this one; empty for none.
    children: the runs that its steps have started, where they were asked for.
    """

    name: str
    namespace: str
    uid: str
    workflow: str
    succeeded: bool | None = None
    completed: bool = False
    reason: str = "Pending"
    message: str = ""
    steps: Mapping[str, Unit] = field(default_factory=dict)
    on_failure: Unit | None = None
    finals: tuple[Unit, ...] = ()
    outputs: Mapping[str, Any] | None = None
    created: datetime | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    progress: str = ""
    current_step: str = ""
    desired_state: str = "Running"
    retry_of: str = ""
    retried_by: str = ""
    compensated: bool | None = None
    compensation_message: str = ""
    parent: str = ""
    parent_uid: str = ""
    children: tuple[Run, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether it ended because it was cancelled, and not by a failure before that."""
        return self.succeeded is False and self.reason == CANCELLED

    def children_of(self, step: Unit) -> tuple[Run, ...]:
        """Those of its children, as far as they were asked for, that a step has started."""
        uids = {unit.run_uid for unit in (step, *step.items)} - {None}
        return tuple(child for child in self.children if child.uid in uids)

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every step in order, then the handlers that were started."""
        return (*self.steps.values(), *filter(None, [self.on_failure]), *self.finals)

    @property
    def failed_step(self) -> Unit | None:
        """The step that ended the run; the first one, when several did not end well."""
        if self.succeeded is not False:
            return None
        bad = [unit for unit in self.steps.values() if unit.failed and not unit.continued]
        named = [unit for unit in bad if unit.id == self.current_step]
        return next(iter(named or bad), None)

    def failed_place(self, message: str) -> str:
        """` at step <id>` where the run failed at one and `message` does not name it already."""
        step = self.failed_step
        if step is None or re.search(rf"\b{re.escape(step.id)}\b", message):
            return ""
        return f" at step {step.id}"


_VERDICTS: Final = {"True": True, "False": False}


def parse_run(obj: Mapping[str, Any]) -> Run:
    """The view of a WorkflowRun object as the API server gives it."""
    meta, spec, status = obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    succeeded = conditions.get("Succeeded") or {}
    undone = conditions.get("Compensated") or {}
    handler = status.get("onFailure")
    owner = _parent(meta)
    return Run(
        name=meta.get("name") or "",
        namespace=meta.get("namespace") or "",
        uid=meta.get("uid") or "",
        workflow=spec.get("workflowName") or "",
        succeeded=_VERDICTS.get(succeeded.get("status", "")),
        completed=(conditions.get("Completed") or {}).get("status") == "True",
        reason=succeeded.get("reason") or "Pending",
        message=succeeded.get("message") or "",
        steps={s["id"]: _unit(s["id"], s) for s in status.get("steps") or () if s.get("id")},
        on_failure=_unit(ON_FAILURE, handler) if handler else None,
        finals=tuple(_unit(f.get("id") or "", f) for f in status.get("finally") or ()),
        outputs=status.get("outputs"),
        created=parse_time(meta.get("creationTimestamp")),
        start_time=parse_time(status.get("startTime")),
        completion_time=parse_time(status.get("completionTime")),
        progress=status.get("progress") or "",
        current_step=status.get("currentStep") or "",
        desired_state=spec.get("desiredState") or "Running",
        retry_of=(spec.get("retryOf") or {}).get("runName") or "",
        retried_by=(meta.get("annotations") or {}).get(names.ANNOTATION_RETRIED_BY) or "",
        compensated=_VERDICTS.get(undone.get("status", "")),
        compensation_message=undone.get("message") or "",
        parent=owner.get("name") or "",
        parent_uid=owner.get("uid") or "",
        raw=obj,
    )


def _parent(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run that owns it; empty for none."""
    owners = meta.get("ownerReferences") or ()
    return next((o for o in owners if o.get("controller") and o.get("kind") == names.RUN.kind), {})


def _unit(id_: str, status: Mapping[str, Any]) -> Unit:
    undo = status.get("compensation")
    asked = {"approvalsRequired": status.get("approvalsRequired")}
    return Unit(
        id=id_,
        action=status.get("action") or "",
        state=status.get("state") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        exit_code=status.get("exitCode"),
        tries=status.get("tries") or 0,
        attempts=status.get("attempts") or 0,
        retry_time=parse_time(status.get("retryTime")),
        logs_tail=status.get("logsTail") or "",
        # Until its turn has come it is only meant to be, and may yet run.
        taken_over=status.get("takenOver") is True and status.get("state") == "Succeeded",
        job_name=status.get("jobName"),
        start_time=parse_time(status.get("startTime")),
        completion_time=parse_time(status.get("completionTime")),
        output=status.get("output"),
        wait_until=parse_time(status.get("waitUntil")),
        approvals_required=status.get("approvalsRequired") or 0,
        items=tuple(_unit("", {**asked, **item}) for item in status.get("items") or ()),
        continued=status.get("onError") == "Continue",
        approved_by=tuple(str(v.get("approver")) for v in status.get("approvals") or ()),
        output_ref=status.get("outputRef"),
        compensation=_unit(id_, undo) if undo else None,
        workflow=status.get("workflow") or "",
        # While it is Pending it names the run that the next one is a retry of.
        run_name=status.get("runName") if status.get("state") != "Pending" else None,
        run_uid=status.get("runUID") if status.get("state") != "Pending" else None,
    )


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time; None where there is none or it cannot be read."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
