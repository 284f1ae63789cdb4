"""Composition: parallel branches, decisions, lists, going on past a failure, and the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.api.reasons import Reason
from workflow_do.engine.definition import define
from workflow_do.engine.problem import Problem

Raw = dict[str, Any]
ACTIONS = (action("do-it"), action("tell"), action("clean"))


def run(*steps: Raw, body: Any = None, actions: tuple[Raw, ...] = ACTIONS, **spec: Any) -> World:
    """A run of these steps, at rest for the first time."""
    world = World(workflow(*steps, **spec), *actions, body=body)
    world.reconcile()
    return world


def states(world: World) -> dict[str, str]:
    """State by step."""
    return {s["id"]: s["state"] for s in world.status["steps"]}


def item_job(world: World, id_: str, item: int) -> Raw:
    """The newest Job of an item."""
    labels = {"workflow.do/step": id_, "workflow.do/item": str(item)}
    return [j for j in world.jobs.values() if labels.items() <= j["metadata"]["labels"].items()][-1]


def input_of(job: Raw) -> Any:
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return json.loads(next(e["value"] for e in env if e["name"] == "ACTION_INPUT"))


def end(world: World, id_: str, output: str = "{}", code: int = 0) -> None:
    """The newest Job of a step ends, and the engine comes to rest."""
    world.tick(1)
    world.ends(output, code=code, job=world.job(id_))
    world.reconcile()


def end_item(world: World, id_: str, item: int, output: str = "{}", code: int = 0) -> None:
    world.tick(1)
    world.ends(output, code=code, job=item_job(world, id_, item))
    world.reconcile()


def diamond(**of_b: Any) -> World:
    return run(
        step("a"),
        {**step("b"), "needs": ["a"], **of_b},
        {**step("c"), "needs": ["a"]},
        {**step("d", n="{{ steps.c.output.n | default(0) }}"), "needs": ["b", "c"]},
    )


def test_a_diamond_runs_its_branches_at_once_and_joins_when_both_have_ended() -> None:
    world = diamond()
    assert states(world) == dict(a="Running", b="Pending", c="Pending", d="Pending")
    end(world, "a")
    assert states(world) == dict(a="Succeeded", b="Running", c="Running", d="Pending")
    assert sorted(world.step(s)["seq"] for s in "abc") == [1, 2, 3]
    end(world, "c", '{"n": 7}')
    assert states(world)["d"] == "Pending"
    end(world, "b")
    assert input_of(world.job("d")) == {"n": 7}
    end(world, "d")
    assert world.verdict() == ("True", "Succeeded")
    assert len(world.created) == 4


def test_needs_trigger_starts_at_once() -> None:
    world = run(step("a"), {**step("b"), "needs": ["trigger"]})
    assert states(world) == {"a": "Running", "b": "Running"}
    assert world.status["currentStep"] == "a"


def test_a_failure_starts_nothing_new_waits_for_the_living_and_is_the_reason() -> None:
    world = diamond()
    end(world, "a")
    end(world, "b", code=3)
    assert states(world) == dict(a="Succeeded", b="Failed", c="Running", d="Pending")
    assert world.verdict() == ("Unknown", "Finishing")
    end(world, "c", code=9)
    assert world.verdict() == ("False", "ExitCode")
    assert world.status["currentStep"] == "b", "the one that failed first"
    assert states(world)["d"] == "Pending"


def test_live_steps_get_no_other_try_after_a_failure() -> None:
    retry = {"maxAttempts": 3, "initialDelaySeconds": 50}
    world = run(
        {**step("a"), "needs": ["trigger"], "retry": retry}, {**step("b"), "needs": ["trigger"]}
    )
    end(world, "a", code=4)
    assert states(world)["a"] == "Retrying"
    end(world, "b", code=5)
    assert states(world) == {"a": "Failed", "b": "Failed"}
    assert world.step("a")["exitCode"] == 4, "how its last try ended stands"
    assert world.status["currentStep"] == "b"


@pytest.mark.parametrize(
    ("when", "state"),
    [
        pytest.param("{{ trigger.body.n > 1 }}", "Running", id="true"),
        pytest.param("{{ trigger.body.n > 9 }}", "Skipped", id="false"),
        pytest.param("{{ trigger.body.n }}", "NotStarted", id="a-number"),
        pytest.param("{{ trigger.body.nope }}", "NotStarted", id="undefined"),
        pytest.param("{{ trigger.body.word }}", "NotStarted", id="the-word-true"),
    ],
)
def test_when_is_true_or_false_or_a_mistake(when: str, state: str) -> None:
    world = run({**step("a"), "when": when}, body={"n": 2, "word": "true"})
    assert states(world) == {"a": state}
    if state == "NotStarted":
        assert world.verdict() == ("False", "InvalidTemplate")
        assert "when" in world.step("a")["message"]


def test_skipping_satisfies_a_join_and_does_not_spread() -> None:
    world = diamond(when="{{ false }}")
    end(world, "a")
    assert states(world) == dict(a="Succeeded", b="Skipped", c="Running", d="Pending")
    end(world, "c")
    end(world, "d")
    assert world.verdict() == ("True", "Succeeded")
    assert world.status["progress"] == "4/4"


def test_a_chain_of_skipped_steps_is_passed_in_one_go() -> None:
    steps = [{**step(f"s{i}"), "when": "{{ false }}"} for i in range(20)]
    world = run(*steps, step("last", of="{{ steps.s3.output is none }}"))
    assert states(world)["last"] == "Running"
    assert input_of(world.job()) == {"of": True}


def fan(count: int, parallel: int = 2, **more: Any) -> World:
    each = {"items": "{{ trigger.body }}", "maxParallel": parallel}
    return run(
        {**step("each", v="{{ item.v }}", at="{{ index }}"), "forEach": each, **more},
        step("after", all="{{ steps.each.output }}"),
        body=[{"v": i * 10} for i in range(count)],
    )


def test_items_run_within_max_parallel_and_their_outputs_come_in_order() -> None:
    world = fan(3)
    assert len(world.created) == 2
    assert input_of(item_job(world, "each", 1)) == {"v": 10, "at": 1}
    world.runs(item_job(world, "each", 0))
    end_item(world, "each", 1, '{"r": 1}')
    assert len(world.created) == 3
    end_item(world, "each", 2, '{"r": 2}')
    assert states(world)["each"] == "Running"
    assert "2 of 3 items" in world.status["conditions"][0]["message"]
    end_item(world, "each", 0, '{"r": 0}')
    assert input_of(world.job("after")) == {"all": [{"r": 0}, {"r": 1}, {"r": 2}]}
    assert len({j["metadata"]["name"] for j in world.jobs.values()}) == 4


def test_an_empty_list_succeeds_at_once_with_an_empty_list() -> None:
    world = fan(0)
    assert states(world)["each"] == "Succeeded"
    assert input_of(world.job("after")) == {"all": []}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param([1] * 1001, "TooManyItems", id="1001-items"),
        pytest.param({"a": 1}, "InvalidTemplate", id="an-object"),
        pytest.param(None, "InvalidTemplate", id="null"),
        pytest.param("abc", "InvalidTemplate", id="a-string"),
    ],
)
def test_a_list_that_is_none_ends_the_step(body: Any, reason: str) -> None:
    world = run({**step("a"), "forEach": {"items": "{{ trigger.body }}"}}, body=body)
    assert world.verdict() == ("False", reason)
    assert "forEach.items" in world.step("a")["message"]
    assert world.created == []


def test_an_item_that_fails_for_good_starts_no_other_and_fails_the_step() -> None:
    world = fan(4)
    end_item(world, "each", 1, code=5)
    assert len(world.created) == 2
    end_item(world, "each", 0)
    record = world.step("each")
    assert record["state"] == "Failed"
    assert record["message"].startswith("item 1")
    assert [i["state"] for i in record["items"]] == ["Succeeded", "Failed", "Pending", "Pending"]
    assert world.verdict() == ("False", "ExitCode")


def test_with_continue_the_other_items_go_on_and_the_failed_one_gives_null() -> None:
    world = fan(3, onError="Continue")
    end_item(world, "each", 0, code=5)
    end_item(world, "each", 1, '{"r": 1}')
    end_item(world, "each", 2, '{"r": 2}')
    assert input_of(world.job("after")) == {"all": [None, {"r": 1}, {"r": 2}]}
    end(world, "after")
    assert world.verdict() == ("True", "CompletedWithErrors")


def test_items_that_had_not_run_when_another_step_failed_are_told_of() -> None:
    each = {"items": "{{ trigger.body }}", "maxParallel": 1}
    world = run(
        {**step("each", v="{{ item }}"), "needs": ["trigger"], "forEach": each},
        {**step("b"), "needs": ["trigger"]},
        body=[1, 2, 3],
    )
    end(world, "b", code=1)
    end_item(world, "each", 0)
    assert (world.step("each")["state"], world.step("each")["reason"]) == (
        "NotStarted",
        "ItemsNotRun",
    )
    assert world.verdict() == ("False", "ExitCode")


def test_a_retry_takes_over_the_items_that_succeeded() -> None:
    world = fan(3)
    end_item(world, "each", 0, '{"r": 0}')
    end_item(world, "each", 1, code=1)
    end_item(world, "each", 2, '{"r": 2}')
    assert world.verdict() == ("False", "ExitCode")
    again = world.retry()
    again.reconcile()
    assert len(again.created) == 1
    end_item(again, "each", 1, '{"r": 1}')
    assert input_of(again.job("after")) == {"all": [{"r": 0}, {"r": 1}, {"r": 2}]}


def test_a_failed_step_with_continue_is_null_to_those_after_it() -> None:
    world = run(
        {**step("a"), "onError": "Continue"},
        step("b", a="{{ steps.a.output }}", s="{{ steps.a.state }}", r="{{ steps.a.reason }}"),
    )
    end(world, "a", code=2)
    assert input_of(world.job("b")) == {"a": None, "s": "Failed", "r": "ExitCode"}
    end(world, "b")
    assert world.verdict() == ("True", "CompletedWithErrors")
    assert "failed: a" in world.status["conditions"][0]["message"]


def test_a_cancel_ends_the_run_whatever_may_continue() -> None:
    world = run({**step("a"), "onError": "Continue"}, step("b"))
    is_cancelled(world)
    assert world.verdict() == ("False", "Cancelled")
    assert states(world)["b"] == "Pending"


LAST = [
    {"id": "unlock", "action": "clean", "input": {"why": "{{ failure.reason | default('done') }}"}},
    {"id": "log", "action": "clean", "input": {"a": "{{ steps.a.state }}"}},
]


def succeeds(world: World) -> None:
    end(world, "a")


def fails(world: World) -> None:
    end(world, "a", code=1)
    assert world.job()["metadata"]["labels"]["workflow.do/role"] == "onFailure"
    world.ends("{}")
    world.reconcile()


def is_cancelled(world: World) -> None:
    world.runs()
    world.ask("Cancelled")
    world.reconcile()
    world.ends(code=143)
    world.pod(phase="Failed", reason="DeadlineExceeded")
    world.reconcile()


@pytest.mark.parametrize(
    ("happens", "why", "verdict"),
    [
        pytest.param(succeeds, "done", ("True", "Succeeded"), id="success"),
        pytest.param(fails, "ExitCode", ("False", "ExitCode"), id="failure"),
        pytest.param(is_cancelled, "Cancelled", ("False", "Cancelled"), id="cancel"),
    ],
)
def test_finally_runs_once_in_order_whatever_happened(
    happens: Callable[[World], None], why: str, verdict: tuple[str, str]
) -> None:
    world = run(step("a"), onFailure={"action": "tell"}, **{"finally": LAST})
    happens(world)
    assert input_of(world.job("unlock")) == {"why": why}
    assert not world.completed
    end(world, "unlock")
    end(world, "log")
    assert world.verdict() == verdict
    assert world.completed
    names = [j["metadata"]["labels"].get("workflow.do/step") for j in world.jobs.values()]
    assert (names.count("unlock"), names.count("log")) == (1, 1)


def test_a_failing_finally_alone_fails_the_run_after_the_others_have_run() -> None:
    world = run(step("a"), **{"finally": LAST})
    end(world, "a")
    end(world, "unlock", code=1)
    end(world, "log")
    assert world.verdict() == ("False", "FinallyFailed")
    assert [f["state"] for f in world.status["finally"]] == ["Failed", "Succeeded"]


def test_the_outputs_of_a_run() -> None:
    outputs = {"n": "{{ steps.a.output.n }}", "all": ["{{ run.name }}"]}
    world = run(step("a"), outputs=outputs)
    end(world, "a", '{"n": 3}')
    assert world.status["outputs"] == {"n": 3, "all": ["run-1"]}


def test_an_output_that_cannot_be_rendered_fails_the_run() -> None:
    world = run(step("a"), outputs={"n": "{{ steps.a.output.nope }}"})
    end(world, "a")
    assert world.verdict() == ("False", "InvalidTemplate")
    assert "outputs.n" in world.status["conditions"][0]["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"needs": ["zz"]}, "steps[1].needs[0]: the step 'zz' is not there", id="gone"),
        pytest.param({"needs": ["c"]}, "'c' does not stand above this one", id="later"),
        pytest.param({"needs": ["b"]}, "'b' does not stand above this one", id="itself"),
        pytest.param({"needs": ["trigger", "a"]}, "`trigger` stands alone", id="mixed"),
        pytest.param({"when": "always"}, "steps[1].when: it must be one", id="no-expression"),
        pytest.param({"when": "{{ true }} x"}, "steps[1].when: it must be one", id="text"),
        pytest.param({"input": {"x": "{{ item }}"}}, "'item' is not defined here", id="no-item"),
        pytest.param(
            {"needs": ["trigger"], "input": {"x": "{{ steps.a.output }}"}},
            "the step 'a' is not surely before this one: add it to `needs`",
            id="not-before",
        ),
    ],
)
def test_a_definition_that_cannot_be(change: Raw, message: str) -> None:
    flow = workflow(step("a"), {**step("b"), **change}, step("c"))
    found = define("flow", flow["spec"], {"do-it": ACTIONS[0]["spec"]})
    assert isinstance(found, Problem)
    assert found.reason is Reason.WORKFLOW_NOT_READY
    assert message in found.message


def test_the_id_of_a_step_is_no_id_for_finally() -> None:
    flow = workflow(step("a"), **{"finally": [{"id": "a", "action": "do-it"}]})
    found = define("flow", flow["spec"], {"do-it": ACTIONS[0]["spec"]})
    assert isinstance(found, Problem)
    assert "finally[0].id" in found.message
