"""A limit on the live Jobs of all runs, and whose turn it is when there is room again.

Places are counted by the Jobs that are seen, so a restart forgets none: before the first place is
given, the API server itself is asked which Jobs there are. Those that find none stand in line by
namespace, and namespaces take turns; within one, first come, first served. Nothing is polled: a
pass follows when a Job ends. One worker gives the places, one after the other.

A place is given to a Job by its name, and held until the Job is seen. What a run did not use by
the end of its round goes back, so that one in trouble holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.crowd import Crowd
from workflow_do.engine.facts import Run
from workflow_do.engine.live import settled
from workflow_do.runtime.api import JOBS, Api
from workflow_do.runtime.insist import insist
from workflow_do.runtime.lanes import Lanes
from workflow_do.runtime.queue import Backoff, WorkQueue
from workflow_do.runtime.store import RunKey, Store

_BACKOFF: Final = Backoff(first=0.1, last=30.0)
_PASS: Final = "a place is free"
_NOT_SUCCEEDED: Final = "status.successful=0"


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for: room for the Job of that name."""

    run: RunKey
    job: str


@dataclass(slots=True)
class _Asked:
    """Of one run: Jobs in line, Jobs that a place was found for meanwhile, and those that its
    worker may make now.
    """

    waiting: set[str] = field(default_factory=set)
    offered: set[str] = field(default_factory=set)
    hand: set[str] = field(default_factory=set)

    def __contains__(self, job: str) -> bool:
        return job in self.waiting or job in self.offered or job in self.hand

    def __bool__(self) -> bool:
        return bool(self.waiting or self.offered or self.hand)


class Turns:
    """Gives places to the Jobs of runs, `limit` at once.

    `wake` is called with a run that got one, `seen` with each Job of the first look.
    """

    def __init__(
        self,
        api: Api,
        store: Store,
        limit: int,
        wake: Callable[[RunKey], None],
        seen: Callable[[dict[str, Any]], None],
        namespaces: Sequence[str | None] = (None,),
    ) -> None:
        self._api = api
        self._store = store
        self._live = store.live
        self._limit = limit
        self._wake = wake
        self._seen = seen
        self._namespaces = tuple(namespaces)
        self._asked: dict[str, _Asked] = {}
        self._line: Lanes[Place] = Lanes(lambda place: place.run.namespace)
        self._ready = False
        self.queue: WorkQueue[str] = WorkQueue(self._pass, workers=1, backoff=_BACKOFF)
        self._live.freed = self._freed

    @property
    def waiting(self) -> int:
        """How many Jobs stand in line."""
        return sum(len(asked.waiting) for asked in self._asked.values())

    async def run(self, caught_up: asyncio.Event) -> None:
        """Work until cancelled; places are given once the Jobs that there are have been seen."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.queue.run(), name="turns")
            tasks.create_task(self._first_look(caught_up), name="turns, first look")

    def enter(self, key: RunKey) -> Crowd:
        """A worker takes up the run: what it was offered meanwhile is in its hand."""
        asked = self._asked.get(key.uid)
        if asked is None:
            return Crowd(self._limit)
        asked.hand |= asked.offered
        asked.offered.clear()
        return Crowd(self._limit, frozenset(asked.waiting))

    def ask(self, key: RunKey, jobs: Collection[str]) -> frozenset[str]:
        """Places for Jobs that are about to be made; those that have to wait are in line now."""
        if not jobs:
            return frozenset()
        asked = self._asked.setdefault(key.uid, _Asked())
        for job in jobs:
            if job in asked:
                continue
            if self._ready and not len(self._line) and self._live.taken < self._limit:
                self._live.promise(key.uid, job)
                asked.hand.add(job)
            else:
                asked.waiting.add(job)
                self._line.put(Place(key, job))
        waiting = frozenset(asked.waiting).intersection(jobs)
        if waiting:
            self.queue.add(_PASS)
        return waiting

    def left(self, key: RunKey, waits: frozenset[str] | None) -> None:
        """The worker has left the run. At rest, these of its Jobs wait, and no others; None: it is
        not at rest, and asks again.
        """
        record = self._store.record(key.uid)
        if waits is not None and record is not None and isinstance(record.run, Run):
            self._live.retire(key.uid, settled(record.run, self._live.of(key.uid)))
        asked = self._asked.get(key.uid)
        if asked is None:
            return
        for job in asked.hand:
            self._live.take_back(key.uid, job)
        asked.hand.clear()
        asked.waiting &= waits or frozenset()  # what is left of it in the line is passed over
        if not asked:
            del self._asked[key.uid]

    def forget(self, key: RunKey) -> None:
        """The run is gone."""
        asked = self._asked.pop(key.uid, None)
        for job in (asked.hand | asked.offered) if asked is not None else ():
            self._live.take_back(key.uid, job)

    def _freed(self) -> None:
        if len(self._line):
            self.queue.add(_PASS)

    async def _first_look(self, caught_up: asyncio.Event) -> None:
        """Jobs that were there before: their runs may not have been looked at yet."""
        await caught_up.wait()
        for namespace in self._namespaces:
            await insist(partial(self._list, namespace), _BACKOFF, "live Jobs")
        self._ready = True
        self.queue.add(_PASS)

    async def _list(self, namespace: str | None) -> None:
        ours = names.LABEL_RUN_UID
        found = await self._api.list_all(JOBS, namespace, labels=ours, fields=_NOT_SUCCEEDED)
        for raw in found.items:
            self._seen(raw)

    async def _pass(self, _: str) -> None:
        """Give the places that are free, a namespace at a time."""
        while self._ready and len(self._line) and self._live.taken < self._limit:
            place = self._line.take()
            asked = self._asked.get(place.run.uid)
            if asked is None or place.job not in asked.waiting:
                continue  # not wanted any more
            asked.waiting.remove(place.job)
            asked.offered.add(place.job)
            self._live.promise(place.run.uid, place.job)
            self._wake(place.run)
