"""No false alarms: correct Workflows, the pages' and the examples' among them, have no findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.checking import BODY, check, closed, flow, step
from workflow_do.engine.check import check_action, check_workflow

ROOT = Path(__file__).resolve().parents[3]


def use(text: str) -> dict[str, Any]:
    return step("use", "anything", x="{{ " + text + " }}")


MAKE = step("make", "create-user", email="{{ trigger.body.email }}")

CLEAN: dict[str, dict[str, Any]] = {
    "no-schemas": flow(use("trigger.body.any.thing[0].at.all"), body=None),
    "output-without-schema": flow(step("a", "anything"), use("steps.a.output.any.thing")),
    "open-output": flow(step("a", "anything"), use("steps.a.output.x | int + 1")),
    "number-for-fraction": flow(step("a", "take-all", n="{{ trigger.body.age }}")),
    "integer-like-float": flow(step("a", "take-all", n=1.0)),
    "int-of-text": flow(step("a", "take-all", n="{{ trigger.body.email | length }}")),
    "int-cast": flow(step("a", "take-all", n="{{ trigger.body.price | int }}")),
    "round-cast": flow(step("a", "take-all", n="{{ trigger.body.price | round }}")),
    "text-of-number": flow(step("a", "take-all", title="{{ trigger.body.age }} years")),
    "string-cast": flow(step("a", "take-all", title="{{ trigger.body.age | string }}")),
    "optional-with-default": flow(use("trigger.body.note | default('none')")),
    "optional-with-null": flow(use("trigger.body.note | default(none)")),
    "optional-asked-about": flow(
        use("trigger.body.note if trigger.body.note is defined else 'none'")
    ),
    "optional-asked-by-in": flow(use("trigger.body.note if 'note' in trigger.body else ''")),
    "optional-and": flow(use("trigger.body.note is defined and trigger.body.note == 'x'")),
    "nullable-asked-about": flow(
        use("trigger.body.parent.id if trigger.body.parent is not none else 'root'")
    ),
    "nullable-compared": flow(
        use("trigger.body.parent.id if trigger.body.parent != none else 'root'")
    ),
    "nullable-default": flow(use("trigger.body.parent.id | default('root')")),
    "nullable-for-anything": flow(use("trigger.body.ref")),
    "output-by-ref": flow(MAKE, use("steps.make.output.home.city | upper")),
    "list-of-fields": flow(use("trigger.body.lines | map(attribute='price') | sum | round(2)")),
    "list-item": flow(use("trigger.body.lines[0].price * 2")),
    "list-last": flow(use("(trigger.body.lines | last).price")),
    "list-join": flow(MAKE, use("steps.make.output.tags | join(', ')")),
    "list-for-list": flow(MAKE, step("a", "take-all", tags="{{ steps.make.output.tags }}")),
    "list-sorted": flow(MAKE, step("a", "take-all", tags="{{ steps.make.output.tags | sort }}")),
    "list-and-list": flow(
        MAKE, step("a", "take-all", tags="{{ steps.make.output.tags + ['a'] }}")
    ),
    "empty-list": flow(step("a", "take-all", tags=[])),
    "enum-equal": flow(use("trigger.body.colour == 'red'")),
    "enum-narrower": flow(
        step("a", "take-all", level="{{ trigger.body.level }}"),
        body=closed("level", level={"enum": ["low"]}),
    ),
    "enum-from-text": flow(step("a", "take-all", level="{{ trigger.body.address.zip_code }}")),
    "enum-by-mapping": flow(
        step("a", "take-all", level="{{ {'red': 'low', 'green': 'high'}[trigger.body.colour] }}")
    ),
    "format-from-plain-text": flow(step("make", "create-user", email="{{ trigger.body.zip }}"),
                                   body=closed("zip", zip={"type": "string"})),
    "format-in-text": flow(step("make", "create-user", email="{{ trigger.body.age }}@example.com")),
    "whole-body": flow(
        step("make", "create-user", email="a@example.com"),
        step("use", "open-input", a="x"),
        body={"type": "object"},
    ),
    "mapping-literal": flow(step("a", "take-all", home="{{ {'city': trigger.body.email} }}")),
    "computed-key": flow(step("a", "take-all", labels="{{ {trigger.body.email: 'x'} }}")),
    "extra-fields": flow(step("a", "take-all", labels={"a": "x", "b": "{{ trigger.body.email }}"})),
    "not-like-a-schema": flow(
        use("trigger.body.x.y"), body={"properties": {"x": {"not": {}}}, "required": ["x"]}
    ),
    "if-then-else": flow(
        use("trigger.body.extra"),
        body={
            "type": "object",
            "properties": {"kind": {"type": "string"}},
            "required": ["kind"],
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"properties": {"extra": {"type": "string"}}, "required": ["extra"]},
        },
    ),
    "one-of": flow(
        use("trigger.body.id"),
        body={"oneOf": [closed("id", id={"type": "string"}), closed("id", id={"type": "integer"})]},
    ),
    "all-of": flow(
        use("trigger.body.id ~ trigger.body.name"),
        body={
            "allOf": [
                {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                {"properties": {"name": {"type": "string"}}, "required": ["name"]},
            ]
        },
    ),
    "required-without-type": flow(use("trigger.body.id"), body={"required": ["id"]}),
    "pattern-properties": flow(
        use("trigger.body.x_1"), body={"type": "object", "patternProperties": {"^x_": {}}}
    ),
    "additional-true": flow(
        use("trigger.body.other"),
        body={"type": "object", "properties": {"a": {}}, "additionalProperties": True},
    ),
    "additional-schema": flow(
        use("trigger.body.other | upper"),
        body={"type": "object", "additionalProperties": {"type": "string"}},
    ),
    "recursive-schema": flow(
        use("trigger.body.child.child.child.name"),
        body={
            "$ref": "#/$defs/node",
            "$defs": {
                "node": closed(
                    "name child", name={"type": "string"}, child={"$ref": "#/$defs/node"}
                )
            },
        },
    ),
    "headers": flow(use("trigger.headers['x-request-id'] | default('none')")),
    "trigger-id": flow(use("trigger.id | default('none')")),
    "run": flow(use("run.namespace ~ '/' ~ run.name ~ '/' ~ run.uid")),
    "workflow": flow(use("workflow.name ~ workflow.revision")),
    "state": flow(MAKE, use("steps.make.state == 'Succeeded'")),
    "braces-as-text": flow(use("'{{'")),
    "fromjson": flow(use("(trigger.body.email | fromjson).anything.at[0].all")),
    "concurrency": flow(MAKE, concurrency={"key": "{{ trigger.body.email }}"}),
    "needs": flow(
        MAKE,
        {**step("b", "anything", x="{{ steps.make.output.userId }}"), "needs": ["make"]},
        {**step("c", "anything", x="{{ steps.make.output.userId }}"), "needs": ["make"]},
        {
            **step("d", "anything", x="{{ steps.b.state }}{{ steps.make.output.userId }}"),
            "needs": ["b", "c"],
        },
    ),
    "when": flow({**MAKE, "when": "{{ trigger.body.age >= 18 and trigger.body.colour == 'red' }}"}),
    "when-asks": flow(
        {**use("trigger.body.note | upper"), "when": "{{ trigger.body.note is defined }}"}
    ),
    "when-asks-for-null": flow(
        {**use("trigger.body.ref | upper"), "when": "{{ trigger.body.ref != none }}"}
    ),
    "when-asks-the-state": flow(
        {**MAKE, "when": "{{ trigger.body.age > 18 }}"},
        {
            **step("sync", "add-to-crm", userId="{{ steps.make.output.userId }}",
                   email="{{ trigger.body.email }}"),
            "when": "{{ steps.make.state == 'Succeeded' }}",
        },
    ),
    "skipped-with-default": flow(
        {**MAKE, "when": "{{ trigger.body.age > 18 }}"},
        use("steps.make.output.userId | default('none')"),
        use("steps.make.output | default({})") | {"id": "two"},
        use("steps.make.state == 'Skipped'") | {"id": "three"},
    ),
    "continued-with-default": flow(
        {**MAKE, "onError": "Continue"},
        use("steps.make.output.userId if steps.make.state == 'Succeeded' else 'none'"),
    ),
    "for-each": flow(
        {
            **step("each", "take-all", title="{{ item.sku | default('-') }}", n="{{ index + 1 }}"),
            "forEach": {"items": "{{ trigger.body.lines }}"},
        },
        use("steps.each.output | length"),
    ),
    "continued-items": flow(
        {**MAKE, "forEach": {"items": "{{ [1, 2] }}"}, "onError": "Continue"},
        use(
            "steps.make.output | default([]) | select('mapping') | map(attribute='userId')"
            " | join(',')"
        ),
        use("(steps.make.output | default([]) | reject('none') | first).userId") | {"id": "two"},
        use("(steps.make.output | default([]))[0].userId | default('none')") | {"id": "three"},
    ),
    "for-each-output": flow(
        {**MAKE, "forEach": {"items": "{{ [1, 2] }}"}},
        use("steps.make.output | map(attribute='userId') | join(',')"),
        use("steps.make.output[0].userId") | {"id": "two"},
    ),
    "finally": flow(
        MAKE,
        **{
            "finally": [
                step("tidy", "anything", x="{{ steps.make.output.userId | default('none') }}"),
                step("tell", "anything", x="{{ failure.reason | default('fine') }}"),
            ]
        },
    ),
    "outputs": flow(
        MAKE,
        outputs={"userId": "{{ steps.make.output.userId }}", "n": "{{ trigger.body.age + 1 }}"},
    ),
    "outputs-of-a-skipped-step": flow(
        {**MAKE, "when": "{{ trigger.body.age > 18 }}"},
        outputs={"userId": "{{ steps.make.output.userId | default(none) }}"},
    ),
    "handler": flow(
        MAKE,
        onFailure={
            "action": "anything",
            "input": {
                "text": "{{ failure.step }}: {{ failure.reason }} {{ failure.message }}",
                "code": "{{ failure.exitCode | default(0) }}",
                "try": "{{ failure.attempt + 1 }}",
                "log": "{{ failure.logsTail }}",
                "user": "{{ steps.make.output.userId | default('none') }}",
                "state": "{{ steps.make.state == 'Failed' }}",
            },
        },
    ),
    "handler-asks-the-state": flow(
        MAKE,
        onFailure={
            "action": "anything",
            "input": {
                "u": "{{ steps.make.output.userId if steps.make.state == 'Succeeded' else '-' }}"
            },
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("spec", CLEAN.values(), ids=CLEAN)
def test_correct_workflows_are_clean(spec: dict[str, Any]) -> None:
    assert [str(f) for f in check(spec)] == []


def _objects(*paths: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"Action": [], "Workflow": []}
    for path in paths:
        for raw in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if isinstance(raw, dict) and raw.get("kind") in found:
                found[raw["kind"]].append(raw)
    return found


EXAMPLES = sorted(d for d in (ROOT / "examples").iterdir() if d.is_dir())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda d: d.name)
def test_every_example_is_clean(example: Path) -> None:
    found = _objects(*sorted(example.rglob("*.yaml")))
    actions = {a["metadata"]["name"]: a["spec"] for a in found["Action"]}
    for name, spec in actions.items():
        assert [str(f) for f in check_action(name, spec)] == []
    workflows = {w["metadata"]["name"]: w["spec"] for w in found["Workflow"]}
    for name, spec in workflows.items():
        findings = check_workflow(name, spec, actions, workflows=workflows)
        assert [str(f) for f in findings] == []


def test_there_are_correct_workflows_of_every_sort() -> None:
    assert len(CLEAN) >= 50
    assert BODY["required"]
