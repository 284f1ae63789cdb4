"""How many runs of a Workflow may go on at once, and what happens to one too many."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workflow_do.api.base import Spec
from workflow_do.api.names import MAX_CONCURRENT


class ConcurrencyPolicy(StrEnum):
    """What becomes of a run for which there is no room."""

    ALLOW = "Allow"
    QUEUE = "Queue"
    FORBID = "Forbid"
    REPLACE = "Replace"


class Concurrency(Spec):
    """Runs with an equal key share `max` places; each has one from its first step to its end."""

    policy: Annotated[
        ConcurrencyPolicy,
        Field(
            description="Queue: it waits, the oldest goes first; Forbid: it ends as "
            "ConcurrencyForbidden; Replace: the oldest that goes on is cancelled for it; Allow: no "
            "limit. Absent: Queue."
        ),
    ] = ConcurrencyPolicy.QUEUE
    max: Annotated[
        int, Field(ge=1, le=MAX_CONCURRENT, description="How many may go on at once.")
    ] = 1
    key: Annotated[
        str | None,
        Field(
            max_length=1024,
            description="A text with expressions over `trigger`, `run` and `workflow`: only runs "
            "that it is equal for share the places. Absent: all runs of the Workflow.",
        ),
    ] = None
