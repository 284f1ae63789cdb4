"""Nodes that fall silent or are gone: when it shows, when it is judged, and what is proof."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.world import START, World, action, step, workflow
from unit.engine.test_verdict import DRAINED, RUNS, at, not_found, waiting, world


@pytest.mark.parametrize(
    "last",
    [
        pytest.param({"phase": "Failed"}, id="nothing-heard-of-it"),
        pytest.param(
            {"phase": "Failed", "containerStatuses": waiting("ContainerCreating")}, id="it-waited"
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [{"name": "action", "state": RUNS}]},
            id="it-ran",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "NodeLost", "containerStatuses": waiting("ErrImagePull")},
            id="reason-of-old-versions",
        ),
    ],
)
def test_a_pod_that_was_given_up_with_its_node_may_have_run(last: dict[str, Any]) -> None:
    """As the Pod garbage collector leaves it: what was last heard is no proof of anything."""
    w = world()
    w.pod(conditions=DRAINED, **last)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Unknown", "NodeLost")


def test_a_job_deleted_with_a_pod_that_never_began_is_not_tried_again() -> None:
    w = world()
    pod = w.pod(phase="Failed", containerStatuses=not_found())
    pod["metadata"] |= {"deletionTimestamp": at(40), "deletionGracePeriodSeconds": 30}
    w.jobs.clear()
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("NotStarted", "JobLost")


def test_a_silent_node_is_given_up_when_the_kubelet_surely_has_ended_it() -> None:
    w = world(activeDeadlineSeconds=60)
    w.runs()["spec"]["activeDeadlineSeconds"] = 60
    w.tick(60 + 30 + 29)
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"
    w.tick(1)
    w.reconcile()
    assert w.status["steps"][0]["reason"] == "NodeLost"


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"containerStatuses": [{"name": "action", "state": RUNS}]}, id="it-runs"),
        pytest.param({"containerStatuses": waiting("ErrImagePull")}, id="it-waits"),
        pytest.param({}, id="never-heard-of"),
    ],
)
def test_a_node_that_does_not_end_a_deleted_pod_shows_as_lost_after_60_seconds(
    row: dict[str, Any],
) -> None:
    w = world()
    pod = w.pod(**row)
    pod["metadata"] |= {"deletionTimestamp": at(30), "deletionGracePeriodSeconds": 30}
    before = w.reconcile()
    assert before.look_at == START + timedelta(seconds=90), "it is looked at when it shows"
    w.tick(90)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Running", "NodeLost")


def test_a_stopped_pod_is_not_judged_before_its_node_can_have_heard() -> None:
    w = world()
    pod = w.runs()
    pod["spec"]["activeDeadlineSeconds"] = 1
    w.tick(120)
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"


def test_among_steps_that_simply_run_on_the_one_on_a_silent_node_is_found() -> None:
    steps = [{**step(f"s{n}"), "needs": ["trigger"]} for n in range(3)]
    w = World(workflow(*steps), action("do-it", activeDeadlineSeconds=600))
    w.reconcile()
    for n in range(3):
        w.pod(w.job(f"s{n}"), containerStatuses=[{"name": "action", "state": RUNS}])
    w.reconcile()
    w.pod(w.job("s1"))["metadata"] |= {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0}
    w.tick(120)
    w.reconcile()
    reasons = [w.step(f"s{n}").get("reason") for n in range(3)]
    assert reasons == [None, "NodeLost", None]
