"""Conditions, as the Kubernetes API conventions define them.

Pure list handling: the caller says what is true and when. The last transition time changes only
when the status does (API conventions, "Typical status properties").
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workflow_do.api.base import Status


class ConditionType(StrEnum):
    """Every condition type this project writes."""

    READY = "Ready"
    SUCCEEDED = "Succeeded"
    COMPLETED = "Completed"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PAUSED = "Paused"
    COMPENSATED = "Compensated"


class Condition(Status):
    """One observation about an object (metav1.Condition)."""

    type: Annotated[str, Field(description="What is observed, e.g. Ready or Succeeded.")]
    status: Annotated[
        str, Field(description="True, False or Unknown.", pattern="^(True|False|Unknown)$")
    ]
    reason: Annotated[str, Field(description="One CamelCase word; the reasons page explains each.")]
    message: Annotated[str, Field(description="For people: the place and the cure.")] = ""
    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation this was observed for.")
    ] = None
    last_transition_time: Annotated[
        str,
        Field(
            description="When status last changed (RFC 3339).",
            json_schema_extra={"format": "date-time"},
        ),
    ]


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((c for c in conditions if c.type == type_), None)


def put(conditions: Iterable[Condition], new: Condition) -> tuple[Condition, ...]:
    """The list with `new` in place of the one of its type, keeping order and transition time."""
    kept, done = [], False
    for old in conditions:
        if old.type != new.type:
            kept.append(old)
            continue
        done = True
        same = old.status == new.status
        since = old.last_transition_time if same else new.last_transition_time
        kept.append(new.model_copy(update={"last_transition_time": since}))
    return tuple(kept if done else [*kept, new])


def drop(conditions: Iterable[Condition], type_: str) -> tuple[Condition, ...]:
    """The list without the condition of that type."""
    return tuple(c for c in conditions if c.type != type_)
