"""What holds for every CustomResourceDefinition: described, bounded, small, without defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from workflow_do.api import crd, names
from workflow_do.api.rules import Rule

CRDS = {definition.names.kind: crd.crd(definition) for definition in crd.DEFINITIONS}
MAX_BYTES = 200_000
kinds = pytest.mark.parametrize("kind", CRDS)


def schema(kind: str) -> dict[str, Any]:
    root: dict[str, Any] = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema node with its path: `spec.env[].name`, `{}` for the values of a map."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".lstrip("."))
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield from nodes(node[key], path + mark)


@kinds
def test_every_field_is_described(kind: str) -> None:
    bare = [
        path
        for path, node in nodes(schema(kind))
        # The API server describes metadata itself; items and values are their list's and map's.
        if not node.get("description") and path != "metadata" and path[-2:] not in ("[]", "{}")
    ]

    assert bare == []


@kinds
def test_everything_a_user_writes_is_bounded(kind: str) -> None:
    bound = {"string": "maxLength", "array": "maxItems"}
    unbounded = []
    for path, node in nodes(schema(kind)["properties"]["spec"]):
        of = bound.get(node.get("type", ""))
        if "additionalProperties" in node:
            of = "maxProperties"
        if of and of not in node and "enum" not in node:
            unbounded.append(path)

    assert unbounded == []


@kinds
def test_no_default_is_written_into_an_object(kind: str) -> None:
    assert [path for path, node in nodes(schema(kind)) if "default" in node] == []


@kinds
def test_the_status_never_refuses_a_word_of_a_newer_operator(kind: str) -> None:
    status = schema(kind)["properties"].get("status", {})
    narrow = {"enum", "pattern", "minimum", "minLength", "maxLength"}

    assert [path for path, node in nodes(status) if narrow & node.keys()] == []


@kinds
def test_the_definition_is_small(kind: str) -> None:
    assert len(orjson.dumps(CRDS[kind])) < MAX_BYTES


@kinds
def test_the_names_are_those_of_the_code(kind: str) -> None:
    given = CRDS[kind]["spec"]["names"]

    assert CRDS[kind]["metadata"]["name"] == f"{given['plural']}.{names.GROUP}"
    assert given["categories"] == ["do"]
    assert CRDS[kind]["spec"]["scope"] == "Namespaced"


def test_what_never_changes_has_no_status() -> None:
    without = [
        kind for kind, made in CRDS.items() if "subresources" not in made["spec"]["versions"][0]
    ]

    assert without == ["WorkflowRevision", "WorkflowApproval"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param("Action", "spec.inputSchema", id="inputSchema"),
        pytest.param("Action", "spec.outputSchema", id="outputSchema"),
        pytest.param("Workflow", "spec.trigger.bodySchema", id="bodySchema"),
        pytest.param("Workflow", "spec.steps[].input", id="input of a step"),
        pytest.param("Workflow", "spec.onFailure.input", id="input of onFailure"),
        pytest.param("WorkflowRun", "spec.trigger.body", id="body"),
        pytest.param("WorkflowRun", "status.steps[].output", id="output"),
        pytest.param("WorkflowApproval", "spec.data", id="data"),
    ],
)
def test_free_json_is_kept_whole(kind: str, path: str) -> None:
    assert dict(nodes(schema(kind)))[path]["x-kubernetes-preserve-unknown-fields"] is True


def test_free_json_stands_nowhere_else() -> None:
    free = {
        path.rpartition(".")[2]
        for kind in CRDS
        for path, node in nodes(schema(kind))
        if node.get("x-kubernetes-preserve-unknown-fields")
    }

    assert free == {
        "inputSchema",
        "outputSchema",
        "bodySchema",
        "input",
        "body",
        "output",
        "outputs",
        "data",
        "dataSchema",
    }


def test_the_body_of_a_trigger_may_be_any_json() -> None:
    assert "type" not in dict(nodes(schema("WorkflowRun")))["spec.trigger.body"]


def test_rules_stand_on_the_kinds_and_not_in_the_frozen_copies() -> None:
    places = [path for path, node in nodes(schema("WorkflowRevision")) if _rules(node)]

    assert places == ["spec"]


def test_every_rule_has_a_message_for_people() -> None:
    rules = [rule for kind in CRDS for _, node in nodes(schema(kind)) for rule in _rules(node)]

    assert len(rules) == sum(len(definition.rules) for definition in crd.DEFINITIONS)
    assert all(rule["message"] and "\n" not in rule["message"] for rule in rules)


def test_a_rule_whose_path_leads_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError, match="colour"):
        crd.attach(schema("Action"), [Rule("spec.colour", "true", "never")])


def _rules(node: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = node.get("x-kubernetes-validations", [])
    return rules
