"""What can be written into an object of ours, enumerated from the generated definitions.

A field that is new is found here by itself: the tests that walk these places say what it may do.
Paths are those of the schema: `spec.env[].name`, `[]` for an item of a list, `{}` for a value of a
map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow_do.api import crd

Node = dict[str, Any]
WRITABLE = ("Action", "Workflow", "WorkflowRun", "WorkflowApproval")
"""The kinds that users make; revisions and statuses are the operator's."""
SCHEMAS: dict[str, Node] = {
    found.names.kind: crd.crd(found)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for found in crd.DEFINITIONS
}


def nodes(kind: str) -> Iterator[tuple[str, Node]]:
    """Every node of a kind's spec with its path, `spec` first."""
    yield from _walk(SCHEMAS[kind]["properties"]["spec"], "spec")


def _walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _walk(child, f"{path}.{name}")
    if "items" in node:
        yield from _walk(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _walk(node["additionalProperties"], f"{path}{{}}")


def levels(kind: str) -> list[str]:
    """The places that hold named fields and nothing else."""
    return [path for path, node in nodes(kind) if "properties" in node]


def open_places(kind: str) -> list[str]:
    """The places that take names or values which nobody has declared: data, and maps."""
    return [
        path
        for path, node in nodes(kind)
        if "additionalProperties" in node or node.get("x-kubernetes-preserve-unknown-fields")
    ]


def texts(kind: str) -> list[str]:
    """The places that take a text which is not one of a fixed list."""
    return [
        path
        for path, node in nodes(kind)
        if node.get("type") == "string" and "enum" not in node and "format" not in node
    ]


def put(path: str, value: Any) -> Any:
    """An object with nothing but `value` at the place (and what it takes to get there)."""
    if not path:
        return value
    head, rest = _first(path)
    inner = put(rest, value)
    if head == "[]":
        return [inner]
    return {"some": inner} if head == "{}" else {head: inner}


def _first(path: str) -> tuple[str, str]:
    for mark in ("[]", "{}"):
        if path.startswith(mark):
            return mark, path[2:].removeprefix(".")
    ends = [at for at in (path.find(c) for c in ".[{") if at >= 0]
    end = min(ends, default=len(path))
    return path[:end], path[end:].removeprefix(".")
