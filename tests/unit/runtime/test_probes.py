"""What the probes say, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from workflow_do.handlers.probes import MAX_BUSY_SECONDS, serve


def ask(path: str, *, busy: float = 0, watching: bool = True, ready: bool = True) -> int:
    async def test() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with (
            serve(port, busy=lambda: busy, watching=lambda: watching, ready=lambda: ready),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status

    return asyncio.run(test())


@pytest.mark.parametrize(
    ("busy", "watching", "code"),
    [(0, True, 200), (MAX_BUSY_SECONDS, True, 200), (61, True, 500), (0, False, 500)],
    ids=["idle", "busy", "stuck", "blind"],
)
def test_healthz(busy: float, watching: bool, code: int) -> None:
    assert ask("/healthz", busy=busy, watching=watching) == code


@pytest.mark.parametrize(("ready", "code"), [(True, 200), (False, 503)])
def test_readyz(ready: bool, code: int) -> None:
    assert ask("/readyz", ready=ready) == code
