"""How what a step did is undone when a later step fails: the compensation of a saga.

The words are those of the saga pattern (Garcia-Molina and Salem, "Sagas", 1987): an Action names
the Action that undoes it; a step may name another one, or none. Decides nothing about when.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workflow_do.api.base import Json, Name, Spec

UndoInput = Annotated[
    dict[str, Json],
    Field(
        description="Its input: any JSON; expressions see `input` and `output` of what is undone.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    ),
]


class FailurePolicy(StrEnum):
    """What happens to the work of earlier steps when a step has failed for good."""

    COMPENSATE = "Compensate"
    STOP = "Stop"


class Compensation(Spec):
    """The Action that undoes this one."""

    action: Annotated[Name, Field(description="The name of the Action to run.")]
    input: UndoInput = Field(default_factory=dict)


class StepCompensation(Spec):
    """Instead of the Action's own compensation, as a whole."""

    disabled: Annotated[
        bool | None, Field(description="true: there is nothing to undo after this step.")
    ] = None
    action: Annotated[Name | None, Field(description="The name of the Action to run.")] = None
    input: UndoInput | None = None
