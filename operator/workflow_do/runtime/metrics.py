"""What the operator tells of itself in numbers, for Prometheus; docs/metrics.md explains each.

Counts and times, decides nothing. Labels come from closed sets (states, reasons, verbs, codes,
kinds): never a name of an object, so the number of series does not grow with what runs. Each
instance has a registry of its own.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SHORT: Final = (
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.04, 0.05),
    *(0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_LAG_EVERY: Final = 0.5
_MOST_GAPS: Final = 10_000


@dataclass(slots=True)
class _Gap:
    """From a container's end to the next Job: when it was seen, taken up, and asked for."""

    seen: float
    taken: float = 0.0
    asked: float = 0.0


class Metrics:
    """The metrics of one operator. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        self._gaps: dict[Hashable, _Gap] = {}
        name = "workflow_do_"
        self._next_job = Histogram(
            f"{name}next_job_seconds",
            "From the end of a step's container, as it is seen, to the next Job being accepted: "
            "waiting for a worker (queue), deciding, the API server's answer (api), and the whole.",
            ["part"],
            buckets=_SHORT,
            registry=self._registry,
        )
        self._parts = {p: self._next_job.labels(p) for p in ("queue", "decide", "api", "whole")}
        self._steps = Counter(
            f"{name}steps",
            "Steps, undos and handlers that have ended.",
            ["result"],
            registry=self._registry,
        )
        self._runs = Counter(
            f"{name}runs",
            "Runs that have completed, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self._errors = Counter(
            f"{name}reconcile_errors", "Attempts that failed.", ["kind"], registry=self._registry
        )
        self._calls = Counter(
            f"{name}api_requests",
            "Calls to the API server that were answered; code 0: there was no answer.",
            ["verb", "code"],
            registry=self._registry,
        )
        self._lag = Histogram(
            f"{name}loop_lag_seconds",
            "How late the event loop wakes who sleeps.",
            buckets=_SHORT,
            registry=self._registry,
        )
        self._depth = Gauge(
            f"{name}queue_depth",
            "Objects that wait for a worker or have one.",
            registry=self._registry,
        )
        self._jobs = Gauge(
            f"{name}live_jobs",
            "Jobs of runs whose program may still run.",
            registry=self._registry,
        )
        self._in_line = Gauge(
            f"{name}waiting_jobs",
            "Jobs that wait for their turn, where the live ones are limited.",
            registry=self._registry,
        )
        self._leader = Gauge(
            f"{name}leader", "1 for the process that leads.", registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Ask `depth` whenever somebody looks."""
        self._depth.set_function(lambda: float(depth()))

    def watch_jobs(self, live: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Ask these whenever somebody looks."""
        self._jobs.set_function(lambda: float(live()))
        self._in_line.set_function(lambda: float(waiting()))

    def leads(self, leads: bool) -> None:
        """Whether this process leads."""
        self._leader.set(1.0 if leads else 0.0)

    def called(self, verb: str, code: int) -> None:
        """The API server has answered; 0 for no answer."""
        self._calls.labels(verb, str(code)).inc()

    def failed(self, kind: str) -> None:
        """An attempt at an object of that kind has failed."""
        self._errors.labels(kind).inc()

    def progressed(self, states: Iterable[str], reason: str | None) -> None:
        """Units have ended in these states; the run has completed with that reason, if any."""
        for state in states:
            self._steps.labels(state).inc()
        if reason is not None:
            self._runs.labels(reason).inc()

    def container_ended(self, run: Hashable) -> None:
        """The end of a container of the run was seen; of several, the last counts."""
        if len(self._gaps) < _MOST_GAPS or run in self._gaps:
            self._gaps[run] = _Gap(self._clock())

    def taken(self, run: Hashable) -> None:
        """A worker looks at the run."""
        gap = self._gaps.get(run)
        if gap is not None and not gap.taken:
            gap.taken = self._clock()

    def asked(self, run: Hashable) -> None:
        """The run's next Job is about to be posted."""
        gap = self._gaps.get(run)
        if gap is not None:
            gap.asked = self._clock()

    def accepted(self, run: Hashable) -> None:
        """The API server has the Job."""
        gap = self._gaps.pop(run, None)
        if gap is None or not gap.taken:
            return
        now = self._clock()
        self._parts["queue"].observe(gap.taken - gap.seen)
        self._parts["decide"].observe(gap.asked - gap.taken)
        self._parts["api"].observe(now - gap.asked)
        self._parts["whole"].observe(now - gap.seen)

    def left(self, run: Hashable) -> None:
        """The worker is done with the run: a container's end that it looked at had no next Job."""
        gap = self._gaps.get(run)
        if gap is not None and gap.taken:
            del self._gaps[run]

    async def watch_loop(self) -> None:
        """Measure the event loop's lag until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._lag.observe(max(0.0, clock() - due))


@functools.cache
def unread() -> Metrics:
    """Metrics that nobody reads, for parts that are used by themselves."""
    return Metrics()
