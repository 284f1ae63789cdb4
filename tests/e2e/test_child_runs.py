"""The example of child runs as it is, on a real cluster: what docs/child-runs.md promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hack.deploy import LOCAL_PREFIX, ROOT, image_prefix

from support.bench import Bench, Raw, condition, record, verdict

CLI = Path(sys.executable).parent / "kubectl-workflow"
FOLDER = ROOT / "examples" / "child-runs"


@pytest.fixture(scope="module")
def started(shared: Bench) -> dict[str, str]:
    """The example applied from its files, and both runs started: file → the run's name."""
    for file in ("actions.yaml", "workflows.yaml"):
        text = (FOLDER / file).read_text().replace(LOCAL_PREFIX, image_prefix())
        shared.kubectl("apply", "-f", "-", stdin=text)
    create = ("create", "-o", "name", "-f")
    files = ("run.yaml", "run-refused.yaml")
    return {f: shared.kubectl(*create, str(FOLDER / f)).strip().partition("/")[2] for f in files}


def child_of(bench: Bench, run: Raw) -> Raw:
    """The one run that the parent has started; it is owned by it, and named by its step."""
    label = f"workflow.do/run-uid={run['metadata']['uid']}"
    text = bench.kubectl("get", "workflowruns.workflow.do", "-l", label, "-o", "json")
    [child] = json.loads(text)["items"]
    assert record(run, "pay")["runUID"] == child["metadata"]["uid"]
    [owner] = child["metadata"]["ownerReferences"]
    assert owner["uid"] == run["metadata"]["uid"]
    found: Raw = child
    return found


def test_an_order_is_paid_by_a_run_of_its_own(shared: Bench, started: dict[str, str]) -> None:
    run = shared.finish(started["run.yaml"], 90)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert run["status"]["outputs"] == {"parcel": "B-7 pay-A-1001"}
    assert record(run, "pay")["output"] == {"payment": "pay-A-1001"}
    child = child_of(shared, run)
    assert verdict(child) == ("True", "Succeeded")
    assert child["status"]["callPath"] == "pay"
    assert len(shared.jobs(run)) == len(shared.jobs(child)) == 2
    rows = tree(shared, started["run.yaml"])
    words = ("workflow pay", child["metadata"]["name"], "charge-card", "book-payment", "ship-order")
    places = [next(at for at, row in enumerate(rows) if word in row) for word in words]
    assert places == sorted(places), rows


def test_a_payment_that_fails_is_undone_by_itself_and_then_the_order(
    shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started["run-refused.yaml"], 120)
    assert verdict(run) == ("False", "ChildFailed"), run["status"]
    child = child_of(shared, run)
    assert verdict(child) == ("False", "ExitCode")
    assert record(child, "charge")["compensation"]["state"] == "Succeeded"
    assert record(run, "reserve")["compensation"]["state"] == "Succeeded"
    pay = record(run, "pay")
    assert (pay["state"], "compensation" in pay) == ("Failed", False)
    assert {condition(r, "Compensated")["status"] for r in (run, child)} == {"True"}
    undone = child["status"]["completionTime"]
    assert undone <= record(run, "reserve")["compensation"]["startTime"]


def tree(bench: Bench, run: str) -> list[str]:
    """The run as `kubectl workflow get` shows it, by lines."""
    call = [CLI, "get", run, "-n", bench.namespace]
    done = subprocess.run(
        call, env=bench.cluster.env, text=True, capture_output=True, timeout=60, check=True
    )
    return done.stdout.splitlines()
