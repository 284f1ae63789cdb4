"""What happens next in a run: the main paths, step by step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.api.names import MAX_FILE_INPUT_BYTES
from workflow_do.api.reasons import Reason
from workflow_do.engine.effects import CreateJob
from workflow_do.engine.facts import Refusal

TELL = {"action": "tell", "input": {"text": "{{ failure.step }}: {{ failure.reason }}"}}


def two_steps(**spec: Any) -> World:
    """Two steps, the second with the first one's output, and a handler."""
    flow = workflow(
        step("first", n="{{ trigger.body.n }}"),
        step("second", got="{{ steps.first.output.n }}"),
        onFailure=TELL,
        **spec,
    )
    return World(flow, action("do-it"), action("tell"), body={"n": 1})


def input_of(job: dict[str, Any]) -> Any:
    """ACTION_INPUT as the program would find it after the kubelet's expansion."""
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    text = next(e["value"] for e in env if e["name"] == "ACTION_INPUT")
    return json.loads(text.replace("$$", "$"))


def test_a_run_goes_step_by_step_to_its_end() -> None:
    world = two_steps()
    world.reconcile()
    assert world.verdict() == ("Unknown", "Running")
    assert [s["state"] for s in world.status["steps"]] == ["Running", "Pending"]
    assert input_of(world.job("first")) == {"n": 1}

    world.runs()
    world.tick(2)
    world.ends('{"n": 7}')
    world.reconcile()
    assert input_of(world.job("second")) == {"got": 7}
    assert world.status["progress"] == "1/2"
    assert world.status["currentStep"] == "second"

    world.tick(2)
    world.ends("{}")
    world.reconcile()
    assert world.verdict() == ("True", "Succeeded")
    assert world.completed
    assert world.status["duration"] == "4s"
    assert "currentStep" not in world.status
    assert len(world.created) == 2


def test_a_finished_run_is_silent() -> None:
    world = two_steps()
    for _ in range(2):
        world.reconcile()
        world.ends('{"n": 1}')
    world.reconcile()
    before = world.status
    world.tick(10_000)
    planned = world.plan()
    assert planned.effects == ()
    assert planned.look_at is None
    world.write(planned)
    assert world.status == before


def test_a_failed_step_starts_the_handler_once_and_ends_with_the_first_reason() -> None:
    world = two_steps()
    world.reconcile()
    world.ends(code=7)
    world.reconcile()
    assert world.verdict() == ("Unknown", "Finishing")
    assert input_of(world.job()) == {"text": "first: ExitCode"}
    assert world.status["onFailure"]["state"] == "Running"

    world.ends("{}")
    world.reconcile()
    assert world.verdict() == ("False", "ExitCode")
    assert world.completed
    assert world.status["steps"][0]["exitCode"] == 7
    assert world.status["steps"][1]["state"] == "Pending"
    assert len(world.created) == 2


def test_a_failing_handler_leaves_the_first_reason() -> None:
    world = two_steps()
    world.reconcile()
    world.ends(code=7)
    world.reconcile()
    world.ends(code=3)
    world.reconcile()
    assert world.verdict() == ("False", "ExitCode")
    assert world.status["onFailure"]["state"] == "Failed"
    assert world.status["onFailure"]["exitCode"] == 3
    assert len(world.created) == 2


def test_a_handler_that_cannot_render_is_recorded_and_the_run_ends() -> None:
    flow = workflow(
        step("a"), onFailure={"action": "tell", "input": {"x": "{{ steps.a.output.y }}"}}
    )
    world = World(flow, action("do-it"), action("tell"))
    world.reconcile()
    world.ends(code=1)
    world.reconcile()
    assert world.verdict() == ("False", "ExitCode")
    assert world.status["onFailure"]["reason"] == "InvalidTemplate"
    assert len(world.created) == 1


BAD_INPUTS = [
    pytest.param("{{ trigger.body.nope }}", "InvalidTemplate", id="undefined"),
    pytest.param("{{ trigger.body.n.x }}", "InvalidTemplate", id="field-of-a-number"),
    pytest.param("{{ 9**(9**8) }}", "InvalidTemplate", id="bomb"),
    pytest.param("{{ trigger.body.text }}", "InputInvalid", id="mistyped"),
    pytest.param("x" * (MAX_FILE_INPUT_BYTES), "InputTooLarge", id="too-large"),
]


@pytest.mark.parametrize(("value", "reason"), BAD_INPUTS)
def test_an_input_that_cannot_be_ends_the_step_and_tells_somebody(value: str, reason: str) -> None:
    schema = {"properties": {"n": {"type": ["integer"]}}} if reason == "InputInvalid" else None
    extra = {"inputSchema": schema} if schema else {}
    flow = workflow(step("a", n=value), onFailure=TELL)
    world = World(flow, action("do-it", **extra), action("tell"), body={"n": 1, "text": "x"})
    world.reconcile()
    assert world.status["steps"][0]["state"] == "NotStarted"
    assert world.status["steps"][0]["reason"] == reason
    assert "input" in world.status["steps"][0]["message"]
    assert input_of(world.job()) == {"text": f"a: {reason}"}
    world.ends("{}")
    world.reconcile()
    assert world.verdict() == ("False", reason)


