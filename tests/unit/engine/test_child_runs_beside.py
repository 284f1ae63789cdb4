"""Beside a step that starts a child run: what does not stand for the child."""

from __future__ import annotations

import copy

from support.calling import call, world
from support.world import step
from workflow_do.engine.timestamps import stamp


def test_a_pod_that_no_job_made_does_not_stand_for_a_child() -> None:
    """It carries the run's label, runs longer than all others, and belongs to nothing."""
    w = world(step("beside", "plain"), {**call(), "needs": ["trigger"]})
    w.runs(w.job("beside"))
    w.tick(60)
    made_up = copy.deepcopy(w.runs(w.job("beside")))
    made_up["metadata"] |= {"name": "x", "uid": "x", "labels": {}, "ownerReferences": []}
    made_up["status"]["startTime"] = stamp(w.now)
    w.pods["x"] = made_up
    w.child("pay").ends('{"id": "r-1"}')
    w.settle()
    assert w.step("pay")["state"] == "Succeeded"
