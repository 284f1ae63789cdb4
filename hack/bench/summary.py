"""From everything that was measured to the one line of figures, and what each may be. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

from hack.bench import figures
from hack.bench.measure import Record, Sample


@dataclass(frozen=True, slots=True)
class Figure:
    """One key of the line: what it is, its limit and its goal; `least`: it must be at least so."""

    key: str
    what: str
    unit: str
    limit: float
    goal: float
    value: Callable[[Record], float]
    least: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value keeps to the limit."""
        return value >= self.limit if self.least else value <= self.limit


def _gap(record: Record, way: str, q: float) -> float:
    """In milliseconds, over all chains."""
    rows = [*record.of("chain", way), *record.of("long chain", way)]
    if way == "bare":
        return figures.quantile([gap for s in rows for gap in s.gaps], q) * 1000
    counted = Counter[float]()
    for sample in rows:
        counted.update({float(bound): n for bound, n in sample.buckets.items()})
    return figures.quantile_of_buckets(counted, q) * 1000


def _writes(record: Record) -> tuple[float, float]:
    """Writes for each further step, and a run's own."""
    short, long = record.of("chain", "runs"), record.of("long chain", "runs")
    if not short or not long:
        return math.nan, math.nan
    few = median(s.writes for s in short)
    return figures.slope((short[0].steps, few), (long[0].steps, float(long[0].writes)))


def _cpu(part: str) -> Callable[[Record], float]:
    return lambda record: _middle([s.cpu_ms_per_step for s in record.of(part, "runs")])


def _client_cpu(record: Record, part: str) -> float:
    return _middle([s.client_cpu_ms_per_step for s in record.of(part, "bare")])


def _slowdown(part: str) -> Callable[[Record], float]:
    return lambda record: _ratio(record, part)


def _ratio(record: Record, part: str) -> float:
    pairs = record.pairs(part)
    return figures.median_ratio(pairs) if pairs else math.nan


def _middle(values: list[float]) -> float:
    return median(values) if values else math.nan


def _seconds(record: Record, part: str, way: str) -> float:
    return _middle([s.seconds for s in record.of(part, way)])


def _rate(samples: list[Sample]) -> float:
    return _middle([s.steps_per_second for s in samples])


FIGURES: Final = (
    Figure("chain_ratio", "one run, a chain of steps: time over bare Jobs", "×", 1.05, 1.02,
           _slowdown("chain")),
    Figure("burst_ratio", "runs at once on a real node: time over bare Jobs", "×", 1.10, 1.03,
           _slowdown("burst")),
    Figure("simulated_ratio", "runs at once on simulated nodes: throughput over bare Jobs", "×",
           0.8, 0.95, lambda record: 1 / _ratio(record, "simulated"), least=True),
    Figure("cpu_ms_per_step_real", "CPU of the operator a step, real node", "ms", 14, 8,
           _cpu("burst")),
    Figure("cpu_ms_per_step_simulated", "CPU of the operator a step, simulated nodes", "ms", 8, 5,
           _cpu("simulated")),
    Figure("rss_idle_mb", "memory of the operator, idle", "MiB", 105, 105,
           lambda record: record.memory.get("idle", math.nan)),
    Figure("rss_1000_runs_mb", "memory of the operator, 1,000 live runs", "MiB", 200, 200,
           lambda record: record.memory.get("live", math.nan)),
    Figure("gap_p50_ms", "container end seen → next Job accepted, median", "ms", 15, 15,
           lambda record: _gap(record, "runs", 0.5)),
    Figure("gap_p99_ms", "container end seen → next Job accepted, 99 %", "ms", 60, 60,
           lambda record: _gap(record, "runs", 0.99)),
    Figure("writes_per_step", "writes for each further step of a chain", "", 2.1, 2.1,
           lambda record: _writes(record)[0]),
    Figure("plan_500_ms", "one decision over a run of 500 steps, the slowest shape", "ms", 10, 10,
           lambda record: max(record.plans.values(), default=math.nan)),
    Figure("writes_per_run", "writes of a run beside its steps'", "", 6, 6,
           lambda record: _writes(record)[1]),
)  # fmt: skip

BARE: Final[dict[str, Callable[[Record], float]]] = {
    "bare_chain_seconds": lambda record: _seconds(record, "chain", "bare"),
    "bare_burst_seconds": lambda record: _seconds(record, "burst", "bare"),
    "bare_simulated_steps_per_s": lambda record: _rate(record.of("simulated", "bare")),
    "bare_cpu_ms_per_step_real": lambda record: _client_cpu(record, "burst"),
    "bare_cpu_ms_per_step_simulated": lambda record: _client_cpu(record, "simulated"),
    "bare_gap_p50_ms": lambda record: _gap(record, "bare", 0.5),
    "bare_gap_p99_ms": lambda record: _gap(record, "bare", 0.99),
}


def summarise(record: Record) -> dict[str, float | None]:
    """The line: every key, None for what was not measured."""
    values = {figure.key: figure.value(record) for figure in FIGURES}
    values |= {key: value(record) for key, value in BARE.items()}
    return {key: None if math.isnan(value) else round(value, 3) for key, value in values.items()}
