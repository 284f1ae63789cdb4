"""WorkflowRun: one run of a Workflow, what started it and how far it has come."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workflow_do.api.base import Json, Name, Spec, Status, keyed_by
from workflow_do.api.conditions import Condition

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


class RunSpec(Spec):
    """What to run, with what. Immutable."""

    workflow_name: Annotated[Name, Field(description="The Workflow to run.")]
    revision_name: Annotated[
        Name | None,
        Field(description="A WorkflowRevision of that Workflow; absent: the current definitions."),
    ] = None
    trigger: Annotated[RunTrigger, Field(description="What started the run; 256 KiB at most.")]


class StepState(StrEnum):
    """How far a step is, and how it ended."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    NOT_STARTED = "NotStarted"
    UNKNOWN = "Unknown"

    @property
    def terminal(self) -> bool:
        """Whether the step has ended, well or not."""
        return self not in (StepState.PENDING, StepState.RUNNING)


class UnitStatus(Status):
    """What is known of one unit of work: a step, or the onFailure handler."""

    state: Annotated[
        StepState,
        Field(
            description="Pending, Running, Succeeded, Failed (the program said so), NotStarted (it "
            "never began) or Unknown (it began, and what it did is not known)."
        ),
    ] = StepState.PENDING
    reason: Annotated[str | None, Field(description="Why; while Running: what it waits for.")] = (
        None
    )
    message: Annotated[str | None, Field(description="The place and the cure.")] = None
    exit_code: Annotated[
        int | None, Field(description="The program's exit code, where it ended by itself.")
    ] = None
    seq: Annotated[
        int | None, Field(description="The how-manyeth start of the run this was, from 1.")
    ] = None
    tries: Annotated[int, Field(description="How many Jobs were made.")] = 0
    job_name: Annotated[str | None, Field(description="The Job of the newest try.")] = None
    job_uid: Annotated[str | None, Field(description="Its uid.", alias="jobUID")] = None
    image_id: Annotated[
        str | None, Field(description="The image that ran, by digest.", alias="imageID")
    ] = None
    stop_reason: Annotated[
        str | None, Field(description="Why the newest try is being stopped before its time.")
    ] = None
    start_time: Annotated[
        str | None,
        Field(
            description="When its first Job was made.", json_schema_extra={"format": "date-time"}
        ),
    ] = None
    completion_time: Annotated[
        str | None,
        Field(description="When it ended.", json_schema_extra={"format": "date-time"}),
    ] = None
    input_hash: Annotated[str | None, Field(description="Hash of the rendered input.")] = None
    output: Annotated[
        dict[str, Json] | None,
        Field(
            description="What the program gave.",
            json_schema_extra={**_ANY, "x-kubernetes-map-type": "atomic"},
        ),
    ] = None


class StepStatus(UnitStatus):
    """One step of the run."""

    id: Annotated[str, Field(description="The step's id.")]
    action: Annotated[str, Field(description="The Action it runs.")]


class HandlerStatus(UnitStatus):
    """The onFailure handler of the run."""

    action: Annotated[str, Field(description="The Action it runs.")]


class RunStatus(Status):
    """How far the run has come. Written by the operator only."""

    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation this status is of.")
    ] = None
    revision_name: Annotated[
        str | None, Field(description="The WorkflowRevision that the run is pinned to.")
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
        str | None, Field(description="Steps that succeeded, of all steps, e.g. 2/3.")
    ] = None
    current_step: Annotated[
        str | None, Field(description="The step that runs, or that ended the run.")
    ] = None
    steps: Annotated[
        tuple[StepStatus, ...],
        Field(
            max_length=500,
            description="Every step, in order.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    on_failure: Annotated[
        HandlerStatus | None, Field(description="The onFailure handler, if it was started.")
    ] = None
