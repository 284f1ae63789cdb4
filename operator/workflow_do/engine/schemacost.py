"""How much work a JSON Schema can make: which subschemas apply to one place of a value.

Decides two things that a validator does not: whether a schema refers only to itself, and how many
of its subschemas are visited for one path through a value. A few lines of `allOf` and `$ref` can
ask for 2^24 visits, and a recursive schema for 2^depth, or for so many visits inside each other
that the stack overflows and the process dies. A running validation cannot be stopped, so the
bound has to be known before it begins. Does not validate anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

Pointer: TypeAlias = tuple[str, ...]

MAX_SCHEMA_DEPTH: Final = 64
MAX_SUBSCHEMAS: Final = 1000
MAX_PATTERNS: Final = 100
MAX_VALUE_DEPTH: Final = 128
_SATURATED: Final = 1_000_000_000

_SAME_PLACE: Final = ("not", "if", "then", "else")
_SAME_PLACE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_UNEVALUATED: Final = ("unevaluatedProperties", "unevaluatedItems")
_KEPT_MAPS: Final = ("$defs", "definitions")
_REFERENCES: Final = ("$ref", "$dynamicRef")
_REFUSED: Final = {
    "$id": "leave it out: a schema here has no address",
    "$anchor": "leave it out: use `$ref: '#/…'`",
    "$dynamicAnchor": "leave it out: use `$ref: '#/…'`",
    "$recursiveRef": "use `$ref: '#/…'`",
    "$recursiveAnchor": "leave it out",
    "$vocabulary": "leave it out",
    "dependencies": "use `dependentSchemas` or `dependentRequired`",
    "additionalItems": "use `prefixItems` and `items`",
    "extends": "use `allOf`",
}
_DRAFTS: Final = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2020-12/schema#",
)


class RefusedSchema(Exception):
    """The schema uses what is not allowed here; `at` is the place in it."""

    def __init__(self, at: Pointer, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


@dataclass(slots=True)
class _Node:
    """One subschema: where it leads, and what it costs by itself."""

    weight: int = 1
    patterns: int = 0
    factor: int = 1
    same: list[Pointer] = field(default_factory=list)
    one_of: list[Pointer] = field(default_factory=list)
    each: list[Pointer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Load:
    """What one check asks for: bounds, not measurements."""

    visits: int
    """Subschemas that are visited for one path through the value."""
    patterns: int
    """Patterns that are tried on one text."""
    height: int
    """Subschemas that are being visited at the same time, one inside the other."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The load by the depth of the value; the last one holds for every greater depth."""

    loads: tuple[Load, ...]

    def at(self, depth: int) -> Load:
        """The load of a value nested that deep."""
        return self.loads[min(depth, len(self.loads) - 1)]


def survey(schema: Any) -> Cost:
    """The cost of a schema. Raises RefusedSchema. What is no schema is for others to find."""
    nodes: dict[Pointer, _Node] = {}
    references: list[tuple[Pointer, str, str]] = []
    _gather(schema, (), nodes, references)
    for at, keyword, reference in references:
        target = _target(at, keyword, reference)
        if target not in nodes:
            raise RefusedSchema(
                (*at, keyword), f"`{reference[:80]}` is no subschema of this schema"
            )
        nodes[at].same.append(target)
    if sum(node.patterns for node in nodes.values()) > MAX_PATTERNS:
        raise RefusedSchema((), f"more than {MAX_PATTERNS} patterns")
    return Cost(_grow(nodes, _in_order(nodes)))


def _gather(
    schema: Any,
    at: Pointer,
    nodes: dict[Pointer, _Node],
    references: list[tuple[Pointer, str, str]],
) -> None:
    if len(at) > MAX_SCHEMA_DEPTH:
        raise RefusedSchema(at[:8], f"the schema is nested more than {MAX_SCHEMA_DEPTH} deep")
    if len(nodes) >= MAX_SUBSCHEMAS:
        raise RefusedSchema((), f"more than {MAX_SUBSCHEMAS:,} subschemas")
    node = nodes[at] = _Node()
    if not isinstance(schema, dict):
        return
    _check_keywords(schema, at)
    node.weight += _size(schema, "enum") + (_size(schema, "properties") >> 2)
    node.weight += (_size(schema, "required") >> 2) + _size(schema, "dependentRequired")
    node.patterns = int("pattern" in schema) + _size(schema, "patternProperties")
    # To know what is unevaluated, a validator evaluates everything beside it once more.
    node.factor += sum(keyword in schema for keyword in _UNEVALUATED)
    references += [
        (at, key, schema[key]) for key in _REFERENCES if isinstance(schema.get(key), str)
    ]
    for pointer, subschema, into in _subschemas(schema, at, node):
        if into is not None:
            into.append(pointer)
        _gather(subschema, pointer, nodes, references)


