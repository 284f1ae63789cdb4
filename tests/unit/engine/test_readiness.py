"""Ready of definitions, from raw objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from support.world import action, step, workflow
from workflow_do.api import conditions as cond
from workflow_do.engine.readiness import action_status, workflow_status

NOW = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
CLOSED = {"properties": {"n": {"type": "integer"}}, "additionalProperties": False}


def ready(flow: dict[str, Any], *actions: dict[str, Any]) -> cond.Condition:
    status = workflow_status(flow, {a["metadata"]["name"]: a for a in actions}, NOW)
    found = cond.find(status.conditions, "Ready")
    assert found is not None
    stalled = cond.find(status.conditions, "Stalled")
    assert (stalled is not None) == (found.status == "False")
    return found


def test_every_finding_stands_in_the_message_errors_first() -> None:
    flow = workflow(
        step("a", m=1, n="{{ trigger.body.x | default(1) }}"),
        step("b", n="x"),
        trigger={"bodySchema": {"type": "object", "properties": {"x": {}, "y": {}}}},
        outputs={"y": "{{ trigger.body.y }}"},
    )
    row = ready(flow, action("do-it", inputSchema=CLOSED))
    assert (row.status, row.reason) == ("False", "WorkflowNotReady")
    first, second, third = row.message.split("; ")[0], row.message, row.message.split("; ")[-2]
    assert first.startswith("steps[0].input.m: `m` is not taken")
    assert 'steps[1].input.n: it is "x", a string, not an integer (inputSchema of do-it)' in second
    assert third.startswith("warning: outputs.y: `trigger.body.y` may be absent")


def test_a_warning_leaves_it_ready() -> None:
    flow = workflow(
        step("a"),
        trigger={"bodySchema": {"type": "object", "properties": {"y": {}}}},
        outputs={"y": "{{ trigger.body.y }}"},
    )
    row = ready(flow, action("do-it"))
    assert (row.status, row.reason) == ("True", "Ready")
    assert row.message.startswith("warning: outputs.y: ")


def test_a_missing_action_is_the_reason() -> None:
    row = ready(workflow(step("a")))
    assert (row.status, row.reason) == ("False", "ActionNotFound")
    assert row.message == "steps[0].action: there is no Action `do-it`; apply it"


def test_an_action_tells_every_finding() -> None:
    raw = action(
        "x",
        inputSchema={"type": "strin"},
        outputSchema={"$ref": "https://example.com/x"},
        env=[{"name": "ACTION_X", "value": "{{ nope }}"}],
    )
    found = cond.find(action_status(raw, NOW).conditions, "Ready")
    assert found is not None
    assert (found.status, found.reason) == ("False", "ActionNotReady")
    for place in ("inputSchema.type: ", "outputSchema.$ref: ", "env[0].name: ", "env[0].value: "):
        assert place in found.message
