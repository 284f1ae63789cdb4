"""WorkflowRevision: a Workflow and all its Actions, frozen, as a run sees them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workflow_do.api.action import ActionSpec
from workflow_do.api.base import Name, Spec
from workflow_do.api.names import MAX_CHILD_WORKFLOWS
from workflow_do.api.workflow import WorkflowSpec


class RevisionSpec(Spec):
    """Frozen definitions. Made by the operator only, and immutable."""

    workflow_name: Annotated[Name, Field(description="The Workflow this is a revision of.")]
    revision: Annotated[int, Field(ge=1, description="Counts up with every change; for people.")]
    content_hash: Annotated[
        str,
        Field(
            max_length=64, description="Hash of workflow and actions; equal content, equal hash."
        ),
    ]
    workflow: Annotated[WorkflowSpec, Field(description="The Workflow's spec.")]
    actions: Annotated[
        dict[str, ActionSpec],
        Field(max_length=501, description="The specs of its Actions, by name."),
    ]
    children: Annotated[
        dict[str, Name] | None,
        Field(
            max_length=MAX_CHILD_WORKFLOWS,
            description="The WorkflowRevisions of the Workflows that its steps start, and of those "
            "that these start, by the name of the Workflow.",
        ),
    ] = None
