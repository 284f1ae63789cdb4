"""The operator put together: what comes in goes to the store and the queue, workers do the rest.

Decides which keys a piece of news concerns. Knows no kopf: watch events are handed in as they
come, from whatever watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.live import Haste
from workflow_do.runtime.admission import Admissions
from workflow_do.runtime.api import JOBS, PODS, RUNS, Api
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind, News
from workflow_do.runtime.config import Settings
from workflow_do.runtime.definitions import Definitions
from workflow_do.runtime.events import Recorder
from workflow_do.runtime.execute import Executor
from workflow_do.runtime.housekeeping import Housekeeper
from workflow_do.runtime.metrics import Metrics
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.queue import WorkQueue
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.resync import Resync
from workflow_do.runtime.status import StatusWriter
from workflow_do.runtime.store import RunKey, Store, key_of
from workflow_do.runtime.turns import Turns
from workflow_do.runtime.watch import Stream, Watcher

Raw = Mapping[str, Any]
Key = RunKey | DefinitionKey

_SHORTEST_WAIT: Final = 0.1
"""Seconds; a time to look at that has passed already must not become a loop without a pause."""
HASTE_SECONDS: Final = {Haste.NOW: 0.0, Haste.SOON: 0.3, Haste.LATER: 5.0}
"""A Job and its Pod bring a dozen events, and most of them let nothing go on: those wait for each
other so long, and for one that does."""


class Operator:
    """One operator over one API server. Make it inside the event loop it will run in."""

    def __init__(self, api: Api, settings: Settings, metrics: Metrics | None = None) -> None:
        self._api = api
        self._namespaces: tuple[str | None, ...] = settings.namespaces or (None,)
        self._metrics = metrics or Metrics()
        self._store = Store(
            history=self._history_changed,
            ended=self._metrics.container_ended,
            hasten=self._hasten,
            kin=self._enqueue,
        )
        self._catalogue = Catalogue()
        self.queue: WorkQueue[Key] = WorkQueue(
            self._work,
            workers=settings.workers,
            lane=lambda key: key.namespace,
            failed=lambda key: self._metrics.failed(_kind_of(key)),
        )
        self._metrics.watch_queue(self.queue.__len__)
        self._recorder = Recorder(api)
        self._definitions = Definitions(api, self._catalogue, self._recorder)
        self.places = Admissions(
            api, self._store, self.queue.add, settings.namespaces, now=api.clock.now
        )
        self._turns = self._limited_to(settings.max_live_jobs) if settings.max_live_jobs else None
        self._metrics.watch_jobs(self._store.live.__len__, self._waiting_jobs)
        self._runs = Reconciler(
            observer=Observer(api, self._store, api.clock.now),
            executor=Executor(api, self._store, self._metrics),
            writer=StatusWriter(api, self._store),
            recorder=self._recorder,
            look_at=self._look_at,
            now=api.clock.now,
            metrics=self._metrics,
            ask=self.places.ask,
            turns=self._turns,
            alive=self.queue.touch,
        )
        self.resync = Resync(
            api,
            self._store,
            self._catalogue,
            doubtful=self.queue.add,
            missed=self.definition_missed,
            namespaces=settings.namespaces,
        )
        self.housekeeper = Housekeeper(
            api,
            self._store,
            self._catalogue,
            doubtful=self.queue.add,
            namespaces=settings.namespaces,
        )

    async def run(self, resync_seconds: float) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.queue.run(), name="queue")
                tasks.create_task(self._metrics.watch_loop(), name="loop lag")
                tasks.create_task(self.resync.run(resync_seconds), name="resync")
                upkeep = self.housekeeper.run(self.resync.caught_up)
                tasks.create_task(upkeep, name="housekeeping")
                places = self.places.run(self.resync.caught_up)
                tasks.create_task(places, name="places")
                if self._turns is not None:
                    turns = self._turns.run(self.resync.caught_up)
                    tasks.create_task(turns, name="turns")
        finally:
            self._recorder.close()

    async def follow(self) -> None:
        """Watch runs and their Jobs and Pods until cancelled. Raises GivenUp in a group."""
        ours = names.LABEL_RUN_UID  # the API server filters: what is not ours is never sent
        async with asyncio.TaskGroup() as tasks:
            for at in self._namespaces:
                for stream in (
                    Stream(RUNS, at, "", self.run_seen, self.run_gone),
                    Stream(JOBS, at, ours, self.job_seen, self.child_gone),
                    Stream(PODS, at, ours, self.pod_seen, self.child_gone),
                ):
                    tasks.create_task(Watcher(self._api, stream).run(), name=f"watch of {stream}")

    def run_seen(self, raw: Raw) -> None:
        """A run was listed, made or changed."""
        self._enqueue(self._store.see_run(raw))

    def run_gone(self, raw: Raw) -> None:
        """A run was deleted; its Jobs go with it."""
        key = key_of(raw)
        self._store.forget_run(key.uid)
        if self._turns is not None:
            self._turns.forget(key)
        self.queue.forget(key)

    def job_seen(self, raw: Raw) -> None:
        """A Job was listed, made or changed."""
        self._store.see_job(raw)

    def pod_seen(self, raw: Raw) -> None:
        """A Pod was listed, made or changed."""
        self._store.see_pod(raw)

    def child_gone(self, raw: Raw) -> None:
        """A Job or Pod was deleted."""
        self._enqueue(self._store.forget_child(raw))

    def approval_seen(self, raw: Raw) -> None:
        """An approval was listed, made or changed."""
        self._enqueue(self._store.see_approval(raw))

    def approval_gone(self, raw: Raw) -> None:
        """An approval was deleted."""
        self._enqueue(self._store.forget_approval(str(raw["metadata"]["uid"])))

    def definition_seen(self, kind: Kind, raw: Raw) -> None:
        """A Workflow or an Action was listed, made or changed."""
        key = _definition_key(kind, raw)
        news = self._catalogue.see(key, raw)
        if news is not News.NONE:
            self.queue.add(key)
        if news is News.SPEC:
            self._consequences(key)

    def definition_gone(self, kind: Kind, raw: Raw) -> None:
        """A Workflow or an Action was deleted."""
        self.definition_missed(_definition_key(kind, raw), None)

    def definition_missed(self, key: DefinitionKey, raw: Raw | None) -> None:
        """What a definition is now, told by somebody who asked; None: it is gone."""
        if raw is not None:
            self.definition_seen(key.kind, raw)
            return
        self._catalogue.forget(key)
        self.queue.forget(key)
        self._consequences(key)

    def _consequences(self, changed: DefinitionKey) -> None:
        """Workflows are judged again by their Actions, and waiting runs may go on."""
        for key in self._catalogue.users_of(changed) - {changed}:
            self.queue.add(key)
        if changed.kind is Kind.WORKFLOW:
            self.housekeeper.news(changed.namespace, changed.name)
        for run in self._store.unpinned(changed.namespace):
            self.queue.add(run)

    def _limited_to(self, jobs: int) -> Turns:
        return Turns(
            self._api,
            self._store,
            jobs,
            wake=self.queue.add,
            seen=self.job_seen,
            namespaces=self._namespaces,
        )

    def _waiting_jobs(self) -> int:
        return self._turns.waiting if self._turns is not None else 0

    def _history_changed(self, namespace: str, workflow: str) -> None:
        self.places.news(namespace, workflow)
        self.housekeeper.news(namespace, workflow)

    def _enqueue(self, key: RunKey | None) -> None:
        if key is not None:
            self.queue.add(key)

    def _hasten(self, key: RunKey, haste: Haste) -> None:
        if haste is Haste.NOW:
            self.queue.add(key)
        else:
            self.queue.add_within(key, HASTE_SECONDS[haste])

    def _look_at(self, key: RunKey, time: datetime) -> None:
        seconds = (time - self._api.clock.now()).total_seconds()
        self.queue.add_after(key, max(_SHORTEST_WAIT, seconds))

    async def _work(self, key: Key) -> None:
        if isinstance(key, RunKey):
            await self._runs.reconcile(key)
        else:
            await self._definitions.reconcile(key)


def _definition_key(kind: Kind, raw: Raw) -> DefinitionKey:
    meta = raw.get("metadata") or {}
    return DefinitionKey(kind, str(meta.get("namespace")), str(meta.get("name")))


def _kind_of(key: Key) -> str:
    return names.RUN.kind if isinstance(key, RunKey) else key.kind.value
