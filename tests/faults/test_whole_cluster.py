"""R6 on a whole cluster: etcd and the API server are held for a minute while real Pods run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack import deploy
from hack.deploy import SYSTEM_NAMESPACE, Cluster

from component.server import COLD_BUILD_SECONDS, tool
from support.bench import Bench, action, step, verdict, workflow
from support.operator_process import creates_of_jobs

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.e2e, pytest.mark.timeout(600)]
CLUSTER = f"wdo-faults-e2e-{os.getpid()}"
COMPONENTS = ("etcd", "apiserver")
AWAY = 60
BACK = 30


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A cluster of its own with the operator, and a namespace on it."""
    kubeconfig = tmp_path / "kubeconfig"
    deploy.build_images("operator", "onboarding")
    create = ("create", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)
    try:
        tool(*create, seconds=COLD_BUILD_SECONDS)
        cluster = Cluster(kubeconfig, CLUSTER)
        cluster.load("operator:dev", "onboarding:dev")
        deploy.install_operator(cluster)
        deploy.ensure_namespace(cluster, "held")
        yield Bench(cluster, "held")
    finally:
        tool("delete", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)


@pytest.mark.timeout(COLD_BUILD_SECONDS + 600)
def test_r6_the_control_plane_of_a_whole_cluster_is_away(bench: Bench) -> None:
    """A step ends while nobody can be told of it."""
    steps = [step("one", "work", seconds=20), step("two", "work", seconds=0)]
    bench.apply(action("work", "time.sleep(given['seconds'])\nout({})"), workflow("chain", *steps))
    runs = [bench.start("chain") for _ in range(3)]
    bench.until("every first step runs", lambda: _pods(bench) == {"Running": len(runs)}, 30)
    before = _restarts(bench)
    for component in COMPONENTS:
        tool("pause", CLUSTER, component)
    try:
        time.sleep(AWAY)
    finally:
        for component in COMPONENTS:
            tool("resume", CLUSTER, component)
    back = time.monotonic()
    ended = [bench.finish(run, BACK) for run in runs]
    print(f"R6 whole cluster: all runs ended {time.monotonic() - back:.1f} s after")
    assert [verdict(run) for run in ended] == [("True", "Succeeded")] * len(runs)
    recorded = sorted(s["jobName"] for run in ended for s in run["status"]["steps"])
    assert sorted(creates_of_jobs(bench.cluster, bench.namespace)) == recorded
    more = {pod: count - before.get(pod, 0) for pod, count in _restarts(bench).items()}
    assert all(count <= 1 for count in more.values()), f"a crash loop: {more}"


def _pods(bench: Bench) -> dict[str, int]:
    """How many Pods there are in each phase."""
    found: dict[str, int] = {}
    for pod in bench.get("pods")["items"]:
        phase = pod["status"]["phase"]
        found[phase] = found.get(phase, 0) + 1
    return found


def _restarts(bench: Bench) -> dict[str, int]:
    """How often the container of each operator Pod was started again."""
    where = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/name=workflow-do")
    pods = json.loads(bench.cluster.kubectl("get", "pods", *where, "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: sum(
            c["restartCount"] for c in pod["status"].get("containerStatuses", ())
        )
        for pod in pods
    }
