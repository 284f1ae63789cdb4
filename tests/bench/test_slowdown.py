"""An operator that is made slow on purpose must show in the figures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hack.bench import figures
from hack.bench.figures import Pair
from hack.bench.measure import GAP
from hack.bench.process import Process
from hack.bench.site import Site

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
STEPS = 4
HELD, FREE = 1.5, 0.2


@contextmanager
def held_again_and_again(process: Process) -> Iterator[None]:
    """Stopped most of the time; the probes, and with them the kubelet, still get their answers."""
    over = threading.Event()

    def pulse() -> None:
        while not over.wait(FREE):
            process.hold()
            over.wait(HELD)
            process.go_on()

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)
        process.go_on()


def p50(site: Site, before: str) -> float:
    """The median gap since that look, in seconds."""
    old, new = (figures.buckets_of(text, GAP, part="whole") for text in (before, site.metrics()))
    return figures.quantile_of_buckets(figures.since(old, new), 0.5)


def test_a_slow_operator_shows(site: Site) -> None:
    bare = site.bare("real", 1, STEPS).seconds
    before = site.metrics()
    honest, honest_gap = Pair(bare, site.ours("real", 1, STEPS).seconds), p50(site, before)
    operator = site.operator()
    with held_again_and_again(operator):
        slow = Pair(bare, site.ours("real", 1, STEPS).seconds)
    site.clean()
    assert site.operator() == operator, "it lived through it"
    assert honest.ratio < 1.3
    assert slow.ratio > 1.3 * honest.ratio
    assert 0 < honest_gap < 0.25
