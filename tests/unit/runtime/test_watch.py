"""A watch over a real socket, against a server that answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from workflow_do.runtime import watch
from workflow_do.runtime.api import PODS, Api
from workflow_do.runtime.watch import GivenUp, Stream, Watcher

Raw = dict[str, Any]
Play = Callable[[web.StreamResponse], Awaitable[None]]
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}


def pod(name: str, version: int) -> Raw:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> Raw:
    return {"type": kind, "object": pod(name, version)}


def lines(*events: Raw, hold: bool = False) -> Play:
    """Send events, in pieces that end anywhere; then end the watch, or say nothing any more."""

    async def play(response: web.StreamResponse) -> None:
        data = b"".join(json.dumps(e).encode() + b"\n" for e in events)
        for start in range(0, len(data), 50):
            await response.write(data[start : start + 50])
        if hold:
            await asyncio.sleep(20)

    return play


@dataclass
class Script:
    """What the server lists, and what each watch brings; and what it was asked for."""

    lists: list[list[Raw]]
    watches: list[Play | int]
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def see(self, raw: Raw) -> None:
        name = raw["metadata"]["name"]
        if name == "poison":
            raise KeyError(name)
        self.told.append(f"+{name}")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            self.asked.append("list")
            items = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            return web.json_response({"metadata": {"resourceVersion": "100"}, "items": items})
        self.asked.append(f"watch {request.query['resourceVersion']}")
        assert request.query["labelSelector"] == "ours"
        assert request.query["allowWatchBookmarks"] == "true"
        if not self.watches:
            self.done.set()
        play = self.watches.pop(0) if self.watches else lines(hold=True)
        if isinstance(play, int):
            return web.json_response({"kind": "Status", "code": play}, status=play)
        response = web.StreamResponse()
        await response.prepare(request)
        await play(response)
        return response


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Watcher]:
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", script.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with Api(f"http://{host}:{port}", aiohttp.ClientSession()) as api:
            yield Watcher(
                api,
                Stream(
                    PODS,
                    "shop",
                    "ours",
                    seen=script.see,
                    gone=lambda raw: script.told.append(f"-{raw['metadata']['name']}"),
                ),
            )
    finally:
        await runner.cleanup()


def play(script: Script) -> Script:
    """Watch until the script is at its end."""

    async def test() -> None:
        script.done = asyncio.Event()
        async with serving(script) as watcher:
            task = asyncio.create_task(watcher.run())
            async with asyncio.timeout(10):
                await asyncio.wait(
                    (task, asyncio.create_task(script.done.wait())),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()

    asyncio.run(test())
    return script


def test_what_is_there_and_what_comes_after_it() -> None:
    first = lines(
        event("ADDED", "b", 101),
        event("MODIFIED", "a", 102),
        event("DELETED", "b", 103),
        event("BOOKMARK", "", 110),
    )
    script = play(Script([[pod("a", 90)]], [first]))
    assert script.asked == ["list", "watch 100", "watch 110"]
    assert script.told == ["+a", "+b", "+a", "-b"]


def test_after_a_cut_it_goes_on_where_it_was() -> None:
    script = play(Script([[]], [lines(event("ADDED", "a", 105)), 503]))
    assert script.asked == ["list", "watch 100", "watch 105", "watch 105"]


@pytest.mark.parametrize("forgotten", [lines(GONE), 410], ids=["as an event", "as an answer"])
def test_what_the_server_has_forgotten_is_listed_again(forgotten: Play | int) -> None:
    script = play(Script([[], [pod("b", 99)]], [forgotten]))
    assert script.asked == ["list", "watch 100", "list", "watch 100"]
    assert script.told == ["+b"]


def test_a_line_that_is_no_json_is_an_error_like_another() -> None:
    async def nonsense(response: web.StreamResponse) -> None:
        await response.write(b"{not json\n")

    script = play(Script([[]], [nonsense]))
    assert script.asked == ["list", "watch 100", "watch 100"]


def test_a_silent_watch_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_SILENCE", 0.1)
    script = play(Script([[]], [lines(event("ADDED", "a", 101), hold=True)]))
    assert script.asked == ["list", "watch 100", "watch 101"]


def test_nothing_but_failures_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PATIENCE", 0.2)
    with pytest.raises(GivenUp, match="pods of shop: nothing but failures"):
        play(Script([[]], [403] * 100))


def test_an_object_that_breaks_its_taker_stops_no_other() -> None:
    bad = lines(event("ADDED", "poison", 101), event("ADDED", "b", 102))
    script = play(Script([[pod("poison", 90), pod("a", 91)]], [bad]))
    assert script.told == ["+a", "+b"]
    assert script.asked == ["list", "watch 100", "watch 102"]
