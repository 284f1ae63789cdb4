"""Two operators on a real cluster: the leader is killed or frozen, the chart is upgraded."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
from hack import deploy
from hack.deploy import BUILD_IMAGES, KIND, LOCAL_PREFIX, Cluster, run

from e2e.test_composition import Span, spans
from support import images
from support.bench import Bench, Raw, action, condition, step, verdict, workflow
from support.operator_process import (
    creates_of_jobs,
    leader,
    signal_leader,
    until_another_leads,
)

FAIL_OVER_SECONDS = 8
STEPS = ("one", "two", "three", "four")
WORK = action("work", "time.sleep(given['seconds'])\nout({'n': given.get('n', 0) + 1})")


def chain(seconds: float) -> Raw:
    """A Workflow of four steps, each fed by the one before it."""
    steps = [step("one", "work", seconds=seconds)]
    for before, this in itertools.pairwise(STEPS):
        steps.append(step(this, "work", seconds=seconds, n=f"{{{{ steps.{before}.output.n }}}}"))
    return workflow("chain", *steps)


def live(bench: Bench) -> int:
    """How many runs are not completed."""
    rows = bench.get("workflowruns.workflow.do")["items"]
    return sum(condition(row, "Completed").get("status") != "True" for row in rows)


def begun(bench: Bench, step_id: str) -> int:
    """How many runs have a Job of that step."""
    return len(
        bench.kubectl("get", "jobs", "-l", f"workflow.do/step={step_id}", "-o", "name").split()
    )


def assert_undisturbed(bench: Bench, runs: list[Raw]) -> None:
    """All Succeeded, with the outputs of a chain, and one Job per step was ever made."""
    for found in runs:
        assert verdict(found) == ("True", "Succeeded"), found["status"]
        assert [s["output"] for s in found["status"]["steps"]] == [{"n": n} for n in (1, 2, 3, 4)]
    recorded = sorted(s["jobName"] for found in runs for s in found["status"]["steps"])
    assert sorted(creates_of_jobs(bench.cluster, bench.namespace)) == recorded


@pytest.fixture(autouse=True)
def _whole(cluster: Cluster) -> None:
    """Each test begins with all replicas ready."""
    deployment = ("deployment/workflow-do", "-n", deploy.SYSTEM_NAMESPACE)
    cluster.kubectl("rollout", "status", *deployment, "--timeout=60s")


def test_the_leaders_process_is_killed_in_mid_run(bench: Bench) -> None:
    """Its container starts again in the same Pod, and one of the two goes on."""
    bench.apply(WORK, chain(1))
    name = bench.start("chain")
    bench.until("the first step has begun", lambda: begun(bench, "one"), 20)
    assert signal_leader(bench.cluster, signal.SIGKILL)
    bench.until("the second step has begun", lambda: begun(bench, "two"), 1 + FAIL_OVER_SECONDS)
    assert_undisturbed(bench, [bench.finish(name, 60)])


def test_a_leader_frozen_past_its_lease_and_woken_does_no_harm(bench: Bench) -> None:
    bench.apply(WORK, chain(1))
    runs = [bench.start("chain") for _ in range(3)]
    bench.until("the first steps have begun", lambda: begun(bench, "one") == len(runs), 30)
    old = leader(bench.cluster)
    life = container(bench.cluster, old)["containerID"]
    pids = signal_leader(bench.cluster, signal.SIGSTOP)
    try:
        until_another_leads(bench.cluster, old, FAIL_OVER_SECONDS)
        bench.until("the second steps have begun", lambda: begun(bench, "two") == len(runs), 20)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    end = bench.until("the woken one has ended", lambda: ending(bench.cluster, old, life), 10)
    assert end["exitCode"] == 1, "by itself, and not by the kubelet"
    assert_undisturbed(bench, [bench.finish(name, 60) for name in runs])


def test_a_mutex_is_held_by_one_whoever_leads(bench: Bench) -> None:
    """The Pod of the leader is deleted while one run holds it, the next leader killed later."""
    steps = [step("one", "work", seconds=1), step("two", "work", seconds=1)]
    bench.apply(WORK, workflow("alone", *steps, concurrency={"policy": "Queue", "max": 1}))
    names = [bench.start("alone") for _ in range(4)]
    bench.until("a run has begun", lambda: begun(bench, "one"), 20)
    first = leader(bench.cluster)
    bench.cluster.kubectl("delete", "pod", first, "-n", deploy.SYSTEM_NAMESPACE, "--wait=false")
    bench.until("another run has begun", lambda: begun(bench, "one") > 1, 15 + FAIL_OVER_SECONDS)
    assert signal_leader(bench.cluster, signal.SIGKILL)
    runs = [bench.finish(name, 60) for name in names]
    assert [verdict(found) for found in runs] == [("True", "Succeeded")] * len(runs)
    held = sorted(_held(spans(bench, found).values()) for found in runs)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(held)), held


def _held(rows: Iterable[Span]) -> tuple[datetime, datetime]:
    """From the first Job of a run to the end of its last container."""
    every = [*rows]
    assert len(every) == 2
    return min(s.start for s in every), max(s.end for s in every)


def container(cluster: Cluster, pod: str) -> Raw:
    """The status of the operator's container."""
    text = cluster.kubectl("get", "pod", pod, "-n", deploy.SYSTEM_NAMESPACE, "-o", "json")
    [row] = json.loads(text)["status"]["containerStatuses"]
    found: Raw = row
    return found


def ending(cluster: Cluster, pod: str, life: str) -> Raw | None:
    """How that life of the container (its id) ended; None while it goes on."""
    row = container(cluster, pod)
    ends = (row[key].get("terminated") or {} for key in ("state", "lastState"))
    return next((end for end in ends if end.get("containerID") == life), None)


@pytest.fixture
def next_tag(cluster: Cluster, tmp_path: Path) -> list[str]:
    """Settings of the chart that make new Pods: the same image under a second tag.

    Until there is a version before this one, an upgrade changes nothing but the Pods.
    """
    if cluster.name is None:
        return [f"podAnnotations.again={time.time_ns()}"]
    archive = Path(run(BUILD_IMAGES, "operator", limit=1800).strip())
    again = tmp_path / "again.tar"
    images.rename(archive, f"{LOCAL_PREFIX}/operator:next", again)
    run(KIND, "load", "image-archive", again, "--name", cluster.name, limit=300)
    return ["image.tag=next"]


def test_an_upgrade_and_the_way_back_with_20_live_runs(bench: Bench, next_tag: list[str]) -> None:
    bench.apply(WORK, chain(6))
    names = [bench.start("chain") for _ in range(20)]
    first = leader(bench.cluster)
    try:
        before = live(bench)
        deploy.install_operator(bench.cluster, *next_tag)
        between, second = live(bench), leader(bench.cluster)
    finally:
        deploy.install_operator(bench.cluster)
    after, third = live(bench), leader(bench.cluster)
    print(
        f"live runs: {before} before, {between} upgraded, {after} back; {first}, {second}, {third}"
    )
    assert before == len(names)
    assert between > 0, "they ended before the upgrade: it proves nothing"
    assert len({first, second, third}) == 3
    assert_undisturbed(bench, [bench.finish(name, 120) for name in names])
