"""Every place that holds templates, and what is rendered there: the ways in for an expression.

A place that is not here is found by `test_every_way_in_is_known`, which puts a broken template
into every field of a Workflow and an Action: add it to WAYS, with the template that it becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from workflow_do.engine import expressions as ex
from workflow_do.engine.definition import Definition, define
from workflow_do.engine.problem import Problem
from workflow_do.engine.waitdef import ApprovalDef, WaitDef

Raw = dict[str, Any]
W = TypeVar("W", WaitDef, ApprovalDef)


@dataclass(frozen=True, slots=True)
class Way:
    """One place. `put` makes a Workflow spec and Actions with the template there."""

    place: str
    put: Callable[[str], tuple[Raw, Mapping[str, Raw]]]
    tree: Callable[[Definition], ex.Tree | None]

    def outcome(self, template: str, scope: Mapping[str, Any]) -> Any:
        """What comes of the template there: a Problem, a TemplateFailure, or the value."""
        spec, actions = self.put(template)
        found = define("flow", spec, actions)
        if isinstance(found, Problem):
            return found
        tree = self.tree(found)
        return ex.render(tree, scope) if tree is not None else None


def _flow(**changes: Any) -> Raw:
    return {"steps": [{"id": "one", "action": "act", "input": {}}], **changes}


def _action(**changes: Any) -> dict[str, Raw]:
    return {"act": {"image": "example.com/act:1", **changes}}


def _step(**changes: Any) -> Raw:
    return _flow(steps=[{"id": "one", "action": "act", **changes}])


def _env(template: str) -> tuple[Raw, dict[str, Raw]]:
    return _flow(), _action(env=[{"name": "X", "value": template}])


def _handler(definition: Definition) -> ex.Tree:
    assert definition.handler is not None
    return definition.handler.input


def _there(tree: ex.Tree | None) -> ex.Tree:
    assert tree is not None
    return tree


def _undone(template: str) -> tuple[Raw, dict[str, Raw]]:
    undo = {"action": "undo", "input": {"x": template}}
    return _flow(), {**_action(compensate=undo), "undo": {"image": "example.com/undo:1"}}


def _waits(definition: Definition, kind: type[W]) -> W:
    waits = definition.steps[0].waits
    assert isinstance(waits, kind)
    return waits


WAYS = (
    Way(
        "Workflow steps[].input",
        lambda t: (_step(input={"x": [t]}), _action()),
        lambda d: d.steps[0].input,
    ),
    Way(
        "Workflow steps[].when",
        lambda t: (_step(when=t), _action()),
        lambda d: _there(d.steps[0].when),
    ),
    Way(
        "Workflow steps[].forEach.items",
        lambda t: (_step(forEach={"items": t}), _action()),
        lambda d: _there(d.steps[0].items),
    ),
    Way(
        "Workflow finally[].input",
        lambda t: (
            _flow(**{"finally": [{"id": "end", "action": "act", "input": {"x": t}}]}),
            _action(),
        ),
        lambda d: d.finals[0].input,
    ),
    Way(
        "Workflow outputs",
        lambda t: (_flow(outputs={"x": t}), _action()),
        lambda d: _there(d.outputs),
    ),
    Way(
        "Workflow onFailure.input",
        lambda t: (_flow(onFailure={"action": "act", "input": {"x": t}}), _action()),
        _handler,
    ),
    Way(
        "Workflow steps[].compensate.input",
        lambda t: (_step(compensate={"action": "act", "input": {"x": t}}), _action()),
        lambda d: d.undos["one"].input,
    ),
    Way(
        "Workflow steps[].wait.until",
        lambda t: (_flow(steps=[{"id": "one", "wait": {"until": t}}]), _action()),
        lambda d: _waits(d, WaitDef).until,
    ),
    Way(
        "Workflow steps[].approval.message",
        lambda t: (_flow(steps=[{"id": "one", "approval": {"message": t}}]), _action()),
        lambda d: _waits(d, ApprovalDef).message,
    ),
    Way(
        "Workflow concurrency.key",
        lambda t: (_flow(concurrency={"key": t}), _action()),
        lambda d: _there(d.concurrency_key),
    ),
    Way("Action env[].value", _env, lambda d: d.steps[0].action.env["X"]),
    Way("Action compensate.input", _undone, lambda d: d.undos["one"].input),
)
