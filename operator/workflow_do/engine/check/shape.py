"""What is known of a JSON value before it exists: its kinds, values, fields and items.

A shape describes *at least* every value that can occur: what is not known is left open, so that
two shapes without a common value can never meet in a run. Decides how shapes are put together;
knows neither schemas nor expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

from workflow_do.api.base import Json

KINDS: Final = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
"""The types of JSON Schema; a number is an `integer` or a `fraction`."""
NUMBER: Final = frozenset({"integer", "fraction"})
MAX_VALUES: Final = 64


class Openness(IntEnum):
    """Which fields an object may have beside those that are named."""

    CLOSED = 0
    """None."""
    DECLARED = 1
    """The schema names fields and does not say whether there are others."""
    UNSAID = 2
    """The schema names no field."""
    OPEN = 3
    """Others are expressly allowed, or cannot be known."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object; `required`: it is there whenever the object is."""

    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """All values that may occur at one place."""

    kinds: frozenset[str] = KINDS
    values: tuple[Json, ...] | None = None
    """The only scalars that may occur; None: not known."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    openness: Openness = Openness.UNSAID
    extra: Shape | None = None
    """What fields without a name hold; None: not known."""
    items: Shape | None = None
    """What a list holds; None: not known."""
    elements: tuple[Shape, ...] | None = None
    """Of a list that is written out: each of its items."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """Keywords of JSON Schema for one scalar (`pattern`, `minimum` …), each to be kept."""
    note: str = ""
    """Why it may be null, for people."""

    @property
    def unknown(self) -> bool:
        """Whether it can be of any kind, so that nothing can be said against it."""
        return self.kinds == KINDS and self.values is None

    @property
    def impossible(self) -> bool:
        """Whether no value can occur."""
        return not self.kinds or self.values == ()


ANY: Final = Shape()
NEVER: Final = Shape(kinds=frozenset())
NULL: Final = Shape(kinds=frozenset({"null"}), values=(None,))
BOOLEAN: Final = Shape(kinds=frozenset({"boolean"}))
INTEGER: Final = Shape(kinds=frozenset({"integer"}))
FLOAT: Final = Shape(kinds=NUMBER)
STRING: Final = Shape(kinds=frozenset({"string"}))
ARRAY: Final = Shape(kinds=frozenset({"array"}))
OBJECT: Final = Shape(kinds=frozenset({"object"}))


def record(fields: Mapping[str, Shape]) -> Shape:
    """An object with exactly these fields."""
    named = {name: Field(shape, required=True) for name, shape in fields.items()}
    return Shape(frozenset({"object"}), fields=named, openness=Openness.CLOSED)


def list_of(items: Shape | None) -> Shape:
    """A list of such items."""
    return Shape(frozenset({"array"}), items=items)


def written_list(elements: Iterable[Shape]) -> Shape:
    """A list of just these items."""
    found = tuple(elements)
    return replace(list_of(union(found)), elements=found)


def of_value(value: Json) -> Shape:
    """A literal."""
    if isinstance(value, dict):
        return record({str(key): of_value(item) for key, item in value.items()})
    if isinstance(value, list):
        return written_list(of_value(item) for item in value)
    kind = kind_of(value)
    return Shape(frozenset({kind}), values=(value,))


def kind_of(value: Json) -> str:
    """The kind of a JSON value; 1.0 is an integer, as in JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "fraction"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "string"


def same(left: Json, right: Json) -> bool:
    """Equality of scalars as JSON has it: true is not 1."""
    return kind_of(left) == kind_of(right) and bool(left == right)


def nullable(shape: Shape, note: str) -> Shape:
    """The shape, or null for the reason given."""
    if shape.unknown:
        return replace(shape, note=note)
    values = None if shape.values is None else (*shape.values, None)
    return replace(shape, kinds=shape.kinds | {"null"}, values=values, note=note)


def not_null(shape: Shape) -> Shape:
    """The shape without null; what is unknown stays so."""
    if shape.unknown:
        return replace(shape, note="")
    values = shape.values
    if values is not None:
        values = tuple(v for v in values if v is not None)
    return replace(shape, kinds=shape.kinds - {"null"}, values=values, note="")


def narrowed(shape: Shape, kinds: frozenset[str]) -> Shape:
    """The shape with these kinds only."""
    return replace(shape, kinds=shape.kinds & kinds)


