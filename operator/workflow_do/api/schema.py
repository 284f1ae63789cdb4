"""Model → structural schema: what a CustomResourceDefinition can say of a pydantic model.

Decides how each JSON Schema keyword that pydantic writes is said in the dialect of Kubernetes, and
raises on whatever would be lost on the way: a constraint that silently disappears is worse than a
build that stops. Knows nothing of any single kind.

The dialect ("Specifying a structural schema" in the Kubernetes documentation): every node has a
type; no `$ref`, `const`, `oneOf` of types or null types; `exclusiveMinimum` is a flag beside
`minimum`; properties that are not declared are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

Node = dict[str, Any]

_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"

# fmt: off
_VERBATIM: Final = frozenset({
    "type", "format", "enum", "pattern", "minimum", "maximum", "multipleOf", "required",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    _PRESERVE, _INT_OR_STRING,
})
_STRICT_ONLY: Final = frozenset({
    "enum", "pattern", "minimum", "multipleOf", "minLength", "minItems", "minProperties",
})
_HANDLED: Final = frozenset({
    "title", "default", "description", "$ref", "$defs", "const", "anyOf", "allOf", "properties",
    "items", "additionalProperties", "exclusiveMinimum", "exclusiveMaximum",
})
# fmt: on


class LossyError(ValueError):
    """The model says something that a structural schema cannot."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}")


def structural(model: type[BaseModel], *, lenient: bool = False) -> Node:
    """The model as a structural schema, every `$ref` inlined.

    Defaults are left out, because the API server would write them into the users' objects, where
    GitOps tools see them as drift; a scalar default is named in the description instead. A lenient
    schema (a status) drops what narrows a value, so that an operator newer than the installed
    definition can still write; types and upper bounds stay. Raises LossyError.
    """
    schema = model.model_json_schema(by_alias=True)
    converter = _Converter(schema.get("$defs", {}), lenient)
    return converter.node(schema, model.__name__, ())


@dataclass(frozen=True, slots=True)
class _Converter:
    """One conversion: the definitions that `$ref`s point at, and how strict to be."""

    defs: Mapping[str, Node]
    lenient: bool

    def node(self, schema: Node, path: str, seen: tuple[str, ...]) -> Node:
        """One node and all below it; `seen` are the definitions it stands in, against cycles."""
        flat, seen = self._flatten(schema, path, seen)
        _refuse_unknown(flat, path)
        out = _described(flat, defaults=not self.lenient)
        out |= {k: v for k, v in flat.items() if k in _VERBATIM}
        out |= _constant(flat, path) | _exclusive_bounds(flat)
        if self.lenient:
            out = {k: v for k, v in out.items() if k not in _STRICT_ONLY}
        _check_enum(out, path)
        _check_pattern(out, path)
        self._children(flat, out, path, seen)
        _check_type(out, path)
        return out

    def _flatten(
        self, schema: Node, path: str, seen: tuple[str, ...]
    ) -> tuple[Node, tuple[str, ...]]:
        """The node with its `$ref`, its union with null and its int-or-string union merged in."""
        while True:
            if "$ref" in schema:
                name = schema["$ref"].removeprefix("#/$defs/")
                if name in seen:
                    raise LossyError(path, f"{name} holds itself; a CRD cannot be recursive")
                if name not in self.defs:
                    raise LossyError(path, f"$ref to {schema['$ref']}, which is not in $defs")
                seen = (*seen, name)
                schema = _merge(self.defs[name], _without(schema, "$ref"), path)
            elif "allOf" in schema:
                schema = _merge(
                    _only(schema["allOf"], "allOf", path), _without(schema, "allOf"), path
                )
            elif "anyOf" in schema:
                schema = _union(schema, path)
            else:
                return schema, seen

    def _children(self, flat: Node, out: Node, path: str, seen: tuple[str, ...]) -> None:
        if flat.get("properties"):
            out["properties"] = {
                name: self.node(child, f"{path}.{name}", seen)
                for name, child in flat["properties"].items()
            }
        if "items" in flat:
            out["items"] = self.node(flat["items"], f"{path}[]", seen)
        extra = flat.get("additionalProperties", False)
        if isinstance(extra, dict):
            if "properties" in out:
                raise LossyError(path, "properties and additionalProperties exclude each other")
            out["additionalProperties"] = self.node(extra, f"{path}{{}}", seen)
        elif extra and not flat.get(_PRESERVE):
            raise LossyError(path, f"free-form objects need {_PRESERVE}, or they are pruned")


