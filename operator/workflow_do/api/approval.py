"""WorkflowApproval: what one person decides about one step of one run.

The object is the decision and its proof in one: who it is of was checked by the API server when it
was made (the admission policy of the chart), and it never changes afterwards.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workflow_do.api.base import Json, Name, Spec
from workflow_do.api.names import MAX_APPROVER_CHARS, MAX_ITEMS
from workflow_do.api.workflow import StepId


class Decision(StrEnum):
    """Yes or no."""

    APPROVE = "Approve"
    REJECT = "Reject"


class ApprovalSpec(Spec):
    """One decision. Immutable."""

    workflow_name: Annotated[
        Name,
        Field(description="The run's Workflow; who makes this needs the verb approve on it."),
    ]
    run_name: Annotated[Name, Field(description="The run that waits.")]
    run_uid: Annotated[
        str,
        Field(
            alias="runUID",
            min_length=1,
            max_length=64,
            description="Its uid: a later run of the same name is another one.",
        ),
    ]
    step: Annotated[StepId, Field(description="The id of the step that waits.")]
    item: Annotated[
        int | None,
        Field(
            ge=0,
            lt=MAX_ITEMS,
            description="Of a step with forEach: which of its items, from 0; each is decided by "
            "itself.",
        ),
    ] = None
    decision: Annotated[
        Decision, Field(description="Approve, or Reject, which ends the step as failed.")
    ]
    approver: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_APPROVER_CHARS,
            description="Whose decision it is: the name that the API server knows its maker by.",
        ),
    ]
    comment: Annotated[
        str | None, Field(max_length=1024, description="Why; for people, and told of a rejection.")
    ] = None
    data: Annotated[
        dict[str, Json] | None,
        Field(
            description="What the approver adds: the step's output, if this is the approval that "
            "the step was still waiting for.",
            json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        ),
    ] = None