REFUSED = [
    pytest.param({"flow": None}, "WorkflowNotFound", id="no-workflow"),
    pytest.param({"actions": ()}, "ActionNotFound", id="no-action"),
    pytest.param(
        {"flow": workflow(step("a", x="{{ nope }}"))}, "WorkflowNotReady", id="unknown-root"
    ),
    pytest.param(
        {"flow": workflow(step("a", x="{{ steps.b.output }}"), step("b"))},
        "WorkflowNotReady",
        id="later-step",
    ),
    pytest.param({"flow": workflow(step("a", x="{{ "))}, "WorkflowNotReady", id="syntax"),
    pytest.param(
        {"actions": (action("do-it", inputSchema={"type": "nope"}),)},
        "ActionNotReady",
        id="bad-schema",
    ),
    pytest.param(
        {
            "flow": workflow(step("a", n="one")),
            "actions": (action("do-it", inputSchema={"properties": {"n": {"type": "integer"}}}),),
        },
        "WorkflowNotReady",
        id="mistyped",
    ),
]


@pytest.mark.parametrize(("given", "reason"), REFUSED)
def test_a_missing_definition_is_waited_for_and_then_ends_the_run(
    given: dict[str, Any], reason: str
) -> None:
    flow = given.get("flow", workflow(step("a"), onFailure=TELL))
    world = World(flow, *given.get("actions", (action("do-it"), action("tell"))))
    planned = world.reconcile()
    assert world.verdict() == ("Unknown", reason)
    assert planned.look_at is not None
    assert (planned.look_at - world.now).total_seconds() == 20
    world.tick(19)
    world.reconcile()
    assert not world.completed
    world.tick(1)
    world.reconcile()
    assert world.verdict() == ("False", reason)
    assert world.completed
    assert world.created == []


def test_a_definition_that_comes_in_time_is_used() -> None:
    world = World(None, action("do-it"))
    world.reconcile()
    world.tick(10)
    world.flow = workflow(step("a"))
    world.reconcile()
    assert world.verdict() == ("Unknown", "Running")
    assert len(world.created) == 1


def test_a_body_that_does_not_fit_ends_the_run_at_once() -> None:
    trigger = {"type": "api", "bodySchema": {"type": "object", "required": ["email"]}}
    world = World(
        workflow(step("a"), trigger=trigger, onFailure=TELL), action("do-it"), action("tell")
    )
    world.reconcile()
    assert world.verdict() == ("False", "BodyInvalid")
    assert world.created == []


def test_a_trigger_over_256_kib_ends_the_run_at_once() -> None:
    world = World(workflow(step("a")), action("do-it"), body="x" * 300_000)
    world.reconcile()
    assert world.verdict() == ("False", "TriggerTooLarge")


def test_edits_and_deletions_do_not_touch_a_live_run() -> None:
    world = two_steps()
    world.reconcile()
    world.flow = None
    world.actions = {}
    world.ends('{"n": 2}')
    world.reconcile()
    world.ends()
    world.reconcile()
    assert world.verdict() == ("True", "Succeeded")


def test_a_lost_revision_ends_the_run() -> None:
    world = two_steps()
    world.reconcile()
    world.revisions.clear()
    world.reconcile()
    assert world.verdict() == ("False", "RevisionLost")
    assert world.completed


def up_to_the_first_job(world: World) -> CreateJob:
    """Everything before the first Job is done; the effect that makes it."""
    while True:
        planned = world.plan()
        first = planned.effects[0] if planned.effects else None
        if isinstance(first, CreateJob):
            return first
        for effect in planned.effects:
            world.do(effect)
        if not planned.effects:
            world.write(planned)


def test_a_crash_between_post_and_patch_makes_no_second_job() -> None:
    world = two_steps()
    world.do(up_to_the_first_job(world))
    assert world.status["steps"][0]["state"] == "Pending"
    world.reconcile()
    assert len(world.created) == 1
    assert world.status["steps"][0]["jobName"] == world.created[0]
    assert world.status["steps"][0]["seq"] == 1


def test_a_foreign_job_under_our_labels_is_not_folded_in() -> None:
    world = two_steps()
    world.reconcile()
    world.ends('{"n": 1}')
    forged = json.loads(json.dumps(world.job("first")))
    forged["metadata"]["labels"]["workflow.do/step"] = "second"
    forged["metadata"] |= {"name": "forged", "uid": "forged"}
    world.jobs["forged"] = forged
    world.reconcile()
    assert world.status["steps"][1]["jobName"] == world.created[1] != "forged"


def test_a_refused_job_is_not_started_and_tells_somebody() -> None:
    world = two_steps()
    job = up_to_the_first_job(world)
    world.refusals[job.name] = Refusal(Reason.JOB_REJECTED, "spec.template: invalid")
    world.reconcile()
    assert world.status["steps"][0]["state"] == "NotStarted"
    assert world.status["steps"][0]["reason"] == "JobRejected"
    assert world.verdict() == ("Unknown", "Finishing")


def test_ids_that_differ_only_in_case_are_two_steps() -> None:
    world = World(workflow(step("createUser"), step("createuser")), action("do-it"))
    for _ in range(2):
        world.reconcile()
        world.ends()
    world.reconcile()
    assert world.verdict() == ("True", "Succeeded")
    assert len(set(world.created)) == 2


def test_a_run_name_of_63_characters_makes_valid_job_names() -> None:
    world = World(workflow(step("a")), action("do-it"), name="r" * 63)
    world.reconcile()
    assert len(world.created[0]) <= 63
    assert world.job()["metadata"]["labels"]["workflow.do/run"] == "r" * 63


def test_no_conclusion_from_absence_without_a_live_look() -> None:
    world = two_steps()
    world.reconcile()
    world.jobs.clear()
    assert world.plan(live=False).needs_live
    world.reconcile()
    assert world.status["steps"][0]["reason"] == "JobLost"
    assert world.status["steps"][0]["state"] == "Unknown"


def test_the_end_is_written_only_after_a_live_look() -> None:
    world = World(workflow(step("a")), action("do-it"))
    world.reconcile()
    world.ends()
    assert world.plan(live=False).needs_live
    assert not world.plan(live=True).needs_live
