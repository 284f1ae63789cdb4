"""Asking the API server for what nothing can go on without, until it answers.

Decides nothing but how long to wait in between; a definite no is asked again, too.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from workflow_do.runtime import logs
from workflow_do.runtime.api import ApiError
from workflow_do.runtime.queue import Backoff

T = TypeVar("T")

_log = logs.get("insist")


async def insist(ask: Callable[[], Awaitable[T]], backoff: Backoff, what: str) -> T:
    """The answer, whenever it comes; `what` says in the log what is asked for."""
    for failures in itertools.count(1):
        try:
            return await ask()
        except ApiError as error:
            _log.warning("cannot be listed yet", what=what, error=str(error))
            await asyncio.sleep(backoff.delay(failures, random.random()))
    raise AssertionError("counting has no end")
