"""Data that looks like a template or a shell command, by every place that holds templates.

`ARRIVALS` says for each place of `support/ways.py` what arrives there; a new place fails here until
it has a row. What is larger than a variable, printed into a log or given by an approver is below.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.hostile import SHELL, TEXTS, environment, received
from support.ways import WAYS
from support.world import Raw, World, action, step, workflow
from workflow_do.engine.admission import Wish
from workflow_do.engine.closing import clean_log
from workflow_do.engine.outputs import LogEnd
from workflow_do.engine.waiting import NO_TIME

DATA = "{{ trigger.body }}"
"""A template that gives what the caller gave."""
ECHO = action("do-it")


def run_of(flow: Raw, text: Any, *actions: Raw) -> World:
    world = World(flow, ECHO, *actions, body=text)
    world.reconcile()
    return world


def end(world: World, output: Any = None, code: int = 0) -> World:
    """The newest Job ends."""
    world.ends(json.dumps(output or {}), code=code)
    world.reconcile()
    return world


def by_input(text: str) -> Any:
    return received(run_of(workflow(step("a", x=[DATA])), text).job())["x"][0]


def by_when(text: str) -> Any:
    """It is a text, never what it says; and it is equal to nothing but itself."""
    flow = workflow({**step("a"), "when": DATA})
    record = run_of(flow, text).step("a")
    assert (record["state"], record["reason"]) == ("NotStarted", "InvalidTemplate")
    assert "it gives a string, not true or false" in record["message"]
    same = {**step("a", x="{{ trigger.body.x }}"), "when": "{{ trigger.body.x == trigger.body.y }}"}
    assert run_of(workflow(same), {"x": text, "y": f"{text} "}).step("a")["state"] == "Skipped"
    return received(run_of(workflow(same), {"x": text, "y": text}).job())["x"]


def by_items(text: str) -> Any:
    """An item, and the list of what the items gave."""
    each = {**step("a", x="{{ item }}"), "forEach": {"items": "{{ trigger.body }}"}}
    world = run_of(workflow(each, step("b", x="{{ steps.a.output }}")), [text, {"k": text}])
    first, second = world.jobs.values()
    assert received(second)["x"] == {"k": text}
    for job in (first, second):
        world.ends(json.dumps({"given": text}), job=job)
    world.reconcile()
    assert received(world.job("b"))["x"] == [{"given": text}] * 2
    return received(first)["x"]


def by_finally(text: str) -> Any:
    flow = workflow(
        step("a"), **{"finally": [{"id": "z", "action": "do-it", "input": {"x": DATA}}]}
    )
    return received(end(run_of(flow, text)).job("z"))["x"]


def by_outputs(text: str) -> Any:
    """The outputs of the run: what was given, and what a step gave."""
    flow = workflow(step("a"), outputs={"x": DATA, "y": "{{ steps.a.output }}"})
    outputs = end(run_of(flow, text), {"k": text}).status["outputs"]
    assert outputs["y"] == {"k": text}
    return outputs["x"]


def by_handler(text: str) -> Any:
    """With what failed: the end of its log and its message."""
    flow = workflow(
        step("a"),
        onFailure={"action": "do-it", "input": {"x": DATA, "said": "{{ failure.logsTail }}"}},
    )
    world = run_of(flow, text)
    pod = world.ends(code=1)
    world.logs[pod["metadata"]["name"]] = text
    world.reconcile()
    got = received(world.job())
    assert got["said"] == clean_log(text), "of a log: its end, without control characters"
    return got["x"]


def by_undo(text: str) -> Any:
    """Of a step, with what it gave and got and with the failure."""
    given = {"x": DATA, "out": "{{ output.k }}", "in": "{{ input.x }}"}
    undo = {"action": "do-it", "input": given}
    flow = workflow({**step("a", x=DATA), "compensate": undo}, step("b"))
    world = end(end(run_of(flow, text), {"k": text}), code=1)
    got = received(world.job("a"))
    assert (got["out"], got["in"]) == (text, text)
    return got["x"]


def by_undo_of_an_action(text: str) -> Any:
    undo = {"action": "do-it", "input": {"x": "{{ output.k }}", "in": "{{ input.x }}"}}
    doing = action("doing", compensate=undo)
    world = run_of(workflow(step("a", "doing", x=DATA), step("b")), text, doing)
    got = received(end(end(world, {"k": text}), code=1).job("a"))
    assert got["in"] == text
    return got["x"]


def by_until(text: str) -> Any:
    """Never a time; what was given is not told either."""
    record = run_of(workflow({"id": "a", "wait": {"until": DATA}}), text).step("a")
    assert (record["state"], record["reason"]) == ("NotStarted", "InvalidTemplate")
    assert record["message"] == NO_TIME
    return text


def by_question(text: str) -> Any:
    """What approvers read, whole or within a sentence."""
    flow = workflow({"id": "a", "approval": {"message": f"Pay <{DATA}>?"}})
    assert run_of(flow, text).step("a")["message"] == f"Pay <{text}>?"
    return run_of(workflow({"id": "a", "approval": {"message": DATA}}), text).step("a")["message"]


def by_key(text: str) -> Any:
    world = World(
        workflow(step("a"), concurrency={"policy": "Queue", "key": DATA}), ECHO, body=text
    )
    planned = world.plan()
    while planned.effects:
        for effect in planned.effects:
            world.do(effect)
        planned = world.plan()
    world.write(planned)
    wish = world.plan().asks
    assert isinstance(wish, Wish), wish
    return wish.key


def by_variable(text: str) -> Any:
    reads = action("reads", env=[{"name": "X", "value": "{{ input.x }}"}])
    job = run_of(workflow(step("a", "reads", x=DATA)), text, reads).job()
    assert received(job) == {"x": text}
    return environment(job)["X"]


ARRIVALS: dict[str, Callable[[str], Any]] = {
    "Workflow steps[].input": by_input,
    "Workflow steps[].when": by_when,
    "Workflow steps[].forEach.items": by_items,
    "Workflow finally[].input": by_finally,
    "Workflow outputs": by_outputs,
    "Workflow onFailure.input": by_handler,
    "Workflow steps[].compensate.input": by_undo,
    "Workflow steps[].wait.until": by_until,
    "Workflow steps[].approval.message": by_question,
    "Workflow concurrency.key": by_key,
    "Action env[].value": by_variable,
    "Action compensate.input": by_undo_of_an_action,
}


def test_every_way_in_has_a_row() -> None:
    assert ARRIVALS.keys() == {way.place for way in WAYS}


ALL = "\n".join(TEXTS)
SHORT = ("Workflow steps[].approval.message", "Workflow concurrency.key")
"""Where a text has a bound that all of them together pass."""


@pytest.mark.parametrize("place", ARRIVALS)
def test_what_was_given_arrives_as_it_was(place: str) -> None:
    texts = [*SHELL[::2], *([] if place in SHORT else [ALL])]
    arrived = {text: ARRIVALS[place](text) for text in texts}
    assert arrived == {text: text for text in texts}


def test_what_is_larger_than_a_variable_arrives_in_the_file() -> None:
    given = {"all": TEXTS, "much": "$(SECRET) {{ x }}" * 3_000}
    world = run_of(workflow(step("a", x=DATA)), given)
    assert "ACTION_INPUT" not in environment(world.job())
    assert received(world.job(), world.maps) == {"x": given}


def test_what_was_printed_into_a_log_arrives_by_a_config_map_too() -> None:
    printed = {"all": TEXTS, "much": "$(SECRET) {{ x }}" * 3_000}
    logs = action("logs", output={"source": "Logs"})
    flow = workflow(step("a", "logs"), step("b", some="{{ steps.a.output.all }}"))
    world = run_of(flow, None, logs)
    pod = world.ends()
    line = "::output::" + json.dumps(printed, ensure_ascii=False)
    world.outputs[pod["metadata"]["name"]] = LogEnd(f"{line}\n")
    world.reconcile()
    held = world.maps[world.step("a")["outputRef"]["name"]]
    assert json.loads(held["data"]["data.json"]) == printed
    assert received(world.job("b")) == {"some": TEXTS}


@pytest.mark.parametrize("text", SHELL)
def test_what_an_approver_gave_arrives(text: str) -> None:
    flow = workflow({"id": "ok", "approval": {}}, step("b", x="{{ steps.ok.output }}"))
    world = run_of(flow, None)
    world.decides("sam@example.com", data={"k": text, text: "by key"}, comment=text)
    world.reconcile()
    assert world.step("ok")["output"] == {"k": text, text: "by key"}
    assert received(world.job("b")) == {"x": {"k": text, text: "by key"}}
    refused = run_of(flow, None)
    refused.decides("sam@example.com", decision="Reject", comment=text)
    refused.reconcile()
    said = refused.step("ok")["message"]
    assert said == f"rejected by sam@example.com: {text}"


@pytest.mark.parametrize("text", [*SHELL[::8], ALL])
def test_what_a_child_run_is_given_and_gives_arrives(text: str) -> None:
    """Its body is data too: nothing in it is rendered a second time, on the way there or back."""
    pays = workflow(
        step("a", x=DATA), named="pay", outputs={"in": DATA, "out": "{{ steps.a.output }}"}
    )
    calls = {"id": "pay", "workflow": "pay", "input": {"k": DATA, text: DATA}}
    world = World(workflow(calls, step("b", x="{{ steps.pay.output }}")), ECHO, body=text)
    world.workflows = {"pay": pays}
    world.settle()
    child, given = world.child("pay"), {"k": text, text: text}
    assert child.run["spec"]["trigger"]["body"] == given
    assert received(child.job())["x"] == given
    child.ends(json.dumps({"k": text}))
    world.settle()
    assert received(world.job("b"))["x"] == {"in": given, "out": {"k": text}}
