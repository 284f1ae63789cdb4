"""WorkflowRun: one run of a Workflow, what started it and how far it has come."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workflow_do.api.base import Json, Name, Spec, Status, keyed_by
from workflow_do.api.conditions import Condition
from workflow_do.api.names import MAX_APPROVALS, MAX_FINALLY, MAX_ITEMS, MAX_STEPS
from workflow_do.api.unit import OutputRef as OutputRef
from workflow_do.api.unit import StepState as StepState
from workflow_do.api.unit import UnitStatus as UnitStatus
from workflow_do.api.unit import Vote as Vote

_ANY = {"x-kubernetes-preserve-unknown-fields": True}


class RunTrigger(Spec):
    """What started the run; expressions see it as `trigger`."""

    type: Annotated[Literal["api"], Field(description="What kind of event started the run.")] = (
        "api"
    )
    body: Annotated[
        Json, Field(description="Any JSON; `trigger.body` in expressions.", json_schema_extra=_ANY)
    ] = None
    headers: Annotated[
        dict[str, Annotated[str, Field(max_length=8192)]] | None,
        Field(max_length=64, description="Headers of the request, lower case."),
    ] = None
    id: Annotated[
        str | None, Field(max_length=253, description="The event's own id, e.g. a delivery id.")
    ] = None


class DesiredState(StrEnum):
    """What is asked of a live run."""

    RUNNING = "Running"
    PAUSED = "Paused"
    CANCELLED = "Cancelled"
    CANCELLED_WITH_COMPENSATION = "CancelledWithCompensation"

    @property
    def cancels(self) -> bool:
        """Whether the run is to end, for good."""
        return self.value.startswith("Cancelled")


class RetryOf(Spec):
    """The finished run whose succeeded steps are taken over."""

    run_name: Annotated[Name, Field(description="The name of the finished run.")]
    run_uid: Annotated[
        str, Field(alias="runUID", min_length=1, max_length=64, description="Its uid.")
    ]
    same_trigger: Annotated[
        bool,
        Field(
            description="Refuse unless this run's trigger is equal to that one's: for callers that "
            "copy it by means which may lose something. Absent: false."
        ),
    ] = False


class RunSpec(Spec):
    """What to run, with what. Immutable but for desiredState."""

    workflow_name: Annotated[Name, Field(description="The Workflow to run.")]
    revision_name: Annotated[
        Name | None,
        Field(description="A WorkflowRevision of that Workflow; absent: the current definitions."),
    ] = None
    trigger: Annotated[RunTrigger, Field(description="What started the run; 256 KiB at most.")]
    desired_state: Annotated[
        DesiredState,
        Field(
            description="Running; Paused: nothing new starts; Cancelled: live tries are stopped "
            "and the run ends, for good; CancelledWithCompensation: live tries end by themselves, "
            "then what was done is undone. Absent: Running."
        ),
    ] = DesiredState.RUNNING
    retry_of: Annotated[
        RetryOf | None,
        Field(
            description="Take over the steps of this finished run that succeeded and would get the "
            "same input again, and run the rest. A run can be retried once."
        ),
    ] = None


class ItemCompensationStatus(UnitStatus):
    """The undo of one item."""


class ItemStatus(UnitStatus):
    """One item of a step with forEach. Small, for there may be 1,000; its Job's name is derived."""

    approvals: Annotated[
        tuple[Vote, ...] | None,
        Field(
            max_length=MAX_APPROVALS,
            description="Where each item waits for approval: who has approved this one so far.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None

    compensation: Annotated[
        ItemCompensationStatus | None,
        Field(description="The undo of the item, where it was to be undone."),
    ] = None


class LoneStatus(UnitStatus):
    """A unit that is not one of many: there is room to say more of it."""

    logs_tail: Annotated[
        str | None, Field(description="The last 2 KiB of the log of the newest failed try.")
    ] = None
    job_name: Annotated[str | None, Field(description="The Job of the newest try.")] = None
    image_id: Annotated[
        str | None, Field(description="The image that ran, by digest.", alias="imageID")
    ] = None


class CompensationStatus(LoneStatus):
    """The undo of one unit of work."""

    action: Annotated[str, Field(description="The Action that undoes.")]


class StepStatus(LoneStatus):
    """One step of the run."""

    id: Annotated[str, Field(description="The step's id.")]
    action: Annotated[
        str | None, Field(description="The Action it runs; absent of a step without one.")
    ] = None
    workflow: Annotated[str | None, Field(description="The Workflow that it starts a run of.")] = (
        None
    )
    on_error: Annotated[
        Literal["Continue"] | None,
        Field(description="Continue: the run goes on when the step fails."),
    ] = None
    items: Annotated[
        tuple[ItemStatus, ...] | None,
        Field(
            max_length=MAX_ITEMS,
            description="With forEach: every item, in the order of the list. `output` stands here "
            "and not in the step.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    wait_until: Annotated[
        str | None,
        Field(
            description="Of a step that waits: when the wait is over, or the approval expires.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    approvals_required: Annotated[
        int | None, Field(description="How many people must approve.")
    ] = None
    approvals: Annotated[
        tuple[Vote, ...] | None,
        Field(
            max_length=MAX_APPROVALS,
            description="Who has approved so far. They count even if the objects are deleted.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    compensation: Annotated[
        CompensationStatus | None,
        Field(description="The undo of the step, where it was to be undone."),
    ] = None


class HandlerStatus(LoneStatus):
    """The onFailure handler of the run."""

    action: Annotated[str, Field(description="The Action it runs.")]


class FinallyStatus(LoneStatus):
    """One of the Actions that run at the end, whatever happened."""

    id: Annotated[str, Field(description="Its id.")]
    action: Annotated[str, Field(description="The Action it runs.")]


class RunStatus(Status):
    """How far the run has come. Written by the operator only."""

    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation this status is of.")
    ] = None
    revision_name: Annotated[
        str | None, Field(description="The WorkflowRevision that the run is pinned to.")
    ] = None
    root_run_uid: Annotated[
        str | None,
        Field(
            alias="rootRunUID",
            description="The first run of a chain of retries, and of a child run that of its "
            "parent; idempotency keys are made of it.",
        ),
    ] = None
    call_path: Annotated[
        str | None,
        Field(
            description="Of a child run: the steps that led to it from the first run, e.g. "
            "`settle/pay[3]`; idempotency keys are made of it, too."
        ),
    ] = None
    depth: Annotated[
        int | None, Field(description="Of a child run: how many runs are above it.")
    ] = None
    child_revisions: Annotated[
        dict[str, str] | None,
        Field(description="The WorkflowRevisions that child runs are pinned to, by Workflow."),
    ] = None
    concurrency_key: Annotated[
        str | None, Field(description="Runs of the Workflow with the same key share its places.")
    ] = None
    admitted_time: Annotated[
        str | None,
        Field(
            description="When it got its place, where the Workflow limits how many go on at once.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    paused_since: Annotated[
        str | None,
        Field(
            description="Since when the run has been paused.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    paused_seconds: Annotated[
        int | None, Field(description="How long the run had been paused before.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            description="Succeeded (True, False, Unknown while it goes on), Completed; for tools "
            "that read kstatus: Reconciling, Stalled.",
            json_schema_extra=keyed_by("type"),
        ),
    ] = ()
    start_time: Annotated[
        str | None,
        Field(
            description="When the operator first saw the run.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    completion_time: Annotated[
        str | None,
        Field(description="When the run ended.", json_schema_extra={"format": "date-time"}),
    ] = None
    duration: Annotated[str | None, Field(description="From start to end, e.g. 1m5s.")] = None
    progress: Annotated[
        str | None,
        Field(description="Steps that succeeded or were skipped, of all steps, e.g. 2/3."),
    ] = None
    current_step: Annotated[
        str | None, Field(description="The step that runs, or that ended the run.")
    ] = None
    steps: Annotated[
        tuple[StepStatus, ...],
        Field(
            max_length=MAX_STEPS,
            description="Every step, in order.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    on_failure: Annotated[
        HandlerStatus | None, Field(description="The onFailure handler, if it was started.")
    ] = None
    finally_: Annotated[
        tuple[FinallyStatus, ...] | None,
        Field(
            alias="finally",
            max_length=MAX_FINALLY,
            description="The Actions that run at the end, those that were started.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    outputs: Annotated[
        dict[str, Json] | None,
        Field(
            description="What the run gave: the Workflow's outputs.",
            json_schema_extra={**_ANY, "x-kubernetes-map-type": "atomic"},
        ),
    ] = None
