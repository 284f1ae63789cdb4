"""One process of the operator: the runtime as it is, its calls held until they are let through.

Nothing of the runtime is imitated but its queue and its watches: a key that is due is reconciled,
one at a time, and what watches bring is handed in by whoever drives the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from simulation.loop import StillLoop
from simulation.server import Change, Raw, Server
from workflow_do.engine.transitions import Note
from workflow_do.runtime.api import (
    EVENTS,
    JOBS,
    PODS,
    RUNS,
    ApiError,
    Listing,
    NotFound,
    Resource,
)
from workflow_do.runtime.execute import Executor
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.status import StatusWriter
from workflow_do.runtime.store import RunKey, Store, key_of
from workflow_do.runtime.tail import LogTail
from workflow_do.runtime.turns import Turns

_SHORTEST_WAIT: Final = timedelta(seconds=0.1)
"""As in the runtime: a time that has passed must not become a loop without a pause."""


@dataclass
class Call:
    """A request on its way: `verb` is the server's method, `write` whether it changes anything."""

    verb: str
    resource: Resource
    args: tuple[Any, ...]
    future: asyncio.Future[Any] = field(repr=False)
    author: Store

    @property
    def write(self) -> bool:
        """Whether it matters if it is carried out when nobody hears the answer."""
        return self.verb in ("create", "json_patch", "merge_patch")

    def serve(self, server: Server, late: bool = False) -> Any:
        """Carry it out. Raises what the API server would answer."""
        server.writer = None if late else self.author
        try:
            return getattr(server, self.verb)(self.resource, *self.args)
        finally:
            server.writer = None


class Wire:
    """The runtime's Api, as far as runs need it; every call waits in `calls`."""

    def __init__(self, server: Server, loop: StillLoop, store: Store) -> None:
        self._store = store
        self.calls: list[Call] = []
        self._server = server
        self._loop = loop

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        return await self._call("get", resource, name)

    async def find(self, resource: Resource, namespace: str, name: str) -> Raw | None:
        try:
            return await self.get(resource, namespace, name)
        except NotFound:
            return None

    async def list_all(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = ""
    ) -> Listing:
        if resource is EVENTS:
            return self._server.events(fields)
        return await self._call("list", resource)

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Raw:
        return await self._call("create", resource, body)

    async def json_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: list[Raw],
        subresource: str = "",
    ) -> Raw:
        return await self._call("json_patch", resource, name, operations, subresource)

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> Raw:
        return await self._call("merge_patch", resource, name, body)

    async def log(self, namespace: str, pod: str, container: str, lines: int, most: int) -> LogTail:
        return LogTail(await self._call("log_of", PODS, pod), False)

    async def _call(self, verb: str, resource: Resource, *args: Any) -> Any:
        call = Call(verb, resource, args, self._loop.create_future(), self._store)
        self.calls.append(call)
        return await call.future


class Quiet:
    """A recorder that records nothing: Events about runs are no part of what is promised here."""

    def tell(self, key: RunKey, notes: Sequence[Note]) -> None:
        """Nobody listens."""


class Broken(Exception):
    """The operator raised something that its queue is not meant to see."""


class Leader:
    """A process from its start to its end. It begins by listing, as watches do.

    `limit`: so many Jobs may be live at once; 0: no limit.
    """

    def __init__(self, server: Server, run: Raw, limit: int = 0) -> None:
        self.server = server
        self.key = key_of(run)
        self.loop = StillLoop(server.seconds)
        self.store = Store()
        self.wire = Wire(server, self.loop, self.store)
        self.due = True
        self.again: datetime | None = None
        self.heard = dict.fromkeys((RUNS.plural, JOBS.plural, PODS.plural), len(server.log))
        self._task: asyncio.Task[None] | None = None
        self._runs = Reconciler(
            observer=Observer(self.wire, self.store),  # type: ignore[arg-type]
            executor=Executor(self.wire, self.store),  # type: ignore[arg-type]
            writer=StatusWriter(self.wire, self.store),  # type: ignore[arg-type]
            recorder=Quiet(),  # type: ignore[arg-type]
            look_at=self._look_at,
            now=lambda: server.now,
            turns=self._turns(limit) if limit else None,
        )
        self.store.see_run(server.get(RUNS, self.key.name))

    @property
    def busy(self) -> bool:
        """Whether a reconcile is under way."""
        return self._task is not None

    def wants(self) -> bool:
        """Whether it would do something if it were let: begin, or wake from a sleep."""
        if self.again is not None and self.server.now >= self.again:
            self.due, self.again = True, None
        timer = self.loop.next_timer()
        return (
            (self.due and not self.busy)
            or self.loop.ready
            or (timer is not None and timer <= self.server.seconds())
        )

    def go(self) -> None:
        """Go on as far as it can without an answer. Raises Broken, or a violated invariant."""
        if self.due and not self.busy:
            self.due = False
            self._task = self.loop.create_task(self._runs.reconcile(self.key))
        self.loop.drain()
        if self._task is None or not self._task.done():
            return
        error = self._task.exception()
        self._task = None
        if isinstance(error, ApiError):
            self.due = True
        elif isinstance(error, AssertionError):
            raise error
        elif error is not None:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def answer(self, call: Call, act: Callable[[], Any]) -> None:
        """Give a held call the result of `act`, or its ApiError, and go on."""
        self.wire.calls.remove(call)
        try:
            call.future.set_result(act())
        except ApiError as error:
            call.future.set_exception(error)
        self.go()

    def hear(self, change: Change) -> None:
        """A watch event."""
        key: RunKey | None
        if change.removed:
            key = self.store.forget_child(change.raw) if change.kind != RUNS.plural else None
        elif change.kind == RUNS.plural:
            key = self.store.see_run(change.raw)
        elif change.kind == JOBS.plural:
            key = self.store.see_job(change.raw)
        else:
            key = self.store.see_pod(change.raw)
        self.due = self.due or key is not None

    def doubt(self) -> None:
        """What the resync does when it finds that a watch has missed something."""
        self.store.doubt(self.key)
        self.due = True

    def next_time(self) -> datetime | None:
        """When it wakes by itself."""
        timer = self.loop.next_timer()
        times = [self.again] if self.again is not None else []
        times += [self.server.at(timer)] if timer is not None else []
        return min(times) if times else None

    def drop(self) -> None:
        """kill -9."""
        self.loop.drop()

    def _turns(self, limit: int) -> Turns:
        """The places for Jobs, and the worker that gives them."""
        with self.loop.entered():
            turns = Turns(
                self.wire,  # type: ignore[arg-type]
                self.store,
                limit,
                wake=self._wake,
                seen=self._job_seen,
            )
        caught_up = asyncio.Event()
        caught_up.set()
        self.loop.create_task(turns.run(caught_up))
        return turns

    def _wake(self, key: RunKey) -> None:
        self.due = True

    def _job_seen(self, raw: Raw) -> None:
        self.due = self.store.see_job(raw) is not None or self.due

    def _look_at(self, key: RunKey, time: datetime) -> None:
        soonest = self.server.now + _SHORTEST_WAIT
        time = max(time, soonest)
        self.again = time if self.again is None else min(time, self.again)
