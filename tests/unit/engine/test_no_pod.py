"""A Job that has no Pod: when it is asked for, what its Events tell, and when it is given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.engine.plan import plan
from workflow_do.engine.timestamps import stamp


def world(**spec: Any) -> World:
    """One running step and no handler."""
    w = World(workflow(step("a")), action("do-it", **spec))
    w.reconcile()
    return w


NO_POD = [
    pytest.param(
        'pods "x" is forbidden: violates PodSecurity', 3, "AdmissionDenied", id="admission"
    ),
    pytest.param('pods "x" is forbidden: exceeded quota: q', 31, "QuotaExceeded", id="quota"),
    pytest.param("something odd", 31, "PodNotCreated", id="other"),
]


@pytest.mark.parametrize(("event", "seconds", "reason"), NO_POD)
def test_a_job_without_a_pod_is_explained_by_its_events(
    event: str, seconds: float, reason: str
) -> None:
    w = world(startDeadlineSeconds=30)
    w.tick(3)
    assert not w.plan().needs_events, "its controller has not come to it yet"
    w.job()["status"] = {"startTime": stamp(w.now)}
    assert w.plan().needs_events == {w.job()["metadata"]["uid"]}
    w.events = {w.job()["metadata"]["uid"]: (event,)}
    w.reconcile()
    assert w.status["steps"][0]["reason"] == reason
    w.tick(seconds - 3)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("NotStarted", reason)
    assert w.job()["spec"]["suspend"] is True


def test_a_deadline_that_is_shorter_than_the_wait_for_a_pod_is_kept() -> None:
    w = world(startDeadlineSeconds=1)
    assert w.plan(live=False).look_at == w.now + timedelta(seconds=1)


def test_a_pod_that_is_late_is_asked_for_once_in_five_seconds() -> None:
    """Each event of a run comes by here, and to ask is dear."""
    w = world(startDeadlineSeconds=30)
    created = w.now
    w.tick(3)
    unsure = w.observe(live=False)
    assert plan(unsure, w.now).needs_live
    too_early = replace(unsure, asked=created + timedelta(seconds=1))
    assert plan(too_early, w.now).needs_live, "nobody could tell then"
    asked = replace(unsure, asked=w.now)
    told = plan(asked, w.now)
    assert not told.needs_live
    assert told.look_at == w.now + timedelta(seconds=5)
    assert plan(asked, w.now + timedelta(seconds=5)).needs_live
    at_the_deadline = replace(unsure, asked=created + timedelta(seconds=29))
    assert plan(at_the_deadline, created + timedelta(seconds=30)).needs_live


def test_what_a_pod_waits_for_is_shown_until_it_is_asked_for_again() -> None:
    w = world(startDeadlineSeconds=300)
    w.tick(3)
    w.job()["status"] = {"startTime": stamp(w.now)}
    w.events = {w.job()["metadata"]["uid"]: ("exceeded quota: q",)}
    w.reconcile()
    assert w.status["steps"][0]["reason"] == "QuotaExceeded"
    w.tick(1)
    told = plan(replace(w.observe(live=False), asked=w.now), w.now)
    assert told.status.steps[0].reason == "QuotaExceeded"


def test_a_job_that_no_controller_comes_to_is_asked_about_at_its_deadline() -> None:
    w = world(startDeadlineSeconds=30)
    w.tick(29)
    planned = w.plan()
    assert not planned.needs_events
    assert planned.look_at == w.now + timedelta(seconds=1)
    w.tick(1)
    uid = w.job()["metadata"]["uid"]
    assert w.plan().needs_events == {uid}
    w.events = {uid: ()}
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("NotStarted", "PodNotCreated")
