"""What is measured, and in which order: each part asks the site and keeps the raw figures.

Ratios come from pairs, one way right after the other and the first of them changing, so that
neither what the machine does besides nor what is left of the one before favours one way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from hack.bench import audit, figures, planning, process
from hack.bench.figures import Pair
from hack.bench.site import Site

GAP: Final = "workflow_do_next_job_seconds"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. `curve` holds (runs, steps) at growing concurrency, `lengths` likewise
    with growing numbers of steps; `live` is how many runs are held alive for their memory.
    """

    pairs: int
    chain: int
    long_chain: int
    burst: tuple[int, int]
    simulated: tuple[int, int]
    live: int
    curve: tuple[tuple[int, int], ...] = ()
    lengths: tuple[tuple[int, int], ...] = ()


FULL: Final = Size(
    pairs=5,
    chain=10,
    long_chain=30,
    burst=(20, 3),
    simulated=(100, 10),
    live=1000,
    curve=((10, 10), (30, 10), (300, 2), (1000, 1)),
    lengths=((10, 10), (5, 50), (2, 200), (1, 500)),
)
QUICK: Final = Size(pairs=1, chain=5, long_chain=10, burst=(10, 2), simulated=(30, 10), live=100)


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement; CPU and memory are the operator's, `client_cpu_ms_per_step` is what the
    client took: of the bare way the least that a program can do with. `control_plane` is the CPU of
    each of its parts, in milliseconds a step.

    Gaps from the end of a container to the next Job: each, in seconds, of the bare way; of ours as
    the operator's own histogram counts them (upper bound in seconds → how many).
    """

    place: str
    way: str
    runs: int
    steps: int
    seconds: float
    cpu_ms_per_step: float
    client_cpu_ms_per_step: float
    rss_mb: float
    run_p50_seconds: float
    run_p95_seconds: float
    writes: int
    events: int
    gaps: list[float]
    buckets: dict[str, float]
    control_plane: dict[str, float]

    @property
    def steps_per_second(self) -> float:
        """Throughput."""
        return self.runs * self.steps / self.seconds


@dataclass
class Record:
    """Everything that was measured; `memory` is in MiB, `plans` in milliseconds by the shape of the
    run, `about` tells where and when, `measured` the same of each part.
    """

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    plans: dict[str, float] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    measured: dict[str, dict[str, str]] = field(default_factory=dict)

    def or_else(self, older: Record) -> Record:
        """This record, with each part that it lacks as an older one has it."""
        lacking = older.measured.keys() - self.measured.keys()
        named = {"chain": ("chain", "long chain")}
        kept = {s for part in lacking for s in named.get(part, (part,)) if s in older.samples}
        memory = {name: older.memory[name] for name in lacking & older.memory.keys()}
        return Record(
            samples={**{part: older.samples[part] for part in kept}, **self.samples},
            memory={**memory, **self.memory},
            plans=older.plans if "plan" in lacking else self.plans,
            about=self.about,
            measured={**{part: older.measured[part] for part in lacking}, **self.measured},
        )

    def add(self, part: str, *samples: Sample) -> None:
        """Keep samples of a part."""
        self.samples.setdefault(part, []).extend(samples)

    def of(self, part: str, way: str) -> list[Sample]:
        """The samples of one way."""
        return [s for s in self.samples.get(part, ()) if s.way == way]

    def pairs(self, part: str) -> list[Pair]:
        """Seconds of both ways, as they were measured together."""
        both = zip(self.of(part, "bare"), self.of(part, "runs"), strict=True)
        return [Pair(bare.seconds, ours.seconds) for bare, ours in both]

    def raw(self) -> dict[str, Any]:
        """As JSON keeps it."""
        samples = {part: [asdict(s) for s in rows] for part, rows in self.samples.items()}
        told = {"about": self.about, "memory": self.memory, "plans": self.plans}
        return {**told, "measured": self.measured, "samples": samples}

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Record:
        """What `raw` gave."""
        samples = {part: [Sample(**s) for s in rows] for part, rows in raw["samples"].items()}
        return cls(
            samples,
            dict(raw["memory"]),
            dict(raw["plans"]),
            dict(raw["about"]),
            dict(raw["measured"]),
        )


class Measurer:
    """Measures one part after the other."""

    def __init__(
        self,
        site: Site,
        size: Size,
        tell: Tell,
        nodes: Callable[[], AbstractContextManager[None]],
        record: Record,
    ) -> None:
        """`nodes` simulates nodes for as long as its block lasts; into `record` it all goes."""
        self._nodes = nodes
        self._site = site
        self._size = size
        self._tell = tell
        self._operator = site.operator()
        self.record = record

    def run(self, parts: frozenset[str]) -> None:
        """The parts asked for, in the order that they have here."""
        for name, part in PARTS.items():
            if name in parts:
                self._whole(name, part)

    def _whole(self, name: str, part: Callable[[Measurer], None]) -> None:
        """A part counts as a whole, or not at all."""
        before = set(self.record.samples)
        try:
            with self._nodes() if name in SIMULATED else nullcontext():
                part(self)
        except BaseException:
            for begun in self.record.samples.keys() - before:
                del self.record.samples[begun]
            raise
        self.record.measured[name] = self.record.about

    def idle(self) -> None:
        """Memory before anything has run."""
        self.record.memory["idle"] = self._operator.memory()
        self._tell(f"idle: {self.record.memory['idle']:.0f} MiB")

    def plan(self) -> None:
        """How long the engine takes over a run of 500 steps, by its shape."""
        self.record.plans = planning.measure()
        slowest = max(self.record.plans.items(), key=lambda row: row[1])
        self._tell(f"one plan over {planning.STEPS} steps, slowest: {slowest[1]} ms ({slowest[0]})")

    def chain(self) -> None:
        """One run on the real node: latency. And a longer one, for what a step alone writes."""
        self._pairs("chain", "real", 1, self._size.chain, clean=False)
        longer = self._sample("long chain", "real", "runs", 1, self._size.long_chain)
        self.record.add("long chain", longer)
        self._site.clean()

    def burst(self) -> None:
        """Some runs at once on the real node."""
        self._pairs("burst", "real", *self._size.burst)

    def simulated(self) -> None:
        """Many runs at once where nodes cost nothing: what the operator itself can do."""
        self._pairs("simulated", "simulated", *self._size.simulated)

    def live(self) -> None:
        """Memory while that many runs are alive, each with a Job that runs on."""
        self._site.start("hold", self._size.live)
        running = ("-l", "bench/hold", "--field-selector=status.phase=Running", "-o", "name")
        wanted = self._size.live
        self._site.until(
            f"{wanted} Pods run",
            lambda: len(self._site.kubectl("get", "pods", *running).split()) >= wanted,
            300,
        )
        self.record.memory["live"] = self._operator.memory()
        self._tell(f"{self._size.live} live runs: {self.record.memory['live']:.0f} MiB")
        self._site.clean()

    def curve(self) -> None:
        """From few concurrent runs to many, both ways."""
        for runs, steps in self._size.curve:
            for way in ("bare", "runs"):
                self.record.add("curve", self._sample("curve", "simulated", way, runs, steps))
                self._site.clean()

    def lengths(self) -> None:
        """From few steps a run to many."""
        for runs, steps in self._size.lengths:
            self.record.add("lengths", self._sample("lengths", "simulated", "runs", runs, steps))
            self._site.clean()

    def _pairs(self, part: str, place: str, runs: int, steps: int, *, clean: bool = True) -> None:
        """What a single run leaves behind is not worth the seconds to clean up in between."""
        for number in range(self._size.pairs):
            for way in ("bare", "runs") if number % 2 == 0 else ("runs", "bare"):
                self.record.add(part, self._sample(part, place, way, runs, steps))
                if clean:
                    self._site.clean()

    def _sample(self, part: str, place: str, way: str, runs: int, steps: int) -> Sample:
        go = self._site.bare if way == "bare" else self._site.ours
        if way == "runs":
            self._site.define(place, steps)
        log, metrics = self._site.audit_log(), self._site.metrics()
        mark, cpu = log.stat().st_size, self._operator.cpu()
        before = process.control_plane()
        timing = go(place, runs, steps)
        cpu = self._operator.cpu() - cpu
        after = process.control_plane()
        wrote = audit.writes(log, mark) if way == "runs" else Counter[str]()
        found = Sample(
            place=place,
            way=way,
            runs=runs,
            steps=steps,
            seconds=timing.seconds,
            cpu_ms_per_step=cpu * 1000 / (runs * steps),
            client_cpu_ms_per_step=timing.cpu * 1000 / (runs * steps),
            rss_mb=self._operator.memory(),
            run_p50_seconds=median(timing.runs),
            run_p95_seconds=figures.quantile(timing.runs, 0.95),
            writes=sum(n for what, n in wrote.items() if what != "events"),
            events=wrote["events"],
            gaps=timing.gaps,
            buckets=_buckets(metrics, self._site.metrics()) if way == "runs" else {},
            control_plane={
                name: (spent - before[name]) * 1000 / (runs * steps)
                for name, spent in after.items()
            },
        )
        self._tell(_line(part, found))
        return found


def _buckets(before: str, after: str) -> dict[str, float]:
    old, new = (figures.buckets_of(text, GAP, part="whole") for text in (before, after))
    return {str(bound): count for bound, count in figures.since(old, new).items()}


def _line(part: str, s: Sample) -> str:
    return (
        f"{part}: {s.way} {s.runs} × {s.steps}: {s.seconds:.2f} s, "
        f"{s.steps_per_second:.1f} steps/s; the operator: {s.cpu_ms_per_step:.1f} ms CPU a step, "
        f"{s.rss_mb:.0f} MiB"
    )


PARTS: Final[dict[str, Callable[[Measurer], None]]] = {
    "idle": Measurer.idle,
    "plan": Measurer.plan,
    "chain": Measurer.chain,
    "burst": Measurer.burst,
    "simulated": Measurer.simulated,
    "live": Measurer.live,
    "curve": Measurer.curve,
    "lengths": Measurer.lengths,
}
SIMULATED: Final = frozenset({"simulated", "live", "curve", "lengths"})
"""The parts that need simulated nodes."""
