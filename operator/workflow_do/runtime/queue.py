"""A work queue of keys: each key once, one worker per key at a time, retried until it succeeds.

Decides when a key is worked on; knows nothing of what a key means. Keys stand in lanes that are
served in turn, so that a flood in one lane delays another by no more than what is under way. A key
added while it is being worked on is worked on again afterwards, so no news is lost. A failure is
retried with growing, jittered delays; this is the only place that catches every exception, because
one bad object must never stop the others.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from workflow_do.runtime import logs
from workflow_do.runtime.lanes import Lanes

K = TypeVar("K", bound=Hashable)

_log = logs.get("queue")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: doubling from `first` to `last`, each shortened by up to half."""

    first: float = 0.02
    last: float = 5.0

    def delay(self, failures: int, chance: float) -> float:
        """The delay after that many failures in a row (1 at least); `chance` is in [0, 1)."""
        full = min(self.last, self.first * 2.0 ** min(failures - 1, 30))
        return full * (1 - chance / 2)


def _one_lane(_: object) -> Hashable:
    return None


def _unheard(_: object) -> None:
    """Nobody counts failures."""


class WorkQueue(Generic[K]):
    """Keys to be worked on by `work`. Not safe for threads: it belongs to one event loop.

    `work` may raise; an exception with a `retry_after` attribute (seconds) waits at least as long,
    one whose `definite` is true as long as `refusals` says. `lane` puts keys into lanes (one for
    all by default). `failed` is told of each attempt that failed. `clock` gives
    monotonic seconds (the loop's time by default).
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[None]],
        *,
        workers: int = 64,
        backoff: Backoff | None = None,
        refusals: Backoff | None = None,
        lane: Callable[[K], Hashable] = _one_lane,
        failed: Callable[[K], None] = _unheard,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._work = work
        self._workers = workers
        self._backoff = backoff or Backoff()
        self._failed = failed
        self._refusals = refusals or Backoff(first=1.0, last=600.0)
        self._clock = clock or asyncio.get_running_loop().time
        self._chance = chance
        self._ready = Lanes(lane)
        self._busy: dict[K, float] = {}
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._soon: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._serial = itertools.count()
        self._failures: dict[K, int] = {}
        self._work_to_do = asyncio.Semaphore(0)
        self._sooner = asyncio.Event()

    def add(self, key: K) -> None:
        """Work on the key soon; once more afterwards if it is being worked on now."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._ready:
            self._ready.put(key)
            self._work_to_do.release()

    def add_within(self, key: K, seconds: float) -> None:
        """Work on the key no later than that: for news that come in crowds and can wait for each
        other. Whoever takes up the key before, takes them all.
        """
        due = self._clock() + seconds
        if key in self._ready or key in self._again or self._soon.get(key, due + 1) <= due:
            return
        self._soon[key] = due
        self._remind(due, key)

    def add_after(self, key: K, seconds: float) -> None:
        """Work on the key after that time; of several such wishes the earliest counts."""
        due = self._clock() + max(0.0, seconds)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._remind(due, key)

    def _remind(self, due: float, key: K) -> None:
        heapq.heappush(self._timers, (due, next(self._serial), key))
        if self._timers[0][0] == due:
            self._sooner.set()

    def forget(self, key: K) -> None:
        """Drop what is planned for the key; work that has begun goes on to its end."""
        self._again.discard(key)
        self._due.pop(key, None)
        self._soon.pop(key, None)
        self._failures.pop(key, None)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_timers(), name="queue timers")
            for number in range(self._workers):
                tasks.create_task(self._worker(), name=f"queue worker {number}")

    def touch(self, key: K) -> None:
        """The worker of the key gets on with it, however long it takes."""
        if key in self._busy:
            self._busy[key] = self._clock()

    def oldest_busy(self) -> float:
        """For how many seconds the slowest worker has been busy with one key, since it last got on
        with it; 0 when idle.
        """
        return self._clock() - min(self._busy.values()) if self._busy else 0.0

    def __len__(self) -> int:
        return len(self._ready) + len(self._busy)

    def release_due(self) -> float | None:
        """Make ready what is due; the seconds until the next timer, or None without one."""
        now = self._clock()
        while self._timers:
            due, _, key = self._timers[0]
            if due not in (self._due.get(key), self._soon.get(key)):
                heapq.heappop(self._timers)  # forgotten, overtaken by an earlier wish, or met
                continue
            if due > now:
                return due - now
            heapq.heappop(self._timers)
            for wishes in (self._due, self._soon):
                if wishes.get(key) == due:
                    del wishes[key]
            self.add(key)
        return None

    async def step(self) -> None:
        """Take one key and work on it, waiting for one if there is none."""
        await self._work_to_do.acquire()
        key = self._ready.take()
        self._busy[key] = self._clock()
        self._soon.pop(key, None)
        try:
            await self._attempt(key)
        finally:
            del self._busy[key]
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _attempt(self, key: K) -> None:
        try:
            await self._work(key)
        except Exception as error:  # the one blanket: a bad object must not stop the others
            failures = self._failures.get(key, 0) + 1
            self._failures[key] = failures
            self._failed(key)
            self._tell(key, error, first=failures == 1)
            least = float(getattr(error, "retry_after", 0) or 0)
            definite = getattr(error, "definite", False)
            backoff = self._refusals if definite else self._backoff
            delay = max(least, backoff.delay(failures, self._chance()))
            self.add_after(key, delay)
        else:
            self._failures.pop(key, None)

    def _tell(self, key: K, error: Exception, *, first: bool) -> None:
        """One line per streak of failures; a traceback only for what nobody foresaw."""
        if not first:
            return
        foreseen = hasattr(error, "retry_after") or hasattr(error, "definite")
        _log.warning("will be retried", key=str(key), error=str(error)[:500], exc_info=not foreseen)

    async def _worker(self) -> None:
        while True:
            await self.step()

    async def _watch_timers(self) -> None:
        while True:
            wait = self.release_due()
            self._sooner.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._sooner.wait()
            except TimeoutError:
                continue
