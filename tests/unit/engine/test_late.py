"""Jobs that turn up for a unit of a live run that has ended: stopped, told of, and awaited."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import World, action, step, workflow
from unit.engine.test_verdict import ended
from workflow_do.engine.effects import CreateJob, ExpirePod, SuspendJob
from workflow_do.engine.identity import Role, Unit, job_name
from workflow_do.engine.transitions import stopped


def lost() -> tuple[World, dict[str, Any]]:
    """A run whose only step has just ended as JobLost, and the Job that it had."""
    w = World(workflow(step("a"), onFailure={"action": "tell"}), action("do-it"), action("tell"))
    w.reconcile()
    job = w.jobs.pop(w.created[0])
    w.ask("Paused")  # so that the handler does not begin at once
    w.reconcile()
    w.ask("Running")
    assert w.step("a")["reason"] == "JobLost"
    return w, job


def late(w: World, job: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """It turns up again, by a POST that had been given up, as another object."""
    name = job_name("run-1", "uid-run-1", Unit(Role.DO, "a"), number)
    job["metadata"] |= {"uid": f"late-{number}", "name": name}
    job["metadata"]["labels"]["workflow.do/try"] = str(number)
    w.jobs[name] = job
    return job


@pytest.mark.parametrize("number", [1, 2], ids=["under-its-own-name", "as-another-try"])
def test_a_late_job_is_suspended_before_anything_follows(number: int) -> None:
    w, job = lost()
    name = late(w, job, number)["metadata"]["name"]
    planned = w.plan()
    assert planned.effects == (SuspendJob(name, stray=True),)
    (note,) = stopped(planned.effects)
    assert (note.type, note.reason) == ("Warning", "LateJob")
    assert name in note.message
    w.do(planned.effects[0])
    (effect,) = w.plan().effects
    assert isinstance(effect, CreateJob), "the handler's turn"
    assert w.step("a")["tries"] == 1


def test_nothing_follows_while_the_program_of_a_late_job_runs() -> None:
    w, job = lost()
    pod = w.runs(late(w, job))
    planned = w.plan()
    assert planned.effects == (ExpirePod(pod["metadata"]["name"], stray=True),)
    w.reconcile()
    assert "onFailure" not in w.status
    pod["status"] |= {"phase": "Failed", "containerStatuses": ended(137)}
    w.reconcile()
    assert w.status["onFailure"]["state"] == "Running"
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "JobLost")


def test_a_late_job_on_a_silent_node_is_not_awaited_for_ever() -> None:
    w, job = lost()
    w.runs(late(w, job))
    look_at = w.reconcile().look_at
    assert look_at is not None
    w.now = look_at
    w.reconcile()
    assert w.status["onFailure"]["state"] == "Running"


def test_the_job_of_an_earlier_try_is_nothing_to_tell_of() -> None:
    retry = {"maxAttempts": 2, "initialDelaySeconds": 0}
    w = World(workflow(step("a")), action("do-it", retry=retry))
    w.reconcile()
    w.ends(code=1)
    w.pods.clear()
    w.jobs[w.created[0]]["status"] = {"failed": 1}
    w.pod(w.job(), phase="Failed", containerStatuses=ended(1))
    w.tick(20)
    w.reconcile()
    assert w.step("a")["tries"] == 2
    w.pods.clear()
    assert w.plan().effects == ()


def test_what_is_stopped_in_its_time_is_nothing_to_tell_of() -> None:
    assert stopped((SuspendJob("a"), ExpirePod("b"))) == ()
