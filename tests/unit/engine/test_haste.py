"""How soon news of a Job or Pod is looked at: at once what lets its run go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.world import START, World, action, step, workflow
from workflow_do.api.run import RunStatus, StepState, StepStatus
from workflow_do.engine.facts import ContainerFact, JobFact, PodFact, parse_job, parse_pod
from workflow_do.engine.live import Haste, haste_of_job, haste_of_pod

NOW, SOON, LATER = Haste.NOW, Haste.SOON, Haste.LATER
RUNNING = StepStatus(id="a", state=StepState.RUNNING, job_uid="j")
STATUS = RunStatus(steps=(RUNNING,))

MADE = PodFact("p", "u", "j", "Pending", ContainerFact())
BOUND = replace(MADE, bound=True)
PREPARED = replace(BOUND, container=ContainerFact("waiting", reason="ContainerCreating"))
RUNS_ON = replace(BOUND, phase="Running", container=ContainerFact("running"))
ENDED_WELL = replace(RUNS_ON, container=ContainerFact("terminated"))
ENDED_BADLY = replace(RUNS_ON, container=ContainerFact("terminated", exit_code=1))
NO_NODE = replace(MADE, unschedulable="0/3 nodes are available")
NO_IMAGE = replace(BOUND, container=ContainerFact("waiting", reason="ErrImagePull"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, MADE, LATER, id="made"),
        pytest.param(MADE, BOUND, LATER, id="a-node-is-found"),
        pytest.param(BOUND, PREPARED, LATER, id="the-node-has-it"),
        pytest.param(PREPARED, RUNS_ON, LATER, id="runs"),
        pytest.param(MADE, NO_NODE, SOON, id="no-node-is-found"),
        pytest.param(NO_NODE, BOUND, SOON, id="a-node-is-found-after-all"),
        pytest.param(PREPARED, NO_IMAGE, SOON, id="its-image-is-not-there"),
        pytest.param(NO_IMAGE, RUNS_ON, SOON, id="runs-after-all"),
        pytest.param(RUNS_ON, replace(RUNS_ON, deletion=START), SOON, id="is-being-deleted"),
        pytest.param(RUNS_ON, replace(RUNS_ON, disrupted="taint"), SOON, id="is-to-make-way"),
        pytest.param(RUNS_ON, replace(RUNS_ON, orphan=True), SOON, id="is-left-behind"),
        pytest.param(RUNS_ON, ENDED_WELL, NOW, id="its-program-has-ended"),
        pytest.param(None, ENDED_WELL, NOW, id="first-seen-when-it-had-ended"),
        pytest.param(ENDED_WELL, replace(ENDED_WELL, phase="Succeeded"), SOON, id="known-as-well"),
        pytest.param(ENDED_BADLY, replace(ENDED_BADLY, phase="Failed"), NOW, id="why-it-ended"),
        pytest.param(MADE, replace(MADE, phase="Failed"), NOW, id="refused-by-its-node"),
    ],
)
def test_news_of_a_pod(old: PodFact | None, new: PodFact, expected: Haste) -> None:
    assert haste_of_pod(STATUS, old, new) is expected


def test_a_pod_of_a_job_that_is_not_on_record_may_be_a_late_one() -> None:
    """It is to be stopped, and nobody may have told of its Job since it made the Pod."""
    for old, new in ((None, MADE), (MADE, BOUND), (PREPARED, RUNS_ON)):
        assert haste_of_pod(STATUS, old, replace(new, job_uid="of an earlier try")) is SOON
        assert haste_of_pod(None, old, new) is SOON


def job(**changes: Any) -> JobFact:
    return replace(parse_job({"metadata": {"name": "j", "uid": "u"}}), **changes)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, job(), SOON, id="turns-up"),
        pytest.param(job(), job(attended=True), LATER, id="its-controller-has-come-to-it"),
        pytest.param(job(), job(had_pod=True), LATER, id="counts-its-pod"),
        pytest.param(job(), job(finished=True), SOON, id="ended-and-nobody-told-before"),
        pytest.param(job(), job(suspend=True), SOON, id="is-to-stop"),
        pytest.param(job(suspend=True), job(suspend=True, suspended=True), NOW, id="has-stopped"),
        pytest.param(job(), job(deleting=True), NOW, id="is-being-deleted"),
        pytest.param(job(), job(step="another"), SOON, id="somebody-changed-it"),
    ],
)
def test_news_of_a_job(old: JobFact | None, new: JobFact, expected: Haste) -> None:
    assert haste_of_job(STATUS, old, new) is expected


def test_what_follows_the_end_of_a_step_concerns_nobody() -> None:
    """The phase of its Pod and the end of its Job, a second and two after its container's end."""
    world = World(workflow(step("a"), step("b")), action("do-it"))
    world.reconcile()
    ended = parse_pod(world.ends("{}"))
    made = parse_job(world.job("a"))
    phase, finished = replace(ended, phase="Succeeded"), replace(made, finished=True)
    before = world.parsed().status
    assert haste_of_pod(before, ended, phase) is SOON, "the step has not ended on record"
    assert haste_of_job(before, made, finished) is SOON
    world.reconcile()
    assert world.step("a")["state"] == "Succeeded"
    assert haste_of_pod(world.parsed().status, ended, phase) is LATER
    assert haste_of_job(world.parsed().status, made, finished) is LATER


def test_a_reason_that_is_shown_goes_soon() -> None:
    """A Pod that comes after it was said why it does not."""
    world = World(workflow(step("a")), action("do-it"))
    world.reconcile()
    world.job()["status"] = {"startTime": "2026-01-31T08:00:00Z"}
    uid = world.job()["metadata"]["uid"]
    world.events[uid] = ("exceeded quota: pods",)
    world.tick(3)
    world.reconcile()
    assert world.step("a")["reason"] == "QuotaExceeded"
    assert haste_of_pod(world.parsed().status, None, replace(MADE, job_uid=uid)) is SOON