def _check_keywords(schema: dict[Any, Any], at: Pointer) -> None:
    for keyword, cure in _REFUSED.items():
        if keyword in schema:
            raise RefusedSchema((*at, keyword), f"`{keyword}` is not supported; {cure}")
    if "$schema" in schema and schema["$schema"] not in _DRAFTS:
        raise RefusedSchema((*at, "$schema"), f"only draft 2020-12 is supported: {_DRAFTS[0]}")
    if schema.get("writeOnly") is True:
        raise RefusedSchema(
            (*at, "writeOnly"), "secrets do not come as input; use `env` with `secretKeyRef`"
        )


def _subschemas(
    schema: dict[Any, Any], at: Pointer, node: _Node
) -> Iterator[tuple[Pointer, Any, list[Pointer] | None]]:
    """Every subschema, and the list of the node in which its pointer belongs."""
    for keyword in _SAME_PLACE:
        if keyword in schema:
            yield (*at, keyword), schema[keyword], node.same
    for keyword in _SAME_PLACE_LISTS:
        yield from _entries(schema, at, keyword, node.same)
    yield from _entries(schema, at, "dependentSchemas", node.same)
    yield from _entries(schema, at, "properties", node.one_of)
    yield from _entries(schema, at, "prefixItems", node.one_of)
    for keyword in ("additionalProperties", "items"):
        if keyword in schema:
            yield (*at, keyword), schema[keyword], node.one_of
    yield from _entries(schema, at, "patternProperties", node.each)
    for keyword in ("contains", "propertyNames", *_UNEVALUATED):
        if keyword in schema:
            yield (*at, keyword), schema[keyword], node.each
    for keyword in _KEPT_MAPS:
        yield from _entries(schema, at, keyword, None)
    if "contentSchema" in schema:
        yield (*at, "contentSchema"), schema["contentSchema"], None


def _entries(
    schema: dict[Any, Any], at: Pointer, keyword: str, into: list[Pointer] | None
) -> Iterator[tuple[Pointer, Any, list[Pointer] | None]]:
    held = schema.get(keyword)
    if isinstance(held, list):
        held = dict(enumerate(held))
    if isinstance(held, dict):
        for key, subschema in held.items():
            yield (*at, keyword, str(key)), subschema, into


def _size(schema: dict[Any, Any], keyword: str) -> int:
    held = schema.get(keyword)
    return len(held) if isinstance(held, list | dict) else 0


def _target(at: Pointer, keyword: str, reference: str) -> Pointer:
    if reference == "#":
        return ()
    if not reference.startswith("#/"):
        raise RefusedSchema(
            (*at, keyword), "a reference must stay inside the schema: `#/$defs/name`"
        )
    parts = unquote(reference[2:]).split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def _in_order(nodes: dict[Pointer, _Node]) -> list[Pointer]:
    """Every node after those that apply at the same place of the value; a circle is refused.

    Iterative: a chain of references can be as long as the schema.
    """
    order: list[Pointer] = []
    state: dict[Pointer, int] = {}
    for start in nodes:
        stack = [start]
        while stack:
            here = stack[-1]
            if state.get(here) is None:
                state[here] = 1
                for there in nodes[here].same:
                    if state.get(there) == 1:
                        raise RefusedSchema(here, "refers to itself without going into the value")
                    if there not in state:
                        stack.append(there)
                continue
            if state[stack.pop()] == 1:
                state[here] = 2
                order.append(here)
    return order


def _grow(nodes: dict[Pointer, _Node], order: list[Pointer]) -> tuple[Load, ...]:
    """The load of the root for values of depth 0, 1, …, until it no longer grows."""
    below = dict.fromkeys(nodes, Load(0, 0, 0))
    loads: list[Load] = []
    for _ in range(MAX_VALUE_DEPTH + 1):
        now: dict[Pointer, Load] = {}
        for pointer in order:
            now[pointer] = _load(nodes[pointer], now, below)
        loads.append(now[()])
        if now == below or now[()].visits >= _SATURATED:
            break
        below = now
    return tuple(loads)


def _load(node: _Node, now: dict[Pointer, Load], below: dict[Pointer, Load]) -> Load:
    same = [now[pointer] for pointer in node.same]
    one_of = [below[pointer] for pointer in node.one_of]
    each = [below[pointer] for pointer in node.each]
    visits = sum(load.visits for load in same + each)
    visits += max((load.visits for load in one_of), default=0)
    patterns = sum(load.patterns for load in same + each)
    patterns += max((load.patterns for load in one_of), default=0)
    return Load(
        visits=min(node.weight + node.factor * visits, _SATURATED),
        patterns=min(node.patterns + node.factor * patterns, _SATURATED),
        height=1 + max((load.height for load in same + one_of + each), default=0),
    )
