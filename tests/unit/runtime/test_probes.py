"""What the probes say, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from workflow_do.handlers.probes import MAX_BUSY_SECONDS, Readiness, serve


def ask(
    path: str, *, busy: float = 0, watching: bool = True, ready: bool = True
) -> tuple[int, str]:
    """Status and text of an answer."""

    async def test() -> tuple[int, str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with (
            serve(
                port,
                busy=lambda: busy,
                watching=lambda: watching,
                readiness=lambda: Readiness(ready, "this is why"),
                metrics=lambda: b"workflow_do_leader 1.0\n",
            ),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    return asyncio.run(test())


@pytest.mark.parametrize(
    ("busy", "watching", "code"),
    [(0, True, 200), (MAX_BUSY_SECONDS, True, 200), (61, True, 500), (0, False, 500)],
    ids=["idle", "busy", "stuck", "blind"],
)
def test_healthz(busy: float, watching: bool, code: int) -> None:
    assert ask("/healthz", busy=busy, watching=watching)[0] == code


@pytest.mark.parametrize(("ready", "code"), [(True, 200), (False, 503)])
def test_readyz(ready: bool, code: int) -> None:
    assert ask("/readyz", ready=ready) == (code, "this is why\n")


def test_metrics() -> None:
    assert ask("/metrics") == (200, "workflow_do_leader 1.0\n")
