"""Over HTTP: /healthz (alive), /readyz (does its part, and which one that is) and /metrics.

Served on the operator's own event loop: when that is stuck none answers, which a probe counts
as a failure, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from workflow_do.runtime.config import ConfigError
from workflow_do.runtime.metrics import CONTENT_TYPE

MAX_BUSY_SECONDS: Final = 60.0
"""No round of a run takes this long: every call has a timeout of 15 s."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process does its part, and a line for people."""

    ready: bool
    text: str


@asynccontextmanager
async def serve(
    port: int,
    *,
    busy: Callable[[], float],
    watching: Callable[[], bool],
    readiness: Callable[[], Readiness],
    metrics: Callable[[], bytes],
) -> AsyncIterator[None]:
    """Serve all until the block ends.

    `busy` tells for how many seconds the slowest worker has not got on, `watching` whether
    the watches live, `metrics` gives what Prometheus reads. ConfigError if the port cannot be
    listened on.
    """

    async def healthz(_: web.Request) -> web.Response:
        if not watching():
            return web.Response(status=500, text="the watches have ended\n")
        if busy() > MAX_BUSY_SECONDS:
            return web.Response(status=500, text=f"a worker is stuck for {busy():.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        found = readiness()
        return web.Response(status=200 if found.ready else 503, text=f"{found.text}\n")

    async def numbers(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", numbers),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await _listen(runner, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError as error:
        raise ConfigError(
            f"WORKFLOW_DO_PORT is {port}, which cannot be listened on ({error.strerror}); "
            "give a free port."
        ) from error
