"""`make performance`: the figures and curves of the documentation, from what was measured.

Reads build/bench.json (or the file that is named), and writes docs/performance.md and
docs/sizing.md between their marks, docs/images/sizing.svg, and keeps the measurement beside it
as docs/images/sizing.json. A part that was not measured this time is taken from there, and the
pages say from when it is. Decides how figures are shown, none of their values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from hack import deploy
from hack.bench import figures, summary
from hack.bench.drawing import Chart, Line, draw
from hack.bench.measure import Record, Sample
from hack.bench.process import CONTROL_PLANE

DOCS = deploy.ROOT / "docs"
MEASURED = deploy.ROOT / "build" / "bench.json"
NAMES = {"bare": "bare Jobs", "runs": "workflow-do"}


def main(words: Sequence[str]) -> int:
    """Exit codes: 0 written, 1 nothing was measured, or a page has lost its marks."""
    path = Path(words[0]) if words else MEASURED
    if not path.exists():
        print(f"report: there is no {path}: run `make bench` first", file=sys.stderr)
        return 1
    record = _read(path)
    kept = DOCS / "images" / "sizing.json"
    record = record.or_else(_read(kept)) if kept.exists() else record
    blocks = {
        "performance.md": {
            "figures": table(record),
            "pairs": pairs(record),
            "plans": plans(record),
            "processes": processes(record),
            "where": where(record),
        },
        "sizing.md": {"curves": curves(record), "lengths": lengths(record), "where": where(record)},
    }
    images = DOCS / "images"
    images.mkdir(exist_ok=True)
    try:
        for page, texts in blocks.items():
            place = DOCS / page
            place.write_text(fill(place.read_text(encoding="utf-8"), texts), encoding="utf-8")
    except ValueError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    (images / "sizing.svg").write_text(picture(record), encoding="utf-8")
    kept.write_text(json.dumps(record.raw(), separators=(",", ":")) + "\n", encoding="utf-8")
    return 0


def _read(path: Path) -> Record:
    return Record.parse(json.loads(path.read_text(encoding="utf-8")))


def fill(page: str, texts: dict[str, str]) -> str:
    """The page with each text between `<!-- name -->` and `<!-- /name -->`.

    Raises ValueError for a page without such marks.
    """
    for name, text in texts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"a page needs one {begin.strip()} and one {end} after it")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}"
    return page


def table(record: Record) -> str:
    """Each figure with its limit and its goal."""
    found = summary.summarise(record)
    rows = ["| figure | measured | limit | goal | |", "| --- | ---: | ---: | ---: | --- |"]
    for figure in summary.FIGURES:
        value = found[figure.key]
        sign = "≥" if figure.least else "≤"
        verdict = "" if value is None else "kept" if figure.holds(value) else "**not kept**"
        shown = "not measured" if value is None else f"{value:.3g} {figure.unit}".strip()
        bounds = f"{sign} {figure.limit:g} | {sign} {figure.goal:g}"
        rows.append(f"| {figure.what} (`{figure.key}`) | {shown} | {bounds} | {verdict} |")
    return "\n".join(rows)


def pairs(record: Record) -> str:
    """The raw pairs, so that everybody sees how much they scatter."""
    cpu = "CPU a step: client of the bare Jobs | CPU a step: operator"
    rows = [f"| | bare Jobs | workflow-do | ratio: median (least to most) | {cpu} |"]
    rows.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for part in ("chain", "burst", "simulated"):
        both = record.pairs(part)
        if not both:
            continue
        size = record.of(part, "bare")[0]
        name = f"{part}: {size.runs:,} run{'s' * (size.runs > 1)} × {size.steps} steps"
        low, high = figures.spread(pair.ratio for pair in both)
        seconds = [
            sorted(getattr(p, way) for p in both)[len(both) // 2] for way in ("bare", "ours")
        ]
        ratio = f"{figures.median_ratio(both):.3f} ({low:.3f} to {high:.3f})"
        bare = median(s.client_cpu_ms_per_step for s in record.of(part, "bare"))
        ours = median(s.cpu_ms_per_step for s in record.of(part, "runs"))
        times = f"{seconds[0]:.2f} s | {seconds[1]:.2f} s"
        rows.append(f"| {name} | {times} | {ratio} | {bare:.1f} ms | {ours:.1f} ms |")
    return "\n".join(rows)


def plans(record: Record) -> str:
    """How long one decision takes, by the shape of the run."""
    rows = ["| a run of 500 steps | one decision |", "| --- | ---: |"]
    rows += [f"| {shape} | {spent:.1f} ms |" for shape, spent in record.plans.items()]
    return "\n".join(rows)


def processes(record: Record) -> str:
    """What a step on simulated nodes takes of the CPU, by process and way."""
    both = {way: record.of("simulated", way) for way in NAMES}
    rows = ["| CPU a step | " + " | ".join(NAMES.values()) + " |", "| --- | ---: | ---: |"]
    if not all(both.values()):
        return "\n".join(rows)
    spent = {way: _spent(samples) for way, samples in both.items()}
    for name in spent["bare"]:
        cells = " | ".join(f"{spent[way][name]:.1f} ms" for way in NAMES)
        rows.append(f"| {name} | {cells} |")
    sums = " | ".join(f"{sum(spent[way].values()):.1f} ms" for way in NAMES)
    return "\n".join([*rows, f"| together | {sums} |"])


def _spent(samples: Sequence[Sample]) -> dict[str, float]:
    """Medians in milliseconds; what chains the Jobs comes last."""
    parts = {name: median(s.control_plane[name] for s in samples) for name in CONTROL_PLANE}
    ours = samples[0].way == "runs"
    chains = [s.cpu_ms_per_step if ours else s.client_cpu_ms_per_step for s in samples]
    return {**parts, "what chains the Jobs": median(chains)}


def where(record: Record) -> str:
    """One sentence on the machine and the day."""
    about, others = record.about, dict[str, list[str]]()
    for part, then in sorted(record.measured.items()):
        when = f"on {then['date']} at commit `{then['commit']}`"
        if then != about:
            others.setdefault(when, []).append(part)
    more = "".join(f" Measured {when}: {', '.join(parts)}." for when, parts in others.items())
    return (
        f"Measured on {about['date']} at commit `{about['commit']}` on {about['machine']}, "
        f"Kubernetes {about['kubernetes']}: API server, etcd, kubelet, simulated nodes and the "
        f"operator share these cores.{more}"
    )


def curves(record: Record) -> str:
    """Both ways by the number of concurrent runs."""
    rows = [
        "| runs at once × steps | steps/s, bare | steps/s | a run, median | CPU a step | memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for bare, ours in zip(_curve(record, "bare"), _curve(record, "runs"), strict=True):
        rows.append(
            f"| {ours.runs:,} × {ours.steps} | {bare.steps_per_second:.1f} "
            f"| {ours.steps_per_second:.1f} | {ours.run_p50_seconds:.1f} s "
            f"| {ours.cpu_ms_per_step:.1f} ms | {ours.rss_mb:.0f} MiB |"
        )
    return "\n".join(rows)


def lengths(record: Record) -> str:
    """By the number of steps a run."""
    rows = [
        "| steps a run | runs | steps/s | CPU a step | writes a step | memory |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for s in record.of("lengths", "runs"):
        rows.append(
            f"| {s.steps} | {s.runs} | {s.steps_per_second:.1f} | {s.cpu_ms_per_step:.1f} ms "
            f"| {s.writes / s.runs / s.steps:.2f} | {s.rss_mb:.0f} MiB |"
        )
    return "\n".join(rows)


def picture(record: Record) -> str:
    """The curves: throughput, latency, CPU and memory by concurrent runs; CPU by steps a run."""
    by_runs = "concurrent runs"
    ours = _curve(record, "runs")
    charts = [
        Chart("Steps per second", by_runs, _both(record, "steps_per_second")),
        Chart("Seconds for a step of a run, median", by_runs, _latency(record)),
        Chart("CPU of the operator, ms a step", by_runs, [_line(ours, "cpu_ms_per_step")]),
        Chart("Memory of the operator, MiB", by_runs, [_line(ours, "rss_mb")]),
    ]
    long = record.of("lengths", "runs")
    points = [(s.steps, s.cpu_ms_per_step) for s in long]
    rates = [(s.steps, s.steps_per_second) for s in long]
    steps = "steps a run"
    charts.append(Chart("CPU of the operator, ms a step", steps, [Line(NAMES["runs"], points)]))
    charts.append(Chart("Steps per second", steps, [Line(NAMES["runs"], rates)]))
    return draw([chart for chart in charts if any(line.points for line in chart.lines)])


def _both(record: Record, field: str) -> list[Line]:
    return [_line(_curve(record, way), field) for way in NAMES]


def _curve(record: Record, way: str) -> list[Sample]:
    """By ascending runs; the pairs on simulated nodes give one point of it, their middle one."""
    pairs_ = sorted(record.of("simulated", way), key=lambda s: s.seconds)
    middle = pairs_[len(pairs_) // 2 :][:1] if record.of("curve", way) else []
    return sorted([*record.of("curve", way), *middle], key=lambda s: s.runs)


def _line(samples: Sequence[Sample], field: str) -> Line:
    rows = sorted(samples, key=lambda s: s.runs)
    assert all(a.runs < b.runs for a, b in pairwise(rows)), "one sample for each number of runs"
    name = NAMES[rows[0].way] if rows else ""
    return Line(name, [(s.runs, getattr(s, field)) for s in rows])


def _latency(record: Record) -> list[Line]:
    return [
        Line(name, [(s.runs, s.run_p50_seconds / s.steps) for s in _curve(record, way)])
        for way, name in NAMES.items()
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
