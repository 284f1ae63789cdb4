"""A proxy in front of a real API server that loses answers where a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

import aiohttp
from aiohttp import web

from workflow_do.runtime.api import Api
from workflow_do.runtime.connection import Connection


class Fault(Enum):
    """What happens to a request."""

    NONE = "it is answered"
    LOST_ANSWER = "it is carried out, and the connection breaks before the answer"
    LOST_REQUEST = "the connection breaks before it is carried out"
    ERROR = "it is carried out, and the answer is a 500"


Faults = Callable[[str, str], Fault]
"""Method and path of a request → its fate."""


@asynccontextmanager
async def faulty(connection: Connection, faults: Faults) -> AsyncIterator[Api]:
    """A client of the connection's server whose requests meet the faults."""
    upstream = connection.session(limit=0)

    async def forward(request: web.Request) -> web.StreamResponse:
        fault = faults(request.method, request.path)
        if fault is Fault.LOST_REQUEST:
            return _hang_up(request)
        headers = {k: v for k, v in request.headers.items() if k in ("Accept", "Content-Type")}
        async with upstream.request(
            request.method,
            connection.server + request.path_qs,
            data=await request.read(),
            headers=headers,
        ) as answer:
            body = await answer.read()
        if fault is Fault.LOST_ANSWER:
            return _hang_up(request)
        code = 500 if fault is Fault.ERROR else answer.status
        return web.Response(status=code, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with Api(f"http://{host}:{port}", aiohttp.ClientSession()) as api:
            yield api
    finally:
        await runner.cleanup()
        await upstream.close()


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
