"""JSON Schemas read as shapes: what a value that fits is sure to be.

Decides which keywords tell something for certain. What cannot be known from one look (`not`,
`if`, patterns of names, a schema that goes on for ever) is left open, so that a check that rests
on it stays silent. Total, whatever the schema holds, and of bounded work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from workflow_do.api.base import Json
from workflow_do.engine.check.shape import (
    ANY,
    KINDS,
    MAX_VALUES,
    NEVER,
    Field,
    Openness,
    Shape,
    kind_of,
    meet,
    union,
)

_MAX_NODES: Final = 1000
_MAX_DEPTH: Final = 10
_TYPES: Final = {
    "null": frozenset({"null"}),
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "fraction"}),
    "string": frozenset({"string"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
_RULES: Final = (
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
)
_VAGUE: Final = (
    "if",
    "not",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
    "$dynamicRef",
)
"""Beside these, fields may be known that `properties` does not name."""


def read_schema(schema: Json) -> Shape:
    """The shape of the values that fit the schema."""
    return _Reader(schema).read(schema, 0)


class _Reader:
    """One reading of one schema, within a budget of subschemas."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._left = _MAX_NODES

    def read(self, schema: Json, depth: int) -> Shape:
        self._left -= 1
        if schema is False:
            return NEVER
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self._left < 0:
            return replace(ANY, openness=Openness.OPEN)
        shape = self._own(schema, depth)
        for part in self._parts(schema):
            shape = meet(shape, self.read(part, depth + 1))
        for keyword in ("anyOf", "oneOf"):
            branches = schema.get(keyword)
            if isinstance(branches, list) and branches:
                shape = meet(shape, union(self.read(b, depth + 1) for b in branches))
        return shape

    def _parts(self, schema: Mapping[str, Any]) -> list[Json]:
        """What has to hold as well: `$ref` and `allOf`."""
        parts = schema.get("allOf")
        found = list(parts) if isinstance(parts, list) else []
        if isinstance(schema.get("$ref"), str):
            found.append(self._target(schema["$ref"]))
        return found

    def _target(self, reference: str) -> Json:
        here = self._root
        for part in unquote(reference).removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, list) and key.isdecimal() and int(key) < len(here):
                here = here[int(key)]
            elif isinstance(here, dict) and key in here:
                here = here[key]
            else:
                return True
        return here

    def _own(self, schema: Mapping[str, Any], depth: int) -> Shape:
        fields = self._fields(schema, depth)
        extra = schema.get("additionalProperties")
        return Shape(
            kinds=_kinds(schema),
            values=_values(schema),
            fields=fields,
            openness=_openness(schema, fields),
            extra=self.read(extra, depth + 1) if isinstance(extra, dict) else None,
            items=self._items(schema, depth),
            rules=_rules(schema),
        )

    def _fields(self, schema: Mapping[str, Any], depth: int) -> dict[str, Field]:
        named = schema.get("properties")
        required = schema.get("required")
        needed = {n for n in required if isinstance(n, str)} if isinstance(required, list) else ()
        fields = {}
        if isinstance(named, dict):
            for name, part in named.items():
                fields[str(name)] = Field(self.read(part, depth + 1), name in needed)
        if schema.get("additionalProperties") is not False:
            for name in needed:
                fields.setdefault(name, Field(ANY, required=True))
        return fields

    def _items(self, schema: Mapping[str, Any], depth: int) -> Shape | None:
        if "items" not in schema or "prefixItems" in schema:
            return None
        return self.read(schema["items"], depth + 1)


def _kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    said = schema.get("type")
    names = said if isinstance(said, list) else [said]
    found = [_TYPES[n] for n in names if isinstance(n, str) and n in _TYPES]
    kinds = frozenset().union(*found) if found else KINDS
    values = _constants(schema)
    return kinds if values is None else kinds & {kind_of(value) for value in values}


def _values(schema: Mapping[str, Any]) -> tuple[Json, ...] | None:
    values = _constants(schema)
    if values is None or len(values) > MAX_VALUES:
        return None
    return None if any(isinstance(v, dict | list) for v in values) else tuple(values)


def _constants(schema: Mapping[str, Any]) -> list[Json] | None:
    if "const" in schema:
        return [schema["const"]]
    enum = schema.get("enum")
    return enum if isinstance(enum, list) else None


def _openness(schema: Mapping[str, Any], fields: Mapping[str, Field]) -> Openness:
    extra = schema.get("additionalProperties")
    vague = any(keyword in schema for keyword in _VAGUE)
    if extra is False:
        return Openness.OPEN if "patternProperties" in schema else Openness.CLOSED
    if extra is not None or vague:
        return Openness.OPEN
    return Openness.DECLARED if fields and "properties" in schema else Openness.UNSAID


def _rules(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    found = {keyword: schema[keyword] for keyword in _RULES if keyword in schema}
    return (found,) if found else ()
