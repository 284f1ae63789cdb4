"""What each filter needs and gives, as shapes.

Decides nothing of its own: it says in shapes what `engine/expressions` does with values; a test
compares both for every filter. A filter that is not here gives something unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from workflow_do.engine.check.shape import (
    ANY,
    FLOAT,
    INTEGER,
    NUMBER,
    STRING,
    Openness,
    Shape,
    list_of,
    narrowed,
    not_null,
    union,
)
from workflow_do.engine.expressions.listfilters import FILTERS
from workflow_do.engine.expressions.places import nearest
from workflow_do.engine.expressions.predicates import PREDICATES

_LIST: Final = frozenset({"array"})
_TEXT: Final = frozenset({"string"})
_MAPPING: Final = frozenset({"object"})
_PRINTABLE: Final = ANY.kinds - {"null"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a filter gives; what it needs of the value before it; what is wrong by its arguments."""

    shape: Shape
    needs: frozenset[str] | None = None
    wanted: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Call:
    subject: Shape
    given: Sequence[Shape]
    named: Mapping[str, Shape]

    def constant(self, at: int, name: str) -> Any:
        """The constant value of an argument, or None."""
        shape = self.given[at] if at < len(self.given) else self.named.get(name)
        if shape is None or shape.values is None or len(shape.values) != 1:
            return None
        return shape.values[0]

    def has(self, at: int, name: str) -> bool:
        return at < len(self.given) or name in self.named


def apply(name: str, subject: Shape, given: Sequence[Shape], named: Mapping[str, Shape]) -> Outcome:
    """The outcome of `subject | name(given…, named…)`."""
    rule = _RULES.get(name)
    return Outcome(ANY) if rule is None else rule(_Call(subject, given, named))


Rule = Callable[[_Call], Outcome]


def _makes(shape: Shape, needs: frozenset[str] | None, wanted: str) -> Rule:
    return lambda _call: Outcome(shape, needs, wanted)


def _items(shape: Shape) -> Shape:
    """What a list holds."""
    return shape.items if shape.items is not None else ANY


def _keeps_items(call: _Call) -> Outcome:
    """The same items, in another order or fewer."""
    return Outcome(list_of(call.subject.items), _LIST, "a list")


def _reverse(call: _Call) -> Outcome:
    kinds = _LIST | _TEXT
    shape = replace(narrowed(call.subject, kinds), values=None, elements=None)
    return Outcome(ANY if call.subject.unknown else shape, kinds, "a list or a string")


def _end(call: _Call) -> Outcome:
    kinds = _LIST | _TEXT
    if call.subject.kinds == _LIST:
        return Outcome(_items(call.subject), kinds, "a list or a string")
    return Outcome(STRING if call.subject.kinds == _TEXT else ANY, kinds, "a list or a string")


def _extreme(call: _Call) -> Outcome:
    return Outcome(_items(call.subject), _LIST, "a list")


def _number(made: Shape) -> Rule:
    """What cannot be a number is the default; without one it is a failure."""

    def rule(call: _Call) -> Outcome:
        if call.has(0, "default"):
            instead = call.given[0] if call.given else call.named["default"]
            return Outcome(union([made, instead]))
        return Outcome(made, NUMBER | _TEXT, "a number or the text of one")

    return rule


def _round(call: _Call) -> Outcome:
    if not call.has(0, "precision") or call.constant(0, "precision") == 0:
        return Outcome(INTEGER, NUMBER, "a number")
    return Outcome(FLOAT, NUMBER, "a number")


def _abs(call: _Call) -> Outcome:
    exact = call.subject.kinds & NUMBER == {"integer"}
    return Outcome(INTEGER if exact else FLOAT, NUMBER, "a number")


def _sum(call: _Call) -> Outcome:
    items = _items(call.subject)
    exact = items.kinds == {"integer"} and not call.has(0, "attribute") and not call.named
    return Outcome(INTEGER if exact else FLOAT, _LIST, "a list")


def _values(call: _Call) -> Outcome:
    fields = [f.shape for f in call.subject.fields.values()]
    closed = call.subject.openness is Openness.CLOSED
    return Outcome(list_of(union(fields) if closed else None), _MAPPING, "a mapping")


