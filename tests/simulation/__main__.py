"""`python -m simulation`: a campaign from the command line; exit code 1 if a promise was broken."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import workflow_do
from simulation import families
from simulation.campaign import MUST_HAPPEN, Report, campaign_in


def main() -> int:
    """Run, tell, judge."""
    asked = _arguments()
    began = time.monotonic()
    if asked.families:
        report = families.campaign(asked.runs, asked.seed)
    else:
        report = campaign_in(asked.processes, asked.runs, asked.seed, shrink=not asked.json)
    if asked.json:
        package = str(Path(workflow_do.__file__).parent)
        found = {"promise": report.promise, "runs": report.runs, "failure": report.failure}
        print(json.dumps({**found, "package": package}))
        return int(bool(report.promise))
    return _tell(report, asked, time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="another seed, other runs")
    parser.add_argument("--families", action="store_true", help="parents and children, no Jobs")
    parser.add_argument("--json", action="store_true", help="for tests: one line, no shrinking")
    return parser.parse_args()


def _tell(report: Report, asked: argparse.Namespace, seconds: float) -> int:
    must_happen = families.MUST_HAPPEN if asked.families else MUST_HAPPEN
    troubles = sum(report.seen[what] for what in must_happen)
    print(
        f"simulation: {report.runs:,} runs in {seconds:.1f} s on {asked.processes} processes "
        f"(seed {asked.seed}): {report.jobs:,} Jobs, {sum(report.seen.values()):,} moves, "
        f"{troubles:,} of them trouble"
    )
    print("  ended as " + ", ".join(f"{k} {n}" for k, n in report.verdicts.most_common()))
    if report.promise:
        print(f"\nBROKEN: {report.failure}", file=sys.stderr)
        return 1
    enough = asked.runs >= (200 if asked.families else 1000)
    missing = sorted(must_happen - report.seen.keys()) if enough else []
    if missing:
        print(f"\nthe adversary never tried: {', '.join(missing)}", file=sys.stderr)
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
