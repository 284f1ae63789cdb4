"""What the model needs for several runs: a server that refuses, a process of many workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from simulation.leader import Broken, Call, Quiet, Wire
from simulation.loop import StillLoop
from simulation.server import Change, Raw, Server
from workflow_do.engine.kin import parse_child
from workflow_do.runtime.api import RUNS, ApiError, Conflict, Listing, Refused, Resource
from workflow_do.runtime.execute import Executor
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.status import StatusWriter
from workflow_do.runtime.store import RunKey, Store, key_of


class FamilyServer(Server):
    """Refuses, besides, what the rules of a run do: another uid, and asking what has ended."""

    def merge_patch(self, resource: Resource, name: str, body: Mapping[str, Any]) -> Raw:
        old = self.get(resource, name)
        uid = (body.get("metadata") or {}).get("uid")
        if uid not in (None, old["metadata"]["uid"]):
            raise Conflict("another uid", exists=False)
        if "spec" in body and parse_child(old).outcome is not None:
            raise Refused(422, "the run has ended")
        return super().merge_patch(resource, name, body)


class FamilyWire(Wire):
    """Lists of runs are chosen by their labels."""

    async def list_all(
        self,
        resource: Resource,
        namespace: str,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Listing:
        found = await super().list_all(resource, namespace, labels=labels, fields=fields)
        if resource is not RUNS:
            return found
        key, _, value = labels.partition("=")
        mine = [r for r in found.items if (r["metadata"].get("labels") or {}).get(key) == value]
        return Listing(mine, found.version)


class Process:
    """One process of the operator, with a worker for each run."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.loop = StillLoop(server.seconds)
        self.store = Store(kin=lambda key: self.due.add(key))
        self.wire = FamilyWire(server, self.loop, self.store)
        self.due: set[RunKey] = set()
        self.again: dict[RunKey, datetime] = {}
        self.heard = len(server.log)
        self._tasks: dict[RunKey, asyncio.Task[None]] = {}
        self._runs = Reconciler(
            observer=Observer(self.wire, self.store),  # type: ignore[arg-type]
            executor=Executor(self.wire, self.store),  # type: ignore[arg-type]
            writer=StatusWriter(self.wire, self.store),  # type: ignore[arg-type]
            recorder=Quiet(),  # type: ignore[arg-type]
            look_at=self._look_at,
            now=lambda: server.now,
        )
        for raw in server.all(RUNS):
            self.hear(Change(RUNS.plural, raw, False))

    def wants(self) -> bool:
        """Whether it would do something if it were let."""
        for key, time in tuple(self.again.items()):
            if self.server.now >= time:
                del self.again[key]
                self.due.add(key)
        timer = self.loop.next_timer()
        awake = timer is not None and timer <= self.server.seconds()
        return awake or bool(self.due - self._tasks.keys())

    def go(self) -> None:
        """Go on as far as it can without an answer."""
        for key in sorted(self.due - self._tasks.keys(), key=str):
            self.due.discard(key)
            self._tasks[key] = self.loop.create_task(self._runs.reconcile(key))
        self.loop.drain()
        for key, task in tuple(self._tasks.items()):
            if task.done():
                del self._tasks[key]
                self._judge(key, task.exception())

    def _judge(self, key: RunKey, error: BaseException | None) -> None:
        if isinstance(error, ApiError):
            self.due.add(key)
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
        """A watch event about a run; others are not watched here."""
        if change.kind != RUNS.plural:
            return
        key: RunKey | None = key_of(change.raw)
        if change.removed:
            self.store.forget_run(str(change.raw["metadata"]["uid"]))
            return
        key = self.store.see_run(change.raw)
        if key is not None:
            self.due.add(key)

    def resync(self) -> None:
        """Whatever watches have missed is found."""
        for record in self.store:
            self.store.doubt(record.key)
            self.due.add(record.key)
        for raw in self.server.all(RUNS):
            self.hear(Change(RUNS.plural, raw, False))

    def next_time(self) -> datetime | None:
        """When it wakes by itself."""
        timer = self.loop.next_timer()
        times = [*self.again.values(), *([self.server.at(timer)] if timer is not None else [])]
        return min(times, default=None)

    def _look_at(self, key: RunKey, time: datetime) -> None:
        soonest = self.server.now + timedelta(seconds=0.1)
        self.again[key] = min(self.again.get(key, max(time, soonest)), max(time, soonest))
