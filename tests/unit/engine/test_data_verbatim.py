"""Data that looks like a template, a shell command or a variable arrives as it was, everywhere.

Through the whole engine: body → input and environment → output → next input, undo and handler. That
it does so by every place that holds templates is shown by test_data_arrives.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.hostile import SHELL, TEMPLATES, environment, received
from support.world import World, action, step, workflow


def arrived(world: World, step_id: str | None = None) -> dict[str, Any]:
    """The input as the program finds it, with the variable that was rendered from it."""
    job = world.job(step_id)
    found = received(job)
    assert environment(job)["COPY"] == found["x"]
    return found


ACTION = {"env": [{"name": "COPY", "value": "{{ input.x }}"}]}
UNDO = {"action": "undo", "input": {"x": "{{ output.x }}"}}
FLOW = workflow(
    step("a", "first", x="{{ trigger.body.x }}", list=["{{ trigger.body }}"]),
    step("b", "second", x="{{ steps.a.output.x }}", text="<{{ steps.a.output.x }}>"),
    onFailure={
        "action": "tell",
        "input": {"x": "{{ trigger.body.x }}", "said": "{{ failure.logsTail }}"},
    },
)


@pytest.mark.parametrize("text", [*SHELL, *TEMPLATES[::10]])
def test_it_arrives_as_it_was(text: str) -> None:
    world = World(
        FLOW,
        action("first", compensate=UNDO, **ACTION),
        *(action(name, **ACTION) for name in ("second", "undo", "tell")),
        body={"x": text},
    )
    world.reconcile()
    assert arrived(world) == {"x": text, "list": [{"x": text}]}
    world.ends(json.dumps({"x": text}))
    world.reconcile()
    assert arrived(world) == {"x": text, "text": f"<{text}>"}
    pod = world.ends(text[:200], code=1)
    world.logs[pod["metadata"]["name"]] = text
    world.reconcile()
    assert arrived(world) == {"x": text}, "the undo"
    world.ends("{}")
    world.reconcile()
    assert arrived(world)["x"] == text
    world.ends("{}")
    world.reconcile()
    assert world.completed
    assert "hunter2" not in json.dumps(world.status)


def test_all_of_them_at_once_arrive_as_they_were() -> None:
    texts = [*SHELL, *TEMPLATES]
    given = {"all": "{{ trigger.body }}", "some": ["{{ trigger.body[0] }}"]}
    flow = workflow(step("a", "first", x="-", **given))
    world = World(flow, action("first", **ACTION), body=texts)
    world.reconcile()
    assert arrived(world) == {"x": "-", "all": texts, "some": [texts[0]]}


def test_a_key_that_looks_like_a_template_is_a_key() -> None:
    key = "{{ trigger.body }}"
    flow = workflow(
        {"id": "a", "action": "first", "input": {key: "{{ trigger.body.x }}", "x": "-"}}
    )
    world = World(flow, action("first", **ACTION), body={"x": "$(SECRET)"})
    world.reconcile()
    assert arrived(world) == {key: "$(SECRET)", "x": "-"}