def union(shapes: Iterable[Shape]) -> Shape:
    """What is one of these; of none: unknown items are items that cannot occur."""
    found = [shape for shape in shapes if not shape.impossible]
    if not found:
        return NEVER
    merged = found[0]
    for shape in found[1:]:
        merged = _either(merged, shape)
    return merged


def _either(left: Shape, right: Shape) -> Shape:
    """One or the other. Fields of an object that one of them cannot be are those of the other."""
    values = None
    if left.values is not None and right.values is not None:
        both = (*left.values, *(v for v in right.values if not _among(v, left.values)))
        values = both if len(both) <= MAX_VALUES else None
    with_fields = [s for s in (left, right) if "object" in s.kinds]
    fields, openness, extra = _either_fields(with_fields)
    lists = [s.items for s in (left, right) if "array" in s.kinds]
    known = [items for items in lists if items is not None]
    return Shape(
        kinds=left.kinds | right.kinds,
        values=values,
        fields=fields,
        openness=openness,
        extra=extra,
        items=union(known) if lists and len(known) == len(lists) else None,
        rules=left.rules if left.rules == right.rules else (),
        note=left.note or right.note,
    )


def _either_fields(
    objects: list[Shape],
) -> tuple[Mapping[str, Field], Openness, Shape | None]:
    if len(objects) < 2:
        only = objects[0] if objects else ANY
        return only.fields, only.openness, only.extra
    left, right = objects
    fields = {}
    for name in [*left.fields, *(n for n in right.fields if n not in left.fields)]:
        held = [s.fields[name] for s in objects if name in s.fields]
        lacking = [s for s in objects if name not in s.fields]
        vague = any(s.openness is not Openness.CLOSED for s in lacking)
        shape = ANY if vague else union(f.shape for f in held)
        fields[name] = Field(shape, all(f.required for f in held) and not lacking)
    openness = max(left.openness, right.openness)
    known = [s.extra for s in objects if s.extra is not None]
    return fields, openness, union(known) if len(known) == len(objects) else None


def meet(left: Shape, right: Shape) -> Shape:
    """What is both."""
    values = left.values if right.values is None else right.values
    if left.values is not None and right.values is not None:
        values = tuple(v for v in left.values if _among(v, right.values))
    return Shape(
        kinds=left.kinds & right.kinds,
        values=values,
        fields=_both_fields(left, right),
        openness=_both_openness(left.openness, right.openness),
        extra=_both(left.extra, right.extra),
        items=_both(left.items, right.items),
        rules=(*left.rules, *right.rules),
        note=left.note or right.note,
    )


def _both(left: Shape | None, right: Shape | None) -> Shape | None:
    if left is None or right is None:
        return left or right
    return meet(left, right)


def _both_openness(left: Openness, right: Openness) -> Openness:
    for word in (Openness.CLOSED, Openness.OPEN, Openness.DECLARED):
        if word in (left, right):
            return word
    return Openness.UNSAID


def _both_fields(left: Shape, right: Shape) -> dict[str, Field]:
    fields = {}
    for name in [*left.fields, *(n for n in right.fields if n not in left.fields)]:
        held = [s.fields[name] for s in (left, right) if name in s.fields]
        lacking = [s for s in (left, right) if name not in s.fields]
        if any(s.openness is Openness.CLOSED for s in lacking):
            continue
        shape = held[0].shape if len(held) == 1 else meet(held[0].shape, held[1].shape)
        fields[name] = Field(shape, any(f.required for f in held))
    return fields


def _among(value: Json, values: Iterable[Json]) -> bool:
    return any(same(value, other) for other in values)


_WORDS: Final = {
    "null": "null",
    "boolean": "a boolean",
    "integer": "an integer",
    "fraction": "a fraction",
    "string": "a string",
    "array": "a list",
    "object": "a mapping",
}


def words(shape: Shape) -> str:
    """The kinds of a shape, for people: `a string or null`."""
    kinds = set(shape.kinds)
    if not kinds:
        return "nothing"
    found = []
    if kinds >= NUMBER:
        kinds -= NUMBER
        found = ["a number"]
    found += [_WORDS[kind] for kind in _WORDS if kind in kinds and kind != "null"]
    found += ["null"] if "null" in kinds else []
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} or {found[-1]}"
