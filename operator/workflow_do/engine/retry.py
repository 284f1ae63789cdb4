"""Whether a try is followed by another, and when.

    Succeeded ........... never
    NotStarted .......... never, but free of charge (10 times) where the infrastructure is at fault
    Failed .............. the program said so: again while attempts are left
    Unknown ............. only where the Action is Idempotent: again while attempts are left

Pauses grow exponentially up to a cap. The jitter is a function of the run's uid, so that planning
again gives the same time, and runs that failed together do not come back together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from workflow_do.api.names import MAX_FREE_TRIES
from workflow_do.api.reasons import Reason
from workflow_do.api.retry import Retry, RetrySafety
from workflow_do.api.run import StepState, UnitStatus
from workflow_do.engine.definition import UnitDef
from workflow_do.engine.identity import hash_of
from workflow_do.engine.verdict import Ended

FREE: Final = frozenset({Reason.EVICTED, Reason.NODE_LOST, Reason.POD_DELETED})
"""What may befall a Pod before its container began, by no fault of the Action's."""
_JITTER: Final = 0.2


@dataclass(frozen=True, slots=True)
class Again:
    """Another try at `time`; `free`: this one does not count as an attempt."""

    time: datetime
    free: bool


def decide(
    unit: UnitDef, record: UnitStatus, ended: Ended, run_uid: str, now: datetime
) -> Again | None:
    """The next try after one that ended like this; None where it was the last."""
    if is_free(record, ended):
        pause = _pause(unit.retry, record.tries - record.attempts, run_uid, unit)
        return Again(now + pause, free=True)
    attempts = record.attempts + 1
    if attempts >= unit.retry.max_attempts or not _may(unit, ended):
        return None
    return Again(now + _pause(unit.retry, attempts, run_uid, unit), free=False)


def is_free(record: UnitStatus, ended: Ended) -> bool:
    """Whether the try is free of charge."""
    spent = record.tries - record.attempts - 1
    never_began = ended.state is StepState.NOT_STARTED and ended.reason in FREE
    return never_began and spent < MAX_FREE_TRIES


def _may(unit: UnitDef, ended: Ended) -> bool:
    if ended.state is StepState.FAILED:
        refused = unit.retry.non_retryable_exit_codes or ()
        return ended.exit_code not in refused and _asked_for(unit.retry, ended)
    if ended.state is StepState.UNKNOWN:
        safe = unit.action.spec.retry_safety is RetrySafety.IDEMPOTENT
        return safe and _asked_for(unit.retry, ended)
    return ended.state is StepState.NOT_STARTED and ended.reason in FREE


def _asked_for(retry: Retry, ended: Ended) -> bool:
    return retry.retry_on is None or str(ended.reason) in {str(r) for r in retry.retry_on}


def _pause(retry: Retry, attempt: int, run_uid: str, unit: UnitDef) -> timedelta:
    """After the n-th attempt: exponential, capped, and up to 20 % shorter by the run's uid."""
    grown = retry.initial_delay_seconds * retry.backoff_factor ** min(attempt - 1, 20)
    seconds = min(grown, retry.max_delay_seconds)
    item = [] if unit.unit.item is None else [unit.unit.item]
    digits = hash_of([run_uid, unit.unit.role.value, unit.unit.step, *item, attempt])[:6]
    return timedelta(seconds=seconds * (1 - _JITTER * _share(digits)))


def _share(digits: str) -> float:
    """Base32 digits as a fraction of 1."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return math.fsum(alphabet.index(d) / 32 ** (at + 1) for at, d in enumerate(digits))
