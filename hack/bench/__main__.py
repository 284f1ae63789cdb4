"""`make bench`: what the operator adds to bare Jobs. The last line is one JSON object.

    --quick        three minutes: few and small measurements, for working on the operator
    --parts a,b    only these: idle, plan, chain, burst, simulated, live, curve, lengths
    --keep         leave the cluster, for the next time
    --out FILE     where all that was measured goes (build/bench.json), also when it is stopped

Exit codes: 0 measured (whatever the figures), 1 could not measure, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hack import deploy
from hack.bench import summary
from hack.bench.measure import FULL, PARTS, QUICK, Measurer, Record
from hack.bench.site import Site, bring_up, simulated_nodes
from hack.deploy import KIND, Failed

NAME = os.environ.get("BENCH_CLUSTER", "workflow-do-bench")
BUILD = deploy.ROOT / "build"
_BEGAN = time.monotonic()


def tell(what: str) -> None:
    """One line of progress on standard error, with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    options = _options()
    kubeconfig = BUILD / "bench.kubeconfig"
    record, fault = Record(), None  # what was measured is kept, also where a later part fails
    try:
        site = bring_up(NAME, kubeconfig, tell)
        record.about = _about(site)
        nodes = partial(simulated_nodes, site.cluster, BUILD / "kwok.log")
        size = QUICK if options.quick else FULL
        Measurer(site, size, tell, nodes, record).run(frozenset(options.parts))
    except Failed as failure:
        fault = failure
    except KeyboardInterrupt:
        fault = Failed("stopped")
    finally:
        if not options.keep:
            deploy.run(KIND, "delete", "cluster", "--name", NAME, "--kubeconfig", kubeconfig)
    if record.samples or record.memory:
        _hand_over(record, options.out)
    if fault is not None:
        print(f"bench: {fault}", file=sys.stderr)
    return 0 if fault is None else 1


def _hand_over(record: Record, out: Path) -> None:
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(record.raw(), indent=1) + "\n", encoding="utf-8")
    tell(f"written to {out}")
    print(json.dumps(summary.summarise(record)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--out", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--parts", type=_parts, default=list(PARTS))
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return names


def _about(site: Site) -> dict[str, str]:
    """Where and when; what a reader needs to compare."""
    version = json.loads(site.cluster.kubectl("version", "-o", "json"))["serverVersion"]
    cpu = _line_of(Path("/proc/cpuinfo"), "model name")
    memory = int(_line_of(Path("/proc/meminfo"), "MemTotal").split()[0]) / 2**20
    commit = deploy.run("git", "-C", deploy.ROOT, "rev-parse", "--short", "HEAD").strip()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "machine": f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, {platform.system()}",
        "kubernetes": version["gitVersion"],
        "python": platform.python_version(),
    }


def _line_of(path: Path, key: str) -> str:
    rows = path.read_text(encoding="utf-8").splitlines()
    return next((r.partition(":")[2].strip() for r in rows if r.startswith(key)), "unknown")


if __name__ == "__main__":
    sys.exit(main())
