"""Ends that the program may not have chosen: evictions, Pods left behind, Jobs that had a Pod."""

from __future__ import annotations

from typing import Any

import pytest

from unit.engine.test_verdict import at, ended, waiting, world
from workflow_do.engine.effects import ExpirePod
from workflow_do.engine.retry import FREE


def drained(since: float) -> list[dict[str, Any]]:
    """The condition of a Pod that is to make way."""
    row = {"type": "DisruptionTarget", "status": "True", "message": "drained"}
    return [{**row, "lastTransitionTime": at(since)}]


def verdict(w: Any) -> tuple[str, str | None]:
    record = w.status["steps"][0]
    return record["state"], record.get("reason")


@pytest.mark.parametrize("code", [1, 137, 143])
def test_a_bad_end_waits_for_the_phase_that_tells_of_an_eviction(code: int) -> None:
    w = world()
    w.pod(phase="Running", containerStatuses=ended(code, "Error"))
    w.tick(10)
    assert w.reconcile().look_at is not None
    assert verdict(w) == ("Running", None)
    w.pod(phase="Failed", reason="Evicted", message="low on memory", conditions=drained(11))
    w.tick(1)
    w.reconcile()
    assert verdict(w) == ("Unknown", "Evicted")


def test_a_drain_after_the_end_does_not_tell_what_the_end_was() -> None:
    """A kubelet ended it, and reports the phase a moment later; meanwhile the node is drained."""
    w = world()
    w.pod(phase="Running", containerStatuses=ended(137, "Error"), conditions=drained(15))
    w.tick(15)
    w.reconcile()
    assert verdict(w) == ("Running", None)
    w.pod(phase="Failed", reason="Evicted", message="low on memory")
    w.reconcile()
    assert verdict(w) == ("Unknown", "Evicted")


def test_without_a_phase_a_bad_end_is_judged_after_ten_seconds() -> None:
    w = world()
    w.pod(phase="Running", containerStatuses=ended(3, "Error"))
    w.tick(19)
    planned = w.reconcile()
    assert verdict(w) == ("Running", None)
    assert planned.look_at is not None
    w.now = planned.look_at
    assert w.plan(live=False).needs_live, "a watch may be late"
    w.reconcile()
    assert verdict(w) == ("Failed", "ExitCode")


def test_a_good_end_waits_for_nothing() -> None:
    w = world()
    w.pod(phase="Running", containerStatuses=ended())
    w.tick(10)
    w.reconcile()
    assert verdict(w) == ("Succeeded", None)


@pytest.mark.parametrize("reason", ["Evicted", "Terminated", "Preempting"])
def test_a_kubelet_that_evicts_says_so_in_the_reason_too(reason: str) -> None:
    w = world()
    w.pod(phase="Failed", reason=reason, containerStatuses=ended(137, "Error"))
    w.tick(10)
    w.reconcile()
    assert verdict(w) == ("Unknown", "Evicted")


DRAINS = [
    pytest.param(13, 0, ("Succeeded", None), id="success-before-the-drain"),
    pytest.param(13, 4, ("Failed", "ExitCode"), id="failure-before-the-drain"),
    pytest.param(12, 0, ("Unknown", "Evicted"), id="too-near-to-tell"),
    pytest.param(9, 143, ("Unknown", "Evicted"), id="ended-by-the-drain"),
]


@pytest.mark.parametrize(("since", "code", "expected"), DRAINS)
def test_an_eviction_after_the_end_changes_nothing(
    since: float, code: int, expected: tuple[str, str | None]
) -> None:
    """The operator was away; meanwhile the program ended, and then its node was drained."""
    w = world()
    w.pod(phase="Failed", containerStatuses=ended(code, "Error"), conditions=drained(since))
    w.tick(60)
    w.reconcile()
    assert verdict(w) == expected


def orphaned(w: Any, **pod: Any) -> Any:
    """The Job was deleted with --cascade=orphan: its Pod names no owner any more."""
    left = w.pod(**pod)
    left["metadata"].pop("ownerReferences")
    w.jobs.clear()
    return left


@pytest.mark.parametrize("code", [0, 3])
def test_a_pod_left_behind_by_its_job_is_awaited(code: int) -> None:
    w = world(retrySafety="Idempotent", retry={"maxAttempts": 2})
    w.runs()
    left = orphaned(w, phase="Running")
    w.tick(9)
    w.reconcile()
    assert verdict(w) == ("Running", None), "no next try while its program may run"
    left["status"] |= {"phase": "Failed", "containerStatuses": ended(code)}
    w.reconcile()
    assert verdict(w) == ("Retrying", "JobLost"), "nobody vouches for what it says"


def test_a_pod_left_behind_that_has_not_begun_is_stopped() -> None:
    w = world()
    pod = orphaned(w, containerStatuses=waiting("ContainerCreating"))
    w.write(w.plan())
    assert w.plan().effects == (ExpirePod(pod["metadata"]["name"]),)


def test_a_pod_left_behind_on_no_node_is_given_up_once_it_could_not_run_for_long() -> None:
    w = world()
    pod = orphaned(w, bound=False)
    w.reconcile()
    assert pod["spec"]["activeDeadlineSeconds"] == 1
    assert verdict(w) == ("Unknown", "JobLost")


def test_a_stray_pod_does_not_count_while_the_job_is_there() -> None:
    w = world()
    w.runs()
    forged = {**w.pod(), "metadata": {**w.pod()["metadata"], "name": "forged", "uid": "forged"}}
    forged["metadata"].pop("ownerReferences")
    forged["status"] = {"phase": "Succeeded", "containerStatuses": ended(message='{"paid": 1}')}
    w.pods["forged"] = forged
    w.pods = dict(sorted(w.pods.items(), reverse=True))
    w.tick(20)
    w.reconcile()
    assert verdict(w) == ("Running", None)


@pytest.mark.parametrize("count", ["active", "failed", "succeeded", "terminating"])
def test_a_job_that_counts_a_pod_had_one_whatever_became_of_its_events(count: str) -> None:
    w = world(startDeadlineSeconds=30)
    uid = w.job()["metadata"]["uid"]
    w.events = {uid: ("something odd",)}
    w.tick(31)
    w.write(w.plan())
    (effect,) = w.plan().effects
    w.do(effect)
    w.job()["status"][count] = 1
    w.reconcile()
    assert verdict(w) == ("Unknown", "PodNotCreated")


def test_what_is_lost_is_not_free_of_charge() -> None:
    assert "JobLost" not in FREE
