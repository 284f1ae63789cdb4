"""Lost answers for code that runs in the test's own process: a client behind the proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

import aiohttp

from support import proxy
from support.proxy import Call, Fate, Script, proxied
from workflow_do.runtime.api import Api
from workflow_do.runtime.connection import Connection


class Fault(Enum):
    """What happens to a request."""

    NONE = "it is answered"
    LOST_ANSWER = "it is carried out, and the connection breaks before the answer"
    LOST_REQUEST = "the connection breaks before it is carried out"
    NOT_FOUND = "it is not carried out, and the answer is a 404, as a webhook may give it"
    ERROR = "it is carried out, and the answer is a 500"


Faults = Callable[[str, str], Fault]
"""Method and path of a request → its fate."""

_FATES = {
    Fault.NONE: proxy.PASS,
    Fault.LOST_ANSWER: proxy.LOST_ANSWER,
    Fault.LOST_REQUEST: proxy.LOST_REQUEST,
    Fault.NOT_FOUND: Fate(forward=False, answer=404),
    Fault.ERROR: Fate(answer=500),
}


@asynccontextmanager
async def faulty(connection: Connection, faults: Faults) -> AsyncIterator[Api]:
    """A client of the connection's server whose requests meet the faults."""

    class Told(Script):
        def fate(self, call: Call) -> Fate:
            return _FATES[faults(call.method, call.path)]

    async with proxied(connection) as way:
        way.script = Told()
        async with Api(way.url, aiohttp.ClientSession()) as api:
            yield api
