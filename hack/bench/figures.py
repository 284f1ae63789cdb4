"""The arithmetic of the benchmark: medians, ratios, quantiles, slopes. Pure.

Measures nothing and knows no cluster, so that every figure in the report can be checked by hand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Buckets = Mapping[float, float]
"""A histogram as Prometheus writes it: upper bound (inf for the last) → how many are at most it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One measurement of each way, one right after the other."""

    bare: float
    ours: float

    @property
    def ratio(self) -> float:
        """Ours over bare: 1.0 is no difference, 2.0 is twice."""
        return self.ours / self.bare


def median_ratio(pairs: Sequence[Pair]) -> float:
    """The median of the ratios, not the ratio of medians: what is slow for both cancels out."""
    return median(pair.ratio for pair in pairs)


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least that share of all is at most; NaN of nothing."""
    rows = sorted(values)
    return rows[max(0, math.ceil(q * len(rows)) - 1)] if rows else math.nan


def quantile_of_buckets(buckets: Buckets, q: float) -> float:
    """As Prometheus' histogram_quantile: linear within a bucket; NaN of nothing.

    What lies in the last bucket is told as the last bound but that: it is at least so much.
    """
    rows = sorted(buckets.items())
    if not rows or rows[-1][1] == 0:
        return math.nan
    rank = q * rows[-1][1]
    low, below = 0.0, 0.0
    for bound, count in rows:
        if count >= rank and count > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return low


def since(before: Buckets, after: Buckets) -> dict[float, float]:
    """What was counted between two looks at one histogram."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def slope(short: tuple[int, float], long: tuple[int, float]) -> tuple[float, float]:
    """Of two points (steps, writes): writes for each further step, and those without any step."""
    per_step = (long[1] - short[1]) / (long[0] - short[0])
    return per_step, short[1] - per_step * short[0]


_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """The samples of one name in Prometheus' text format: labels and value."""
    found = (_SAMPLE.match(line) for line in text.splitlines())
    return [
        (dict(_LABEL.findall(m[2] or "")), float(m[3]))
        for m in found
        if m is not None and m[1] == name
    ]


def buckets_of(text: str, name: str, **labels: str) -> dict[float, float]:
    """The buckets of one histogram in Prometheus' text format, summed over all other labels."""
    found: dict[float, float] = {}
    for have, value in samples(text, f"{name}_bucket"):
        if labels.items() <= have.items():
            bound = float(have["le"].replace("+Inf", "inf"))
            found[bound] = found.get(bound, 0.0) + value
    return found


def spread(values: Iterable[float]) -> tuple[float, float]:
    """The smallest and the largest."""
    rows = list(values)
    return min(rows), max(rows)