def _without(schema: Node, *keys: str) -> Node:
    return {k: v for k, v in schema.items() if k not in keys}


def _merge(inner: Node, outer: Node, path: str) -> Node:
    """What a wrapper says wins for the texts; a constraint said twice is not guessed about."""
    texts = {"title", "description", "default"}
    for key in inner.keys() & outer.keys() - texts:
        if inner[key] != outer[key]:
            raise LossyError(path, f"{key} is given twice: {inner[key]!r} and {outer[key]!r}")
    return {**inner, **outer}


def _only(branches: list[Node], keyword: str, path: str) -> Node:
    if len(branches) != 1:
        raise LossyError(path, f"{keyword} of {len(branches)} schemas")
    return branches[0]


def _union(schema: Node, path: str) -> Node:
    """A union with null is an optional field; one of integer and string has a marker of its own."""
    rest = _without(schema, "anyOf")
    branches = [b for b in schema["anyOf"] if b != {"type": "null"}]
    if rest.get(_INT_OR_STRING):
        return _merge(_int_or_string(branches, path), rest, path)
    return _merge(_only(branches, "anyOf", path), rest, path)


def _int_or_string(branches: list[Node], path: str) -> Node:
    """Bounds of numbers and of strings stand side by side: each binds only its own type."""
    if sorted(str(b.get("type")) for b in branches) != ["integer", "string"]:
        raise LossyError(path, f"{_INT_OR_STRING} is a union of one integer and one string")
    out: Node = {}
    for branch in branches:
        out = _merge(out, _without(branch, "type", "title"), path)
    return out


def _refuse_unknown(schema: Node, path: str) -> None:
    unknown = sorted(schema.keys() - _VERBATIM - _HANDLED)
    if unknown:
        raise LossyError(path, f"{', '.join(unknown)} has no counterpart in a structural schema")


def _described(schema: Node, *, defaults: bool) -> Node:
    text = " ".join(str(schema.get("description", "")).split())
    default = schema.get("default")
    if defaults and isinstance(default, bool | int | float | str) and default != "":
        word = str(default).lower() if isinstance(default, bool) else str(default)
        text = f"{text} Default: {word}.".strip()
    return {"description": text} if text else {}


def _constant(schema: Node, path: str) -> Node:
    if "const" not in schema:
        return {}
    if "enum" in schema:
        raise LossyError(path, "const beside enum")
    return {"enum": [schema["const"]]}


def _exclusive_bounds(schema: Node) -> Node:
    """Draft 2020-12 gives the bound, the dialect of Kubernetes a flag beside the bound."""
    out: Node = {}
    for edge, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in schema:
            out |= {edge: schema[exclusive], exclusive: True}
    return out


def _check_enum(out: Node, path: str) -> None:
    if not all(isinstance(v, str | int) for v in out.get("enum", [])):
        raise LossyError(path, "an enum may hold strings and numbers only")


def _check_pattern(out: Node, path: str) -> None:
    """The API server's expressions are linear-time (RE2): no looking around, no references."""
    pattern = out.get("pattern", "")
    if any(mark in pattern for mark in ("(?=", "(?!", "(?<=", "(?<!", "\\1")):
        raise LossyError(path, f"the pattern {pattern!r} looks around or back")


def _check_type(out: Node, path: str) -> None:
    if "type" not in out and not out.get(_PRESERVE) and not out.get(_INT_OR_STRING):
        raise LossyError(path, f"without a type; any JSON needs {_PRESERVE}")
    if out.get("type") == "array" and "items" not in out:
        raise LossyError(path, "an array needs items of one schema")
    if out.get("type") == "null":
        raise LossyError(path, "a field that can only be null")
