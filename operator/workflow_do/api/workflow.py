"""Workflow: the grammar of a business process, Actions chained with data between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workflow_do.api.action import Schema
from workflow_do.api.base import Json, Name, ObjectName, Spec, Status, keyed_by
from workflow_do.api.compensation import FailurePolicy, StepCompensation
from workflow_do.api.concurrency import Concurrency
from workflow_do.api.conditions import Condition
from workflow_do.api.housekeeping import Housekeeping
from workflow_do.api.names import (
    MAX_FINALLY,
    MAX_ITEMS,
    MAX_NEEDS,
    MAX_OUTPUTS,
    MAX_STEPS,
    MAX_TEMPLATE_CHARS,
)
from workflow_do.api.retry import Retry
from workflow_do.api.waiting import Approval, Wait

StepId = Annotated[
    str,
    Field(
        max_length=40,
        pattern=r"^[A-Za-z]([A-Za-z0-9_]{0,38}[A-Za-z0-9])?$",
        description="Names the step; `steps.<id>.output` holds what it gave.",
    ),
]
Input = Annotated[
    dict[str, Json],
    Field(
        description="The Action's input, or the trigger.body of the child run: any JSON; strings "
        "may hold `{{ … }}` expressions.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    ),
]


class Trigger(Spec):
    """How runs are started."""

    type: Annotated[Literal["api"], Field(description="api: by creating a WorkflowRun.")] = "api"
    body_schema: Annotated[
        Schema | None,
        Field(description="JSON Schema (2020-12) that a run's trigger.body must fit."),
    ] = None


Expression = Annotated[str, Field(min_length=5, max_length=MAX_TEMPLATE_CHARS)]
"""A string that is one `{{ … }}` and nothing else."""


class ForEach(Spec):
    """Runs a step once for every item of a list."""

    items: Annotated[
        Expression,
        Field(description="One `{{ … }}` that gives a list of 1,000 items at most."),
    ]
    max_parallel: Annotated[
        int, Field(ge=1, le=MAX_ITEMS, description="How many items may run at the same time.")
    ] = 10


class OnError(StrEnum):
    """What a step's failure means for its run."""

    FAIL = "Fail"
    CONTINUE = "Continue"


class Step(Spec):
    """One step: an Action with its input, a wait, an approval, or a run of another Workflow. It
    starts when the steps it needs have ended.
    """

    id: StepId
    title: Annotated[str | None, Field(max_length=200, description="For people.")] = None
    action: Annotated[Name | None, Field(description="The name of the Action to run.")] = None
    workflow: Annotated[
        Name | None,
        Field(
            description="Start a run of this Workflow instead, with `input` as its trigger.body; "
            "its outputs are the step's output."
        ),
    ] = None
    wait: Annotated[Wait | None, Field(description="Wait for a time instead.")] = None
    approval: Annotated[
        Approval | None, Field(description="Wait until people have approved instead.")
    ] = None
    input: Input = Field(default_factory=dict)
    needs: Annotated[
        tuple[StepId, ...] | None,
        Field(
            min_length=1,
            max_length=MAX_NEEDS,
            description="The steps above it that it follows, or `trigger` alone: it starts at "
            "once. Absent: the step before it.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    when: Annotated[
        Expression | None,
        Field(description="One `{{ … }}` that gives true or false; at false the step is skipped."),
    ] = None
    for_each: Annotated[
        ForEach | None,
        Field(description="Run it once for every item of a list; `item` and `index` in input."),
    ] = None
    on_error: Annotated[
        OnError,
        Field(
            description="Continue: when it fails, the run goes on, and ends CompletedWithErrors. "
            "Absent: Fail."
        ),
    ] = OnError.FAIL
    retry: Annotated[
        Retry | None, Field(description="Instead of the Action's retry, as a whole.")
    ] = None
    active_deadline_seconds: Annotated[
        int | None,
        Field(ge=1, le=2592000, description="How long the step may take, over all its tries."),
    ] = None
    compensate: Annotated[
        StepCompensation | None,
        Field(description="What undoes this step when a later one fails; absent: its Action's."),
    ] = None


class Handler(Spec):
    """The Action that tells somebody when a step has failed; `failure` is in its scope."""

    action: Annotated[Name, Field(description="The name of the Action to run.")]
    input: Input = Field(default_factory=dict)


class Finally(Handler):
    """An Action that runs at the end, whatever happened; `failure` is null where nothing failed."""

    id: StepId


class WorkflowSpec(Housekeeping):
    """The process: what starts it, its steps, and what to do when one fails."""

    title: Annotated[str | None, Field(max_length=200, description="For people.")] = None
    description: Annotated[
        str | None, Field(max_length=4096, description="What the process is for.")
    ] = None
    trigger: Annotated[Trigger, Field(description="How runs are started.")] = Trigger()
    steps: Annotated[
        tuple[Step, ...],
        Field(
            min_length=1,
            max_length=MAX_STEPS,
            description="The steps, in order.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ]
    on_failure: Annotated[
        Handler | None, Field(description="Runs once when a step has failed.")
    ] = None
    failure_policy: Annotated[
        FailurePolicy,
        Field(
            description="Compensate: when a step has failed for good, what was done is undone, the "
            "newest first, before onFailure; Stop: it stays as it is. Absent: Compensate."
        ),
    ] = FailurePolicy.COMPENSATE
    finally_: Annotated[
        tuple[Finally, ...],
        Field(
            alias="finally",
            max_length=MAX_FINALLY,
            description="Run at the end, one after the other, whatever happened: also after a "
            "failure or a cancel.",
            json_schema_extra=keyed_by("id"),
        ),
    ] = ()
    outputs: Annotated[
        dict[str, Json] | None,
        Field(
            max_length=MAX_OUTPUTS,
            description="What a run gives when it succeeds: any JSON; strings may hold `{{ … }}`.",
            json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        ),
    ] = None
    active_deadline_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=31536000,
            description="How long the steps of a run may take; absent: no limit. Time spent paused "
            "does not count, and onFailure and finally are not limited by it.",
        ),
    ] = None
    concurrency: Annotated[
        Concurrency | None,
        Field(description="How many runs may go on at once; absent: no limit."),
    ] = None
    suspend: Annotated[
        bool | None,
        Field(description="New runs wait until this is false again; live ones go on."),
    ] = None
    service_account_name: Annotated[
        ObjectName | None,
        Field(
            description="ServiceAccount of steps whose Action names none; its token is mounted.",
        ),
    ] = None


class WorkflowStatus(Status):
    """Whether the Workflow can be run, and its newest revision."""

    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation this status is of.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            description="Ready: templates are valid and every Action is there.",
            json_schema_extra=keyed_by("type"),
        ),
    ] = ()
