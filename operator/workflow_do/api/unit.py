"""What is known of one unit of a run's work: its state, its tries, what it gave."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from workflow_do.api.base import Json, Status

_ANY = {"x-kubernetes-preserve-unknown-fields": True}


class StepState(StrEnum):
    """How far a step is, and how it ended."""

    PENDING = "Pending"
    RUNNING = "Running"
    RETRYING = "Retrying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    NOT_STARTED = "NotStarted"
    UNKNOWN = "Unknown"
    SKIPPED = "Skipped"

    @property
    def terminal(self) -> bool:
        """Whether the step has ended, well or not."""
        return self not in LIVE

    @property
    def bad(self) -> bool:
        """Whether the step has ended, and neither succeeded nor was skipped."""
        return self in BAD


WAITING: Final = frozenset({StepState.PENDING, StepState.RETRYING})
"""A try may start."""
LIVE: Final = WAITING | {StepState.RUNNING}
BAD: Final = frozenset({StepState.FAILED, StepState.NOT_STARTED, StepState.UNKNOWN})


class OutputRef(Status):
    """Where an output is that is too large for the status."""

    name: Annotated[str, Field(description="The ConfigMap; it is deleted with the run.")]
    size: Annotated[int, Field(description="The bytes of its key data.json.")]
    sha256: Annotated[str, Field(description="The SHA-256 of them, in hex.")]


class UnitStatus(Status):
    """What is known of one unit of work: a step, an item of one, or a handler."""

    state: Annotated[
        StepState,
        Field(
            description="Pending, Running, Retrying (between two tries), Succeeded, Failed (the "
            "program said so), NotStarted (it never began), Unknown (it began, and what it did is "
            "not known) or Skipped (its `when` was false)."
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
    attempts: Annotated[
        int, Field(description="How many tries counted: infrastructure trouble is free of charge.")
    ] = 0
    prior_state: Annotated[
        StepState | None,
        Field(description="The worst outcome of earlier tries: Unknown, Failed or NotStarted."),
    ] = None
    retry_time: Annotated[
        str | None,
        Field(
            description="While Retrying: when the next try starts.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    taken_over: Annotated[
        bool | None,
        Field(description="The step succeeded in the run that this one is a retry of."),
    ] = None
    epoch: Annotated[
        int | None,
        Field(description="Counts how often the step began anew; part of its idempotency key."),
    ] = None
    job_uid: Annotated[str | None, Field(description="Its uid.", alias="jobUID")] = None
    run_name: Annotated[
        str | None,
        Field(
            description="Of a step that starts a run of another Workflow: that run; of an item "
            "only the run that it will be a retry of, for it is told by its uid."
        ),
    ] = None
    run_uid: Annotated[
        str | None,
        Field(
            description="The uid of the child run. While Pending: of the one that the next is a "
            "retry of.",
            alias="runUID",
        ),
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
    output_ref: Annotated[
        OutputRef | None,
        Field(description="Instead of output, where that is large: where it is."),
    ] = None


class Vote(Status):
    """An approval that counted."""

    approver: Annotated[str, Field(description="Whose it was.")]
    approval_name: Annotated[str, Field(description="The WorkflowApproval.")]
    time: Annotated[
        str, Field(description="When it was made.", json_schema_extra={"format": "date-time"})
    ]
