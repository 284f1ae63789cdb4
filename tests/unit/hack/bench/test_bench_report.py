"""The pages that are made of a measurement: tables, curves, and where they go."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hack.bench import report, summary
from hack.bench.drawing import ticks
from hack.bench.measure import Record, Sample
from hack.bench.process import CONTROL_PLANE

DOCS = Path(__file__).resolve().parents[4] / "docs"


def sample(way: str, runs: int, steps: int, seconds: float) -> Sample:
    times = {"seconds": seconds, "run_p50_seconds": seconds, "run_p95_seconds": seconds}
    more: dict[str, object] = {
        "cpu_ms_per_step": 6.0,
        "client_cpu_ms_per_step": 2.0,
        "rss_mb": 90.0,
        "writes": 30,
        "events": 2,
    }
    plane = dict.fromkeys(CONTROL_PLANE, 10.0 if way == "bare" else 15.0)
    more |= {"gaps": [], "buckets": {}, "control_plane": plane}
    return Sample("simulated", way, runs, steps, **times, **more)  # type: ignore[arg-type]


@pytest.fixture
def record() -> Record:
    about = dict.fromkeys(("date", "commit", "machine", "kubernetes", "python"), "x")
    record = Record(about=about)
    for way, factor in (("bare", 1.0), ("runs", 2.0)):
        for seconds in (20.0, 30.0, 22.0):
            record.add("simulated", sample(way, 100, 10, seconds * factor))
        record.add("curve", sample(way, 10, 10, factor), sample(way, 1000, 1, 20 * factor))
    record.add("lengths", sample("runs", 1, 500, 50.0))
    return record


def test_the_pairs_give_a_point_of_the_curve(record: Record) -> None:
    rows = report.curves(record).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["10 × 10", "100 × 10", "1,000 × 1"]
    assert "| 45.5 | 22.7 |" in rows[1], "the middle one of the three"


def test_a_part_that_was_not_measured_this_time_keeps_its_figures(record: Record) -> None:
    older, about = record, {**record.about, "date": "2026-01-31", "commit": "abc"}
    older.measured = dict.fromkeys(("simulated", "curve", "lengths", "live", "chain"), about)
    older.memory = {"live": 150.0, "idle": 70.0}
    older.add("long chain", sample("runs", 1, 30, 31.0))
    new = Record(memory={"idle": 80.0}, plans={"x": 1.0}, about=record.about)
    new.measured = dict.fromkeys(("idle", "plan", "lengths"), record.about)
    new.add("lengths", sample("runs", 1, 500, 40.0))
    both = Record.parse(new.or_else(older).raw())
    assert [s.seconds for s in both.samples["lengths"]] == [40.0]
    assert both.samples.keys() == {"simulated", "curve", "lengths", "long chain"}
    assert both.memory == {"live": 150.0, "idle": 80.0}
    assert both.plans == {"x": 1.0}
    said = report.where(both)
    assert "Measured on 2026-01-31 at commit `abc`: chain, curve, live, simulated." in said


def test_where_the_cpu_goes_is_told_by_process(record: Record) -> None:
    rows = report.processes(record).splitlines()[2:]
    assert rows[0] == "| kube-apiserver | 10.0 ms | 15.0 ms |"
    assert rows[-2:] == [
        "| what chains the Jobs | 2.0 ms | 6.0 ms |",
        "| together | 52.0 ms | 81.0 ms |",
    ]
    assert len(report.processes(Record()).splitlines()) == 2, "where nothing was measured"


def test_the_picture_is_well_formed_and_has_every_line(record: Record) -> None:
    picture = ET.fromstring(report.picture(record))
    texts = ["".join(node.itertext()) for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("bare Jobs") == 2
    assert texts.count("workflow-do") == 6
    assert "1,000" in texts


def test_nothing_measured_is_told_as_such() -> None:
    assert report.table(Record()).count("not measured") == len(summary.FIGURES)


@pytest.mark.parametrize("page", ["performance.md", "sizing.md"])
def test_the_pages_have_their_places(page: str, record: Record) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    names = {
        "performance.md": ("where", "figures", "plans", "pairs", "processes"),
        "sizing.md": ("where", "curves", "lengths"),
    }[page]
    filled = report.fill(text, dict.fromkeys(names, "NEW"))
    assert filled.count("NEW\n<!-- /") == len(names)
    assert report.fill(filled, dict.fromkeys(names, "NEW")) == filled


def test_a_page_without_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="figures"):
        report.fill("nothing here", {"figures": "x"})


@pytest.mark.parametrize(
    ("most", "expected"),
    [(0, [0, 1]), (1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (48, [0, 10, 20, 30, 40, 50]), (95, None)],
    ids=["nothing", "one", "48", "95"],
)
def test_ticks_are_round_and_reach_the_top(most: float, expected: list[float] | None) -> None:
    found = ticks(most)
    assert found[-1] >= most
    assert 2 <= len(found) <= 8
    assert expected is None or found == pytest.approx(expected)
