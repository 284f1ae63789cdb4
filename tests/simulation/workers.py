"""What the model needs for several runs: a server that refuses, a process of many workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from simulation.leader import Quiet, Wire, Working
from simulation.loop import StillLoop
from simulation.server import Change, Raw, Server
from workflow_do.engine.kin import parse_child
from workflow_do.runtime.api import RUNS, Conflict, Listing, Refused, Resource
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
        found = await super().list_all(
            resource, namespace, labels=labels, fields=fields, metadata_only=metadata_only
        )
        if resource is not RUNS:
            return found
        key, _, value = labels.partition("=")
        mine = [r for r in found.items if (r["metadata"].get("labels") or {}).get(key) == value]
        return Listing(mine, found.version, found.partial)


class Process(Working):
    """One process of the operator, with a worker for each run."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.loop = StillLoop(server.seconds)
        self.store = Store(kin=self._wake)
        self.wire = FamilyWire(server, self.loop, self.store)
        self.heard = len(server.log)
        self._runs = Reconciler(
            observer=Observer(self.wire, self.store, lambda: server.now),  # type: ignore[arg-type]
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
                self._wake(key)
        timer = self.loop.next_timer()
        awake = timer is not None and timer <= self.server.seconds()
        return awake or bool(self._in_turn())

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
            self._wake(key)

    def resync(self) -> None:
        """Whatever watches have missed is found."""
        for record in self.store:
            self.store.doubt(record.key)
            self.due[record.key] = None
        for raw in self.server.all(RUNS):
            self.hear(Change(RUNS.plural, raw, False))

    def _in_turn(self) -> list[RunKey]:
        return sorted(super()._in_turn(), key=str)

    def _wake(self, key: RunKey) -> None:
        self.due[key] = None

    def _look_at(self, key: RunKey, time: datetime) -> None:
        soonest = self.server.now + timedelta(seconds=0.1)
        self.again[key] = min(self.again.get(key, max(time, soonest)), max(time, soonest))
