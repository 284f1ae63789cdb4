"""The filters for lists and mappings, on the allow-list, and the table of all filters.

Decides what a filter takes and gives; each visited item is one step, so that nothing here can be
slow. Nothing is changed in place: the values belong to the scope.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Final

from workflow_do.engine.expressions.context import Context, Failed, Json, Missing
from workflow_do.engine.expressions.filters import TEXT_FILTERS, Filter
from workflow_do.engine.expressions.operators import add
from workflow_do.engine.expressions.places import child
from workflow_do.engine.expressions.predicates import PREDICATES
from workflow_do.engine.expressions.values import (
    is_number,
    kind,
    mapping,
    measure,
    sequence,
    string,
    text,
    to_json,
)


def _length(_ctx: Context, value: Json) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise Failed(f"`length` needs a string, a list or a mapping, not {kind(value)}")


def _first(_ctx: Context, value: Json) -> Json:
    return _end(value, 0, "first")


def _last(_ctx: Context, value: Json) -> Json:
    return _end(value, -1, "last")


def _end(value: Json, index: int, user: str) -> Json:
    if not isinstance(value, str) and type(value) is not list:
        raise Failed(f"`{user}` needs a list or a string, not {kind(value)}")
    if not value:
        raise Missing(lambda: f"`{user}` of something empty; `| default(…)` covers that")
    return value[index]


def _reverse(ctx: Context, value: Json) -> Json:
    if isinstance(value, str):
        ctx.charge_text(value)
    else:
        ctx.charge_list(len(sequence(value, "reverse")))
    return value[::-1]


def _join(ctx: Context, value: Json, separator: Json = "", attribute: Json = None) -> str:
    items = _picked(ctx, sequence(value, "join"), attribute)
    ctx.charge_list(len(items))
    words = [text(ctx, item) for item in items]
    for word in words:
        ctx.charge_text(word)
    ctx.charge_text(string(separator, "join"), max(len(words) - 1, 0))
    return str(separator).join(words)


def _list(_ctx: Context, value: Json) -> list[Json]:
    """Nothing: lists are lists here. For the habit of writing `| map(…) | list`."""
    return sequence(value, "list")


def _keys(ctx: Context, value: Json) -> list[Json]:
    ctx.charge_list(len(mapping(value, "keys")))
    return list(value)


def _values(ctx: Context, value: Json) -> list[Json]:
    ctx.charge_list(len(mapping(value, "values")))
    return list(value.values())


def _items(ctx: Context, value: Json) -> list[Json]:
    ctx.charge_mapping(len(mapping(value, "items")))
    return [[key, item] for key, item in value.items()]


def _sort(ctx: Context, value: Json, reverse: Json = False, attribute: Json = None) -> list[Json]:
    items = sequence(value, "sort")
    ranks = _ranks(ctx, items, attribute, "sort")
    ctx.charge_list(len(items))
    order = sorted(range(len(items)), key=ranks.__getitem__, reverse=bool(reverse))
    return [items[index] for index in order]


def _min(ctx: Context, value: Json, attribute: Json = None) -> Json:
    items = sequence(value, "min")
    _end(items, 0, "min")
    ranks = _ranks(ctx, items, attribute, "min")
    return items[min(range(len(items)), key=ranks.__getitem__)]


def _max(ctx: Context, value: Json, attribute: Json = None) -> Json:
    items = sequence(value, "max")
    _end(items, 0, "max")
    ranks = _ranks(ctx, items, attribute, "max")
    return items[max(range(len(items)), key=ranks.__getitem__)]


def _ranks(ctx: Context, items: list[Json], attribute: Json, user: str) -> list[Json]:
    """What to order the items by: all numbers or all strings. Long strings cost by length."""
    ranks = _picked(ctx, items, attribute)
    if all(is_number(rank) for rank in ranks):
        return ranks
    for rank in ranks:
        if not isinstance(rank, str):
            raise Failed(f"`{user}` needs only numbers or only strings")
        ctx.scan(rank)
    return ranks


def _sum(ctx: Context, value: Json, attribute: Json = None, start: Json = 0) -> Json:
    total = start
    for item in _picked(ctx, sequence(value, "sum"), attribute):
        if not is_number(item):
            raise Failed(f"`sum` needs a list of numbers; one item is {kind(item)}")
        total = add(ctx, total, item)
    return total


def _unique(ctx: Context, value: Json, attribute: Json = None) -> list[Json]:
    items = sequence(value, "unique")
    ctx.charge_list(len(items))
    found: dict[str, Json] = {}
    for item, rank in zip(items, _picked(ctx, items, attribute), strict=True):
        found.setdefault(_identity(ctx, rank), item)
    return list(found.values())


def _identity(ctx: Context, value: Json) -> str:
    """One text for each JSON value, equal where `==` is true."""
    measure(ctx, value)
    return to_json(ctx, _normal(value))


def _normal(value: Json) -> Json:
    """Keys in order, and 1.0 as 1. Only for what was measured, so that it is not deep."""
    if type(value) is float and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if type(value) is list:
        return [_normal(item) for item in value]
    if type(value) is dict:
        return {key: _normal(value[key]) for key in sorted(value)}
    return value


def _picked(ctx: Context, items: list[Json], attribute: Json) -> list[Json]:
    """The items, or what stands under the attribute of each. Pays the steps for a look at each."""
    keys = [] if attribute is None else _attribute_keys(attribute)
    ctx.step(len(items) * max(len(keys), 1))
    if not keys:
        return items
    ctx.charge_list(len(items))
    return [_attribute(item, keys) for item in items]


def _attribute_keys(attribute: Json) -> list[str | int]:
    parts = string(attribute, "attribute").split(".")
    if len(parts) > 20:
        raise Failed("an attribute has 20 parts at most")
    return [int(part) if part.isdecimal() and len(part) < 10 else part for part in parts]


def _attribute(item: Json, keys: list[str | int]) -> Json:
    for key in keys:
        item = child(item, key, "an item of the list")
    return item


def _map(
    ctx: Context,
    value: Json,
    filter: Json = None,  # noqa: A002 -- the name that users may write
    *arguments: Json,
    attribute: Json = None,
    default: Json = None,
) -> list[Json]:
    items = sequence(value, "map")
    if (filter is None) == (attribute is None):
        raise Failed("`map` needs either the name of a filter or `attribute=`")
    ctx.charge_list(len(items))
    if attribute is None:
        ctx.step(len(items))
        function = _named(FILTERS, filter, arguments, "filter")
        return [function(ctx, item, *arguments) for item in items]
    keys = _attribute_keys(attribute)
    ctx.step(len(items) * len(keys))
    return [_attribute_or(item, keys, default) for item in items]


def _attribute_or(item: Json, keys: list[str | int], default: Json) -> Json:
    try:
        return _attribute(item, keys)
    except Missing:
        if default is None:
            raise
        return default


def _select(ctx: Context, value: Json, test: Json = None, *arguments: Json) -> list[Json]:
    return _chosen(ctx, sequence(value, "select"), None, test, arguments, wanted=True)


def _reject(ctx: Context, value: Json, test: Json = None, *arguments: Json) -> list[Json]:
    return _chosen(ctx, sequence(value, "reject"), None, test, arguments, wanted=False)


def _selectattr(
    ctx: Context, value: Json, attribute: Json, test: Json = None, *arguments: Json
) -> list[Json]:
    return _chosen(ctx, sequence(value, "selectattr"), attribute, test, arguments, wanted=True)


def _rejectattr(
    ctx: Context, value: Json, attribute: Json, test: Json = None, *arguments: Json
) -> list[Json]:
    return _chosen(ctx, sequence(value, "rejectattr"), attribute, test, arguments, wanted=False)


def _chosen(
    ctx: Context,
    items: list[Json],
    attribute: Json,
    test: Json,
    arguments: tuple[Json, ...],
    *,
    wanted: bool,
) -> list[Json]:
    ctx.charge_list(len(items))
    keys: list[str | int] = [] if attribute is None else _attribute_keys(attribute)
    ctx.step(len(items) * max(len(keys), 1))
    passes = _test_of(ctx, keys, test, arguments)
    return [item for item in items if passes(item) is wanted]


def _test_of(
    ctx: Context, keys: list[str | int], test: Json, arguments: tuple[Json, ...]
) -> Callable[[Json], bool]:
    if test in ("defined", "undefined") and not arguments:
        return lambda item: _is_there(item, keys) is (test == "defined")
    if test is None:
        return lambda item: bool(_attribute(item, keys))
    name = _SYMBOLS.get(test, test) if isinstance(test, str) else test
    predicate = _named(PREDICATES, name, arguments, "test")
    return lambda item: bool(predicate(ctx, _attribute(item, keys), *arguments))


def _is_there(item: Json, keys: list[str | int]) -> bool:
    try:
        _attribute(item, keys)
    except Missing:
        return False
    return True


_SYMBOLS: Final[dict[str, str]] = {
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}


def _named(table: dict[str, Filter], name: Json, arguments: tuple[Json, ...], what: str) -> Filter:
    function = table.get(name) if isinstance(name, str) else None
    if function is None:
        raise Failed(f"there is no {what} of that name")
    if not accepts(function, len(arguments), ()):
        raise Failed(f"the {what} does not take {len(arguments)} arguments")
    return function


@functools.lru_cache(maxsize=4096)
def accepts(function: Filter, positional: int, names: tuple[str, ...]) -> bool:
    """Whether a filter or test takes so many arguments after its value, and these names."""
    try:
        inspect.signature(function).bind(None, None, *range(positional), **dict.fromkeys(names))
    except TypeError:
        return False
    return True


FILTERS: Final[dict[str, Filter]] = {
    **TEXT_FILTERS,
    "length": _length,
    "count": _length,
    "first": _first,
    "last": _last,
    "reverse": _reverse,
    "join": _join,
    "list": _list,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "sort": _sort,
    "min": _min,
    "max": _max,
    "sum": _sum,
    "unique": _unique,
    "map": _map,
    "select": _select,
    "reject": _reject,
    "selectattr": _selectattr,
    "rejectattr": _rejectattr,
}
