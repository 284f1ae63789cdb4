"""A proxy in front of a real API server, between it and an operator that is to suffer.

Decides how a fate is carried out: calls that are delayed, refused, lost before or after they reach
the API server, answered with something else; watches that are silent, cut, doubled or out of
order. Which call meets which fate is a script's to say (see `Script`); the proxy knows nothing of
workflows. Plain HTTP towards the operator; TLS and credentials upstream are the connection's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from workflow_do.runtime.connection import Connection

BREAK: Final = 0
"""As an answer: the connection breaks."""
_FORWARDED: Final = ("Accept", "Content-Type")
_RETURNED: Final = ("Content-Type", "Retry-After")
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the operator."""

    method: str
    path: str
    query: Mapping[str, str]
    accept: str
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it may change something; the leader's heartbeat is nobody's business here."""
        return self.method in _WRITES and self.plural != "leases"

    @property
    def watches(self) -> bool:
        """Whether it opens a watch."""
        return self.query.get("watch") == "true"

    @property
    def lists(self) -> bool:
        """Whether it lists objects of a kind."""
        return self.method == "GET" and not self.watches and bool(self.plural) and not self.name

    @property
    def plural(self) -> str:
        """The kind in plural; empty for a path that names none."""
        return self._place[0]

    @property
    def name(self) -> str:
        """The object's name; empty for a whole collection."""
        return self._place[1]

    @property
    def _place(self) -> tuple[str, str]:
        parts = self.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        return (parts[0] if parts else "", parts[1] if len(parts) > 1 else "")

    def concerns(self, name: str) -> bool:
        """Whether the call is about something of that name: its path or its body says so."""
        return name in self.path or name.encode() in self.body

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls a call; by default it is carried out and answered.

    `answer`: this status code instead of the API server's own (BREAK: none at all). `delay` and
    `hold` are seconds before it is forwarded and before it is answered. `event`: the one line that
    a watch brings, in place of a stream.
    """

    forward: bool = True
    answer: int | None = None
    retry_after: int | None = None
    delay: float = 0.0
    hold: float = 0.0
    event: bytes | None = None


PASS: Final = Fate()
LOST_REQUEST: Final = Fate(forward=False, answer=BREAK)
LOST_ANSWER: Final = Fate(answer=BREAK)
GONE_EVENT: Final = Fate(
    event=json.dumps(
        {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": "Expired",
                "message": "too old resource version",
                "code": 410,
            },
        }
    ).encode()
    + b"\n"
)
"""How an API server tells a watch that its resourceVersion is too old."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API server."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Script:
    """Says what befalls calls. This one lets all pass; others override what they care for."""

    def fate(self, call: Call) -> Fate:
        """The fate of a call, asked once, before anything else."""
        return PASS

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """Told when the API server has answered, before the operator knows; the answer to give."""
        return answer

    def answered(self, call: Call) -> None:
        """Told when the answer is on its way to the operator."""

    def line(self, call: Call, line: bytes) -> Sequence[float] | None:
        """When a watch event is handed on, in seconds from now: once each; None cuts the watch."""
        return (0.0,)


class Proxy:
    """A running proxy; `script` may be exchanged at any time."""

    def __init__(self, upstream: Connection, session: aiohttp.ClientSession) -> None:
        self.script = Script()
        self.url = ""
        self._server = upstream.server
        self._session = session

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads to this proxy."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call, from its fate to its answer."""
        call, script = await _call(request), self.script
        fate = script.fate(call)
        await asyncio.sleep(fate.delay)
        if call.watches and fate.forward and fate.answer is None:
            return await self._stream(request, call, fate)
        answer = await self._answer(request, call, fate, script)
        await asyncio.sleep(fate.hold)
        if answer.status == BREAK:
            return _hang_up(request)
        response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        await response.prepare(request)
        await response.write_eof()
        script.answered(call)
        return response

    async def _answer(self, request: web.Request, call: Call, fate: Fate, script: Script) -> Answer:
        given = Answer(BREAK, {}, b"")
        if fate.forward:
            # Shielded: what was sent arrives, whether its sender still lives or not.
            given = await asyncio.shield(self._carry_out(request, call, script))
        if fate.answer is None:
            return given
        wait = {} if fate.retry_after is None else {"Retry-After": str(fate.retry_after)}
        return Answer(fate.answer, wait, b"")

    async def _carry_out(self, request: web.Request, call: Call, script: Script) -> Answer:
        try:
            async with self._open(request, call) as got:
                headers = {k: got.headers[k] for k in _RETURNED if k in got.headers}
                answer = Answer(got.status, headers, await got.read())
        except (aiohttp.ClientError, TimeoutError):
            answer = Answer(BREAK, {}, b"")
        return script.carried_out(call, answer)

    async def _stream(self, request: web.Request, call: Call, fate: Fate) -> web.StreamResponse:
        try:
            async with self._open(request, call, aiohttp.ClientTimeout(total=None)) as got:
                kind = got.headers.get("Content-Type", "application/json")
                response = web.StreamResponse(status=got.status, headers={"Content-Type": kind})
                await response.prepare(request)
                if fate.event is not None:
                    await response.write(fate.event)
                    return response
                return await self._pour(got, request, response, call)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return _hang_up(request)

    async def _pour(
        self,
        got: aiohttp.ClientResponse,
        request: web.Request,
        response: web.StreamResponse,
        call: Call,
    ) -> web.StreamResponse:
        """Hand on a watch's lines, each when and as often as the script of that moment says."""
        late: set[asyncio.Task[None]] = set()
        try:
            while line := await got.content.readuntil(b"\n"):
                times = self.script.line(call, line)
                if times is None:
                    return _hang_up(request)
                for seconds in times:
                    if seconds <= 0:
                        await response.write(line)
                    else:
                        late.add(asyncio.create_task(_later(seconds, response, line)))
            return response
        finally:
            for task in late:
                task.cancel()

    def _open(
        self,
        request: web.Request,
        call: Call,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.client._RequestContextManager:
        more = {} if timeout is None else {"timeout": timeout}
        return self._session.request(
            call.method,
            self._server + request.path_qs,
            data=call.body or None,
            headers={k: v for k, v in request.headers.items() if k in _FORWARDED},
            **more,
        )


@asynccontextmanager
async def proxied(upstream: Connection) -> AsyncIterator[Proxy]:
    """A proxy on a port of its own, until the block ends."""
    async with upstream.session(limit=0) as session:
        proxy = Proxy(upstream, session)
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            proxy.url = f"http://{host}:{port}"
            yield proxy
        finally:
            await runner.cleanup()


async def _call(request: web.Request) -> Call:
    return Call(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        accept=request.headers.get("Accept", ""),
        body=await request.read(),
    )


async def _later(seconds: float, response: web.StreamResponse, line: bytes) -> None:
    await asyncio.sleep(seconds)
    try:
        await response.write(line)
    except ConnectionError:
        return


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