def _map(call: _Call) -> Outcome:
    attribute = call.constant(9, "attribute")
    if isinstance(attribute, str):
        return _map_attribute(call, attribute)
    name = call.constant(0, "filter")
    if not isinstance(name, str):
        return Outcome(list_of(None), _LIST, "a list")
    if name not in FILTERS:
        fault = f"there is no filter `{name[:64]}`{nearest(name, FILTERS)}"
        return Outcome(list_of(None), _LIST, "a list", (fault,))
    inner = apply(name, _items(call.subject), call.given[1:], {})
    return Outcome(list_of(inner.shape), _LIST, "a list", inner.faults)


def _map_attribute(call: _Call, attribute: str) -> Outcome:
    shape = _items(call.subject)
    for part in attribute.split("."):
        found = _attribute(shape, part)
        if isinstance(found, str):
            faults = () if "default" in call.named else (found,)
            return Outcome(list_of(None), _LIST, "a list", faults)
        shape = found
    if "default" in call.named:
        shape = union([not_null(shape), call.named["default"]]) if not shape.unknown else ANY
    return Outcome(list_of(shape), _LIST, "a list")


def _attribute(shape: Shape, part: str) -> Shape | str:
    if shape.impossible or part.isdecimal():
        return ANY
    if part in shape.fields:
        return shape.fields[part].shape
    if "object" in shape.kinds and shape.openness in (Openness.CLOSED, Openness.DECLARED):
        known = ", ".join(f"`{name}`" for name in list(shape.fields)[:8])
        return f"the items have no `{part[:64]}`{nearest(part, shape.fields)}; they have {known}"
    return ANY


def _chosen(at: int, no_nulls: frozenset[str] = frozenset()) -> Rule:
    """`select` and its kin: the name of the test is argument number `at`.

    no_nulls: tests after which no null is left in the list; "": without any test.
    """

    def rule(call: _Call) -> Outcome:
        faults: list[str] = []
        test = call.constant(at, "test")
        known = {*PREDICATES, "defined", "undefined", *_SYMBOLS}
        if isinstance(test, str) and test not in known:
            faults.append(f"there is no test `{test[:64]}`{nearest(test, sorted(known))}")
        attribute = call.constant(0, "attribute") if at == 1 else None
        if isinstance(attribute, str) and test not in ("defined", "undefined"):
            found = _attribute(_items(call.subject), attribute.split(".")[0])
            faults += [found] if isinstance(found, str) else []
        items = call.subject.items
        if items is not None and (test if call.has(at, "test") else "") in no_nulls:
            items = not_null(items)
        return Outcome(list_of(items), _LIST, "a list", tuple(faults))

    return rule


_NO_NULLS: Final = frozenset({"", "mapping", "string", "number", "integer", "float", "sequence"})
_SYMBOLS: Final = ("==", "!=", "<", "<=", ">", ">=")

_RULES: Final[dict[str, Rule]] = {
    **{
        name: _makes(STRING, _TEXT, "a string")
        for name in ("lower", "upper", "capitalize", "title", "trim", "replace", "truncate")
    },
    **{name: _makes(STRING, _TEXT, "a string") for name in ("b64encode", "b64decode")},
    "split": _makes(list_of(STRING), _TEXT, "a string"),
    "string": _makes(STRING, _PRINTABLE, "something with text"),
    "urlencode": _makes(STRING, _PRINTABLE, "something with text"),
    "tojson": _makes(STRING, None, ""),
    "fromjson": _makes(ANY, _TEXT, "a string"),
    "int": _number(INTEGER),
    "float": _number(FLOAT),
    "round": _round,
    "abs": _abs,
    "length": _makes(INTEGER, _LIST | _TEXT | _MAPPING, "a string, a list or a mapping"),
    "count": _makes(INTEGER, _LIST | _TEXT | _MAPPING, "a string, a list or a mapping"),
    "first": _end,
    "last": _end,
    "reverse": _reverse,
    "join": _makes(STRING, _LIST, "a list"),
    "list": _keeps_items,
    "keys": _makes(list_of(STRING), _MAPPING, "a mapping"),
    "values": _values,
    "items": _makes(list_of(list_of(None)), _MAPPING, "a mapping"),
    "sort": _keeps_items,
    "min": _extreme,
    "max": _extreme,
    "sum": _sum,
    "unique": _keeps_items,
    "map": _map,
    "select": _chosen(0, _NO_NULLS),
    "reject": _chosen(0, frozenset({"none"})),
    "selectattr": _chosen(1),
    "rejectattr": _chosen(1),
}
