"""When a decision stands: written down, it need not be made again before there is news."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.api.reasons import Reason
from workflow_do.engine.answers import Guard
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Refusal
from workflow_do.engine.plan import plan


def decide(w: World, **more: Any) -> Plan:
    """By what watches tell, and what is given."""
    seen = replace(w.observe(live=False), guard=None, logs={})
    return plan(replace(seen, **more), w.now)


def running(**spec: Any) -> World:
    """A run of which a program has begun, and this is not on record."""
    w = World(workflow(step("a"), **spec), action("do-it"))
    w.reconcile()
    w.runs()
    return w


def test_what_only_goes_on_stands() -> None:
    w = running()
    first = decide(w)
    assert first.stands
    w.write(first)
    assert decide(w) == first


def test_what_sets_something_free_does_not() -> None:
    w = running()
    w.ends()
    planned = decide(w)
    assert planned.needs_live, "the run is to end"
    assert not planned.stands


@pytest.mark.parametrize(
    "asked",
    [
        {"live": True},
        {"refusals": {"x": Refusal(Reason.JOB_REJECTED, "no")}},
        {"job_events": {"j": ("no quota",)}},
        {"held": {"m": None}},
        {"guard": Guard()},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_was_decided_by_more_than_watches_tell_does_not(asked: Any) -> None:
    """The next look does not know it any more."""
    assert not decide(running(), **asked).stands


def test_what_resumes_a_run_does_not() -> None:
    """Until it is written that the pause is over, the deadline of the run stands still."""
    w = running(activeDeadlineSeconds=600)
    w.ask("Paused")
    w.write(decide(w))
    w.tick(1000)
    w.ask("Running")
    resumes = decide(w)
    assert not resumes.stands
    w.write(resumes)
    after = decide(w)
    assert after.stands
    assert after.look_at is not None
    assert resumes.look_at is None or after.look_at < resumes.look_at
