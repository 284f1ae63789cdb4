"""Every field of a model that can hold text, each in a spec that is valid but for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

Node = dict[str, Any]

_INSTEAD: Final = ("workflow", "wait", "approval")
"""Fields of a step without an Action."""
_VALID = {"action": "act", "image": "example.com/act:1", "name": "x", "id": "one", "key": "k"}


def specs_with(model: type[BaseModel], text: str) -> Iterator[tuple[str, Any]]:
    """(path, spec) for each field that can hold text, with the text in it."""
    schema = model.model_json_schema(by_alias=True)
    yield from _put(schema, schema.get("$defs", {}), "", text)


def _put(node: Node, defs: Node, path: str, text: str) -> Iterator[tuple[str, Any]]:
    """Every value of the node that holds the text in one place."""
    node = _resolved(node, defs)
    for branch in node.get("anyOf", ()):
        yield from _put(branch, defs, path, text)
    if node.get("type") == "string" or not node.keys() & {"type", "anyOf", "enum", "const"}:
        yield path, text
    if node.get("type") == "array":
        for below, value in _put(node["items"], defs, f"{path}[]", text):
            yield below, [value]
    if isinstance(node.get("additionalProperties"), dict) or (
        node.get("type") == "object" and "properties" not in node
    ):
        inner = node.get("additionalProperties")
        if not isinstance(inner, dict) or not inner:
            yield path, {"x": text}
        else:
            for below, value in _put(inner, defs, path, text):
                yield below, {"x": value}
    fields = node.get("properties", {})
    needed = {n: _valid(n, fields[n], defs) for n in _needs(node)}
    for name, field in fields.items():
        others = {n: v for n, v in needed.items() if name not in _INSTEAD or n != "action"}
        for below, value in _put(field, defs, f"{path}.{name}".lstrip("."), text):
            yield below, {**others, name: value}


def _needs(node: Node) -> list[str]:
    """What is required, and an Action: without one a compensation is none, and a step neither."""
    return [*node.get("required", ()), *(n for n in node.get("properties", {}) if n == "action")]


def _resolved(node: Node, defs: Node) -> Node:
    while "$ref" in node:
        node = {**defs[node["$ref"].removeprefix("#/$defs/")], **_without(node)}
    return node


def _without(node: Node) -> Node:
    return {k: v for k, v in node.items() if k != "$ref"}


def _valid(name: str, node: Node, defs: Node) -> Any:
    """Some value of a required field."""
    node = _resolved(node, defs)
    if "anyOf" in node:
        return _valid(name, node["anyOf"][0], defs)
    if "enum" in node or "const" in node:
        return node.get("const", node.get("enum", [None])[0])
    if node.get("type") == "array":
        return [_valid(name, node["items"], defs)]
    if node.get("type") == "object":
        fields = node.get("properties", {})
        return {n: _valid(n, fields[n], defs) for n in _needs(node)}
    return {"integer": 1, "boolean": True}.get(str(node.get("type")), _VALID.get(name, "x"))
