"""Steps without a Job: a wait for a time, and an approval that people give."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from workflow_do.api.action import Schema
from workflow_do.api.base import Spec
from workflow_do.api.names import MAX_APPROVALS

MAX_WAIT_SECONDS: Final = 366 * 24 * 3600
"""A year; what takes longer is another process, which something else starts."""
DEFAULT_EXPIRY_SECONDS: Final = 7 * 24 * 3600


class Wait(Spec):
    """How long a step waits: so many seconds, or until a time."""

    seconds: Annotated[
        int | None,
        Field(ge=1, le=MAX_WAIT_SECONDS, description="From the start of the step."),
    ] = None
    until: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="A time of RFC 3339, e.g. 2026-01-31T08:00:00Z, or an expression that "
            "gives one; a year ahead at most. One that has passed is not waited for.",
        ),
    ] = None


class OnExpiry(StrEnum):
    """What silence means."""

    REJECT = "Reject"
    APPROVE = "Approve"


class Approval(Spec):
    """Whom a step waits for, and how long."""

    message: Annotated[
        str | None,
        Field(
            max_length=1024,
            description="What is to be decided; may hold `{{ … }}`. Shown as the step's message.",
        ),
    ] = None
    required: Annotated[
        int, Field(ge=1, le=MAX_APPROVALS, description="How many people must approve.")
    ] = 1
    expires_seconds: Annotated[
        int, Field(ge=1, le=MAX_WAIT_SECONDS, description="From the start of the step.")
    ] = DEFAULT_EXPIRY_SECONDS
    on_expiry: Annotated[
        OnExpiry,
        Field(
            description="Reject: without a decision in time the step fails. Approve: it succeeds. "
            "Absent: Reject."
        ),
    ] = OnExpiry.REJECT
    data_schema: Annotated[
        Schema | None,
        Field(
            description="JSON Schema (2020-12) of the data of an approval; one that does not fit "
            "is ignored."
        ),
    ] = None
