"""A real node is drained while programs run on it: evicted, and tried again by the rules.

The node is cordoned meanwhile, so whatever was on it waits until it is uncordoned; with a single
node that is everything, the operator included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hack import deploy

from support.bench import Bench, Raw, action, record, step, verdict, workflow
from support.operator_process import creates_of_jobs

TWICE = "time.sleep(600 if os.environ['WORKFLOW_ATTEMPT'] == '1' else 0)\nout({})"
RETRY = {"maxAttempts": 2, "initialDelaySeconds": 1}
OPERATOR = ("deployment/workflow-do", "-n", deploy.SYSTEM_NAMESPACE)


@pytest.fixture
def node(bench: Bench) -> Iterator[str]:
    """The only node; uncordoned at the end, with the operator back on it."""
    if bench.cluster.name is None:
        pytest.skip("nodes are drained on a cluster of our own only")
    (row,) = json.loads(bench.cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    name = row["metadata"]["name"]
    yield name
    bench.cluster.kubectl("uncordon", name)
    bench.cluster.kubectl("rollout", "status", *OPERATOR, "--timeout=90s", limit=100)


def begin(bench: Bench, *actions: Raw) -> list[str]:
    """A run for each Action; returns when the container of each is as far as it comes."""
    bench.apply(*actions)
    names = [act["metadata"]["name"] for act in actions]
    for name in names:
        bench.apply(workflow(name, step("it", name)))
        bench.start(name, name=name)

    def settled() -> bool:
        pods = bench.get("pods")["items"]
        rows = [row for pod in pods for row in pod["status"].get("containerStatuses", ())]
        reasons = [row["state"].get("waiting", {}).get("reason", "") for row in rows]
        return len(rows) == len(names) and "ContainerCreating" not in reasons

    bench.until("every Pod has been taken up by its node", settled, 60)
    return names


def drain(bench: Bench, node: str, *which: str) -> None:
    """`kubectl drain`, to its end."""
    flags = ("--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    bench.cluster.kubectl("drain", node, *flags, *which, limit=90)


def ended(bench: Bench, name: str) -> tuple[str, str | None, int, int]:
    """State, reason, tries and attempts of the step, once the run is completed."""
    it = record(bench.finish(name, 90), "it")
    return it["state"], it.get("reason"), it["tries"], it["attempts"]


def test_programs_on_a_node_that_is_drained_are_evicted(bench: Bench, node: str) -> None:
    """The operator stays. One program must not run twice, one may, one has never begun."""
    never = action("never", image="localhost/workflow-do/none:1", imagePullPolicy="Never")
    never["spec"] |= {"startDeadlineSeconds": 60}
    begin(
        bench,
        action("once", TWICE, retry=RETRY),
        action("again", TWICE, retry=RETRY, retrySafety="Idempotent"),
        never,
    )
    drain(bench, node, "--pod-selector=workflow.do/run-uid")
    assert ended(bench, "once") == ("Unknown", "Evicted", 1, 1)
    bench.until("the free try", lambda: record(bench.run("never"), "it")["tries"] == 2, 20)
    assert record(bench.run("never"), "it")["attempts"] == 0
    bench.cluster.kubectl("uncordon", node)
    assert ended(bench, "again") == ("Succeeded", None, 2, 2)


def test_a_drain_that_takes_the_operator_too_loses_nothing(bench: Bench, node: str) -> None:
    """Who wakes up later finds that a program was stopped, and not always why."""
    names = begin(
        bench,
        action("once", TWICE, retry=RETRY),
        action("again", TWICE, retry=RETRY, retrySafety="Idempotent"),
    )
    drain(bench, node)
    bench.cluster.kubectl("uncordon", node)
    bench.cluster.kubectl("rollout", "status", *OPERATOR, "--timeout=90s", limit=100)
    state, reason, *tries = ended(bench, "once")
    assert (state, tries) == ("Unknown", [1, 1])
    assert reason in ("Evicted", "JobLost")
    assert verdict(bench.run("once")) == ("False", reason)
    assert ended(bench, "again") == ("Succeeded", None, 2, 2)
    made = creates_of_jobs(bench.cluster, bench.namespace)
    assert sorted(made) == sorted(set(made))
    assert len(made) == len(names) + 1
