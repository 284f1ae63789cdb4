"""One process of the operator: the runtime as it is, its calls held until they are let through.

Nothing of the runtime is imitated but its queue and its watches: a key that is due is reconciled,
and what watches bring is handed in by whoever drives the process. The places of Workflows that
limit their runs have their own queue, as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from simulation.loop import StillLoop
from simulation.server import Change, Raw, Server
from workflow_do.engine.live import Haste
from workflow_do.engine.transitions import Note
from workflow_do.runtime.admission import Admissions
from workflow_do.runtime.api import (
    APPROVALS,
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
from workflow_do.runtime.operator import HASTE_SECONDS
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.status import StatusWriter
from workflow_do.runtime.store import RunKey, Store
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
        return self.verb in ("create", "json_patch", "merge_patch", "delete")

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
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Listing:
        if resource is EVENTS:
            return self._server.events(fields)
        found = await self._call("list", resource, labels, fields)
        if not metadata_only:
            return found
        rows = [{"metadata": raw["metadata"]} for raw in found.items]
        return Listing(rows, found.version, partial=True)

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

    async def try_to_create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> None:
        await self._call("try_to_create", resource, body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: int = 0
    ) -> None:
        await self._call("delete", resource, name, uid, version)

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


_WATCHED: Final = (RUNS.plural, JOBS.plural, PODS.plural, APPROVALS.plural)


class Broken(Exception):
    """The operator raised something that its queue is not meant to see."""


class Working:
    """What works on keys that are due, on a loop that stands still."""

    server: Server
    loop: StillLoop
    wire: Wire
    _runs: Reconciler

    def __init__(self) -> None:
        self.due: dict[RunKey, None] = {}
        self.again: dict[RunKey, datetime] = {}
        self.soon: dict[RunKey, datetime] = {}
        self._tasks: dict[RunKey, asyncio.Task[None]] = {}

    def go(self) -> None:
        """Go on as far as it can without an answer. Raises Broken, or a violated invariant."""
        for key in self._in_turn():
            del self.due[key]
            self.soon.pop(key, None)
            self._tasks[key] = self.loop.create_task(self._runs.reconcile(key))
        self.loop.drain()
        for key, task in [*self._tasks.items()]:
            if task.done():
                del self._tasks[key]
                self._judge(key, task.exception())

    def _judge(self, key: RunKey, error: BaseException | None) -> None:
        if isinstance(error, ApiError):
            self.due[key] = None
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

    def next_time(self) -> datetime | None:
        """When it wakes by itself."""
        timer = self.loop.next_timer()
        times = [*self.again.values(), *self.soon.values()]
        times += [self.server.at(timer)] if timer is not None else []
        return min(times) if times else None

    def _in_turn(self) -> list[RunKey]:
        """What is due and not under way, the first first."""
        return [key for key in self.due if key not in self._tasks]


class Leader(Working):
    """A process from its start to its end. It begins by listing, as watches do.

    `limit`: so many Jobs may be live at once; 0: no limit. `places`: so many runs of a Workflow.
    """

    def __init__(self, server: Server, *, places: bool = False, limit: int = 0) -> None:
        super().__init__()
        self.server = server
        self.loop = StillLoop(server.seconds)
        self.store = Store(history=self._history, hasten=self._hasten)
        self.wire = Wire(server, self.loop, self.store)
        self.heard = dict.fromkeys(_WATCHED, len(server.log))
        self._places = self._admissions() if places else None
        self._runs = Reconciler(
            observer=Observer(self.wire, self.store, lambda: server.now),  # type: ignore[arg-type]
            executor=Executor(self.wire, self.store),  # type: ignore[arg-type]
            writer=StatusWriter(self.wire, self.store),  # type: ignore[arg-type]
            recorder=Quiet(),  # type: ignore[arg-type]
            look_at=self._look_at,
            now=lambda: server.now,
            turns=self._turns(limit) if limit else None,
            **({} if self._places is None else {"ask": self._places.ask}),
        )
        for raw in server.all(RUNS):
            self._wake(self.store.see_run(raw))
        for resource in (JOBS, PODS, APPROVALS):
            for raw in server.all(resource):
                self.hear(Change(resource.plural, raw, False))

    @property
    def busy(self) -> bool:
        """Whether a reconcile is under way."""
        return bool(self._tasks)

    def wants(self) -> bool:
        """Whether it would do something if it were let: begin, or wake from a sleep."""
        now = self.server.now
        for wishes in (self.again, self.soon):
            for key in [key for key, time in wishes.items() if now >= time]:
                del wishes[key]
                self.due[key] = None
        timer = self.loop.next_timer()
        return (
            any(key not in self._tasks for key in self.due)
            or self.loop.ready
            or (timer is not None and timer <= self.server.seconds())
        )

    def hear(self, change: Change) -> None:
        """A watch event."""
        raw, kind = change.raw, change.kind
        if change.removed and kind == APPROVALS.plural:
            self._wake(self.store.forget_approval(raw["metadata"]["uid"]))
        elif change.removed:
            self._wake(self.store.forget_child(raw) if kind != RUNS.plural else None)
        elif kind == RUNS.plural:
            self._wake(self.store.see_run(raw))
        elif kind == JOBS.plural:
            self.store.see_job(raw)
        elif kind == APPROVALS.plural:
            self._wake(self.store.see_approval(raw))
        else:
            self.store.see_pod(raw)

    def doubt(self) -> None:
        """What the resync does when it finds that a watch has missed something."""
        for record in self.store:
            self.store.doubt(record.key)
            self.due[record.key] = None

    def look_at_all(self) -> None:
        """A definition has changed: runs that wait for it may go on."""
        for record in self.store:
            self.due[record.key] = None

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
                seen=self.store.see_job,
            )
        caught_up = asyncio.Event()
        caught_up.set()
        self.loop.create_task(turns.run(caught_up))
        return turns

    def _wake(self, key: RunKey | None) -> None:
        if key is not None:
            self.due[key] = None

    def _hasten(self, key: RunKey, haste: Haste) -> None:
        """News of a Job or a Pod: what lets nothing go on waits, as in the operator's queue."""
        if haste is Haste.NOW:
            self.due[key] = None
        elif key not in self.due:
            time = self.server.now + timedelta(seconds=HASTE_SECONDS[haste])
            self.soon[key] = min(time, self.soon.get(key, time))

    def _look_at(self, key: RunKey, time: datetime) -> None:
        time = max(time, self.server.now + _SHORTEST_WAIT)
        self.again[key] = min(time, self.again.get(key, time))

    def _admissions(self) -> Admissions:
        """The places, worked on by their own queue."""
        with self.loop.entered():
            made = Admissions(
                self.wire,  # type: ignore[arg-type]
                self.store,
                self._wake,
                now=lambda: self.server.now,
            )
            caught_up = asyncio.Event()
            caught_up.set()
            self.loop.create_task(made.run(caught_up))
        return made

    def _history(self, namespace: str, workflow: str) -> None:
        """A run has ended: as in the operator, its place is looked at."""
        if self._places is not None:
            self._places.news(namespace, workflow)
