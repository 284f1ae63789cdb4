"""When a try is followed by another, as a user writes it: on an Action, or on a step instead."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workflow_do.api.base import Spec


class RetrySafety(StrEnum):
    """Whether a program may be run again when it is not known what it did."""

    NOT_IDEMPOTENT = "NotIdempotent"
    IDEMPOTENT = "Idempotent"


class RetryReason(StrEnum):
    """The outcomes that a retry can be asked for; each is the reason of a try."""

    EXIT_CODE = "ExitCode"
    OUTPUT_INVALID = "OutputInvalid"
    OUTPUT_TOO_LARGE = "OutputTooLarge"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    POD_DELETED = "PodDeleted"
    JOB_LOST = "JobLost"


class Retry(Spec):
    """How often, and after which pauses. An absent field has the default named with it."""

    max_attempts: Annotated[
        int, Field(ge=1, le=100, description="Tries that count, the first one included.")
    ] = 1
    initial_delay_seconds: Annotated[
        int, Field(ge=0, le=86400, description="The pause before the second try.")
    ] = 1
    backoff_factor: Annotated[
        int, Field(ge=1, le=10, description="Each pause is this many times the one before.")
    ] = 2
    max_delay_seconds: Annotated[
        int, Field(ge=0, le=86400, description="No pause is longer than this.")
    ] = 300
    retry_on: Annotated[
        tuple[RetryReason, ...] | None,
        Field(
            min_length=1,
            max_length=16,
            description="Only these outcomes are tried again; absent: every one that may be. Those "
            "that leave it unknown what the program did need retrySafety: Idempotent.",
        ),
    ] = None
    non_retryable_exit_codes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=255)], ...] | None,
        Field(max_length=64, description="Exit codes that end the step at once."),
    ] = None
