"""Inputs too large for a variable: a file, by a ConfigMap that is there before the Job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.engine.definition import define_action
from workflow_do.engine.effects import CreateJob, StoreData
from workflow_do.engine.facts import Refusal
from workflow_do.engine.problem import Problem

SCRATCH = {
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
}


def world(size: int, **spec: Any) -> World:
    """A step whose input is an object of that many bytes."""
    text = "$" + "x" * (size - len('{"text":""}') - 1)
    return World(workflow(step("a", text="{{ trigger.body }}")), action("do-it", **spec), body=text)


def pod(w: World) -> Any:
    return w.job()["spec"]["template"]["spec"]


def env(w: World) -> dict[str, str]:
    [container] = pod(w)["containers"]
    return {e["name"]: e["value"] for e in container["env"]}


def test_up_to_32_kib_it_is_a_variable() -> None:
    w = world(names.MAX_INPUT_BYTES)
    w.reconcile()
    assert "ACTION_INPUT_FILE" not in env(w)
    assert len(env(w)["ACTION_INPUT"].replace("$$", "$")) == names.MAX_INPUT_BYTES
    assert "volumes" not in pod(w)
    assert w.maps == {}


def test_above_it_is_a_file() -> None:
    w = world(names.MAX_INPUT_BYTES + 1, **SCRATCH)
    w.reconcile()
    assert "ACTION_INPUT" not in env(w)
    assert env(w)["ACTION_INPUT_FILE"] == "/var/run/workflow.do/input.json"
    [(name, made)] = w.maps.items()
    assert len(made["data"]["data.json"]) == names.MAX_INPUT_BYTES + 1
    assert json.loads(made["data"]["data.json"])["text"].startswith("$x"), "no `$$`: it is a file"
    assert made["immutable"] is True
    assert made["metadata"]["labels"]["workflow.do/data"] == "input"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-run-1"
    scratch, volume = pod(w)["volumes"]
    assert scratch["name"] == "scratch"
    items = [{"key": "data.json", "path": "input.json"}]
    assert volume == {"name": "workflow-do-input", "configMap": {"name": name, "items": items}}
    mounts = pod(w)["containers"][0]["volumeMounts"]
    assert mounts[1] == {
        "name": "workflow-do-input",
        "mountPath": "/var/run/workflow.do",
        "readOnly": True,
    }


def test_it_may_be_larger_than_any_variable() -> None:
    both = step("a", one="{{ trigger.body }}", two="{{ trigger.body }}")
    w = World(workflow(both), action("do-it"), body="x" * 250_000)
    w.reconcile()
    assert w.step("a")["state"] == "Running"
    assert [len(m["data"]["data.json"]) for m in w.maps.values()] == [500_019]


def test_it_is_stored_before_the_job_is_made() -> None:
    w = world(100_000)
    made: list[str] = []
    for _ in range(10):
        planned = w.plan()
        made += [type(e).__name__ for e in planned.effects]
        for effect in planned.effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    assert made.index(StoreData.__name__) == made.index(CreateJob.__name__) - 1
    assert made.index("MarkStarted") < made.index(StoreData.__name__)


def test_killed_between_the_two_it_is_found_again() -> None:
    w = world(100_000)
    while not w.maps:
        planned = w.plan()
        for effect in planned.effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    w.looked_for = frozenset()
    w.reconcile()
    assert len(w.maps) == 1
    assert len(w.created) == 1


def test_all_tries_share_it() -> None:
    w = world(100_000, retry={"maxAttempts": 2, "initialDelaySeconds": 0})
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert len(w.created) == 2
    assert len(w.maps) == 1


def blocked(w: World) -> str:
    """Up to the effect that would store the input; its name."""
    for _ in range(10):
        planned = w.plan()
        if planned.effects and isinstance(planned.effects[0], StoreData):
            return planned.effects[0].name
        for effect in planned.effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    raise AssertionError("no input is stored")


def test_a_refusal_ends_the_step_before_it_began() -> None:
    w = world(100_000)
    w.refusals[blocked(w)] = Refusal(Reason.DATA_NOT_STORED, "HTTP 403: exceeded quota")
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("NotStarted", "DataNotStored")
    assert w.created == []


def test_an_object_of_somebody_else_is_not_used() -> None:
    w = world(100_000)
    name = blocked(w)
    w.maps[name] = {"metadata": {"name": name}, "immutable": True, "data": {"data.json": "{}"}}
    w.looked_for = frozenset({name})
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("NotStarted", "NameConflict")
    assert w.created == []


def test_there_is_a_limit() -> None:
    body = [["x" * 1000] * 200]
    steps = step(
        "a", one="{{ trigger.body }}", two="{{ trigger.body }}", three="{{ trigger.body }}"
    )
    w = World(workflow(steps), action("do-it"), body=body)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("NotStarted", "InputTooLarge")
    assert "over 524,288" in w.step("a")["message"]


def test_variables_made_of_it_have_a_limit_too() -> None:
    w = world(200_000, env=[{"name": "TEXT", "value": "{{ input.text }}"}])
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("NotStarted", "InputTooLarge")
    assert "env TEXT" in w.step("a")["message"]


RESERVED: list[Any] = [
    pytest.param({"volumes": [{"name": "workflow-do-input", "emptyDir": {}}]}, id="name"),
    *(
        pytest.param({**SCRATCH, "volumeMounts": [{"name": "scratch", "mountPath": path}]}, id=path)
        for path in ("/var/run/workflow.do", "/var/run/workflow.do/x/", "/run/../run/workflow.do")
    ),
]


@pytest.mark.parametrize("spec", RESERVED)
def test_its_place_is_reserved(spec: dict[str, Any]) -> None:
    found = define_action("a", {"image": "example.com/a:1", **spec})
    assert isinstance(found, Problem)
    assert found.reason is Reason.ACTION_NOT_READY
    assert "reserved" in found.message


@pytest.mark.parametrize("path", ["/var/run", "/var/run/workflow.dogs", "/data/run/workflow.do"])
def test_other_places_are_not(path: str) -> None:
    mounts = [{"name": "scratch", "mountPath": path}]
    found = define_action("a", {"image": "example.com/a:1", **SCRATCH, "volumeMounts": mounts})
    assert not isinstance(found, Problem)
