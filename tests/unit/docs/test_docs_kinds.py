"""The page of a kind tells of each field, default and limit of its definition, and of no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from docs_pages import ROOT, name, prose, spans, text

from workflow_do.api.conditions import ConditionType
from workflow_do.api.crd import DEFINITIONS, Definition, crd
from workflow_do.api.reasons import Reason

Node = dict[str, Any]
ELSEWHERE = {"WorkflowRevision": ("spec.workflow", "spec.actions")}
"""Frozen copies of other kinds, whose own pages tell of them."""
RECORDS = (
    "status.onFailure.",
    "status.finally[].",
    "status.steps[].compensation.",
    "status.steps[].items[].compensation.",
    "status.steps[].items[].",
)
"""Records of other units of work: their rows are those of a step's record."""
BOUNDS = ("minimum", "maximum", "maxLength", "maxItems", "maxProperties")
QUIET = {0, 1}
"""Bounds that need no number: none below, or at least something."""
each_kind = pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda d: d.names.kind)


def page(kind: Definition) -> str:
    return text(ROOT / "docs" / "kinds" / f"{kind.names.singular}.md")


def rows(kind: Definition) -> dict[str, str]:
    """Path of a field → the row that tells of it, in the sections called "Fields of …"."""
    sections = [s for s in page(kind).split("\n## ") if s.startswith("Fields of ")]
    return {
        path: line
        for line in "\n".join(sections).splitlines()
        if line.startswith("| `")
        for path in spans(line.split(" | ")[0])
        if path.startswith(("spec.", "status."))
    }


def fields(kind: Definition) -> dict[str, Node]:
    """Path of a field → its schema."""
    made = crd(kind)["spec"]["versions"][0]
    root = made["schema"]["openAPIV3Schema"]
    parts = {k: v for k, v in root["properties"].items() if k in ("spec", "status")}
    below = walk({"properties": parts}, "")
    skipped = tuple(f"{path}{mark}" for path in ELSEWHERE.get(kind.names.kind, ()) for mark in ".{")
    return {p: n for p, n in below if "." in p and not p.startswith(skipped)}


def walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    for key, child in (node.get("properties") or {}).items():
        here = f"{path}.{key}" if path else key
        yield here, child
        yield from walk(child, here)
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(keyword), dict):
            yield from walk(node[keyword], path + mark)


def facts(node: Node) -> set[str]:
    """The words that a field's row must hold: its limits, its choices, its default."""
    bounds = {node[key] for key in BOUNDS if key in node} - QUIET
    items = node.get("items", {})
    bounds |= {items["maxLength"]} if "maxLength" in items else set()
    numbers = {f"{bound:,}" for bound in bounds}
    default = re.search(r"Default: (\S+)\.$", node.get("description", ""))
    return numbers | set(node.get("enum", ())) | ({default[1]} if default else set())


@each_kind
def test_every_field_has_a_row(kind: Definition) -> None:
    told = rows(kind).keys()
    missing = {p for p in fields(kind).keys() - told if as_of_a_step(p) not in told}
    assert missing == set(), "add rows:\n" + "\n".join(
        draft(path, fields(kind)[path]) for path in sorted(missing)
    )


def as_of_a_step(path: str) -> str:
    """The path of the same field in a step's record, which the page says is the same."""
    of = next((record for record in RECORDS if path.startswith(record)), None)
    return path if of is None else f"status.steps[].{path.removeprefix(of)}"


def draft(path: str, node: Node) -> str:
    """A row to begin with."""
    return f"| `{path}` | {node.get('description', '')} | {', '.join(sorted(facts(node)))} |"


@each_kind
def test_every_row_is_of_a_field(kind: Definition) -> None:
    assert sorted(rows(kind).keys() - fields(kind).keys()) == []


@each_kind
def test_a_row_holds_limits_and_default(kind: Definition) -> None:
    told = rows(kind)
    missing = {
        path: lacking
        for path, node in fields(kind).items()
        if path.startswith("spec.") and path in told
        if (lacking := {fact for fact in facts(node) if not holds(told[path], fact)})
    }
    assert missing == {}


@each_kind
def test_a_row_says_what_is_required(kind: Definition) -> None:
    told, known = rows(kind), fields(kind)
    needed = set()
    for path, node in [("spec", root_spec(kind)), *known.items()]:
        mark = "[]" if "items" in node else ""
        needed |= {f"{path}{mark}.{key}" for key in (node.get("items") or node).get("required", ())}
    needed = {path for path in needed if path.startswith("spec.") and path in told}
    said = {path for path, row in told.items() if "**required**" in row}
    assert said == needed


def root_spec(kind: Definition) -> Node:
    made = crd(kind)["spec"]["versions"][0]
    spec: Node = made["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def holds(row: str, fact: str) -> bool:
    plain = fact.replace(",", "")
    return any(re.search(rf"(?<![\w,]){re.escape(f)}(?![\w,]\w)", row) for f in (fact, plain))


@each_kind
def test_the_names_and_columns_are_told(kind: Definition) -> None:
    words = [kind.names.short, *(column.name.upper() for column in kind.columns)]
    assert [word for word in words if word not in page(kind)] == []


@each_kind
def test_the_conditions_are_told(kind: Definition) -> None:
    known = fields(kind).get("status.conditions", {}).get("description", "")
    words = [type_.value for type_ in ConditionType if type_.value in known]
    assert [word for word in words if f"`{word}`" not in page(kind)] == []


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "kinds").glob("*.md")), ids=name)
def test_reasons_in_tables_of_errors_exist(file: Any) -> None:
    errors = prose(file).partition("\n## Errors\n")[2]
    assert errors
    found = {s for s in spans(errors) if re.fullmatch(r"[A-Z][A-Za-z]+", s)}
    kinds = {d.names.kind for d in DEFINITIONS} | {"Ready", "Succeeded", "AlreadyExists"}
    assert found - kinds - {reason.value for reason in Reason} == set()
