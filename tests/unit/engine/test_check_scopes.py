"""What the checker believes a template sees is what a run shows it, at every place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from support.shapes import holds
from support.world import World, action, step, workflow
from workflow_do.engine import expressions as ex
from workflow_do.engine.check import check_action, check_workflow
from workflow_do.engine.check.places import Place
from workflow_do.engine.check.scopes import Scope
from workflow_do.engine.check.shape import Shape
from workflow_do.engine.expressions.model import Fields, Items, Node

ANSWER = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
X = "{{ run.name }}"
MAKE = action(
    "make",
    inputSchema={"type": "object"},
    outputSchema=ANSWER,
    env=[{"name": "X", "value": "{{ input.x }}"}],
    compensate={"action": "undo", "input": {"x": X}},
)
OTHERS = [action(name, outputSchema=ANSWER) for name in ("undo", "tell")]
FLOW = workflow(
    {**step("make", "make", x=X), "when": "{{ run.name != '' }}"},
    {
        **step("each", "tell", x="{{ index }}"),
        "forEach": {"items": "{{ [run.name] }}"},
        "compensate": {"action": "undo", "input": {"x": X}},
    },
    {**step("last", "tell", x=X), "onError": "Fail"},
    onFailure={"action": "tell", "input": {"x": X}},
    outputs={"x": X},
    **{"finally": [step("tidy", "tell", x=X)]},
)
PLACES = {
    "steps[0].when",
    "steps[0].input.x",
    "steps[1].forEach.items",
    "steps[1].input.x",
    "steps[1].compensate.input.x",
    "steps[2].input.x",
    "onFailure.input.x",
    "finally[0].input.x",
    "outputs.x",
    "env[0].value",
    "compensate.input.x",
}


def first_path(node: Node) -> str | None:
    """The place of the first template in a parsed value."""
    if isinstance(node, ex.Template):
        return node.path
    inside: tuple[Node, ...] = ()
    if isinstance(node, Fields):
        inside = tuple(item for _, item in node.fields)
    elif isinstance(node, Items):
        inside = node.items
    return next((path for item in inside if (path := first_path(item)) is not None), None)


def believed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scope]:
    """Every scope that the checker uses, by the place of a template."""
    scopes: dict[str, Scope] = {}
    text = Place.text

    def spy(self: Place, value: str, path: str) -> Shape:
        scopes.setdefault(path, self.scope)
        return text(self, value, path)

    monkeypatch.setattr(Place, "text", spy)
    specs = {raw["metadata"]["name"]: raw["spec"] for raw in (MAKE, *OTHERS)}
    assert [str(f) for f in check_action("make", MAKE["spec"])] == []
    assert [str(f) for f in check_workflow("flow", FLOW["spec"], specs)] == []
    return scopes


def shown(monkeypatch: pytest.MonkeyPatch, fails: bool) -> list[tuple[str, Mapping[str, Any]]]:
    """Every scope that a whole run renders with, by the place of the template."""
    scopes: list[tuple[str, Mapping[str, Any]]] = []
    render = ex.render

    def spy(tree: ex.Tree, scope: Mapping[str, Any]) -> Any:
        path = first_path(tree.root)
        if path is not None:
            scopes.append((path, dict(scope)))
        return render(tree, scope)

    monkeypatch.setattr(ex, "render", spy)
    world = World(FLOW, MAKE, *OTHERS, body={"a": 1})
    for _ in range(12):
        world.reconcile()
        if world.completed:
            break
        last = world.job()["metadata"]["labels"].get("workflow.do/step") == "last"
        world.ends(json.dumps({"id": "1"}), code=int(fails and last))
    assert world.completed
    return scopes


def test_scopes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    thought = believed(monkeypatch)
    assert thought.keys() >= PLACES
    seen = [*shown(monkeypatch, fails=True), *shown(monkeypatch, fails=False)]
    assert {path for path, _ in seen} == PLACES
    for path, scope in seen:
        roots = thought[path].roots
        # An Action's own undo must work in any Workflow, so it may use less than it is shown.
        more = scope.keys() - roots.keys() if path == "compensate.input.x" else set()
        assert scope.keys() - more == roots.keys(), path
        for name in roots:
            assert holds(roots[name], scope[name]), (path, name, scope[name])
