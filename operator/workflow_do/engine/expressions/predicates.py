"""The tests of `is`, on the allow-list, each with its own few lines.

Decides what `x is number` and the like mean. `defined` and `undefined` are not here: they look at
whether there is a value at all, which the compiler knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workflow_do.engine.expressions.context import Context, Failed, Json
from workflow_do.engine.expressions.operators import COMPARISONS, contains, equal, unequal
from workflow_do.engine.expressions.values import is_number, string, whole

Predicate = Callable[..., bool]


def _none(_ctx: Context, value: Json) -> bool:
    return value is None


def _true(_ctx: Context, value: Json) -> bool:
    return value is True


def _false(_ctx: Context, value: Json) -> bool:
    return value is False


def _boolean(_ctx: Context, value: Json) -> bool:
    return type(value) is bool


def _number(_ctx: Context, value: Json) -> bool:
    return is_number(value)


def _integer(_ctx: Context, value: Json) -> bool:
    return type(value) is int


def _float(_ctx: Context, value: Json) -> bool:
    return type(value) is float


def _string(_ctx: Context, value: Json) -> bool:
    return isinstance(value, str)


def _mapping(_ctx: Context, value: Json) -> bool:
    return type(value) is dict


def _sequence(_ctx: Context, value: Json) -> bool:
    return type(value) is list


def _even(_ctx: Context, value: Json) -> bool:
    return whole(value, "even") % 2 == 0


def _odd(_ctx: Context, value: Json) -> bool:
    return whole(value, "odd") % 2 == 1


def _divisible(_ctx: Context, value: Json, by: Json) -> bool:
    if whole(by, "divisibleby") == 0:
        raise Failed("division by zero")
    return whole(value, "divisibleby") % whole(by, "divisibleby") == 0


def _starts(ctx: Context, value: Json, start: Json) -> bool:
    ctx.scan(string(start, "startswith"))
    return string(value, "startswith").startswith(start)


def _ends(ctx: Context, value: Json, end: Json) -> bool:
    ctx.scan(string(end, "endswith"))
    return string(value, "endswith").endswith(end)


def _less(ctx: Context, value: Json, other: Json) -> bool:
    return bool(COMPARISONS["lt"](ctx, value, other))


def _less_equal(ctx: Context, value: Json, other: Json) -> bool:
    return bool(COMPARISONS["lteq"](ctx, value, other))


def _greater(ctx: Context, value: Json, other: Json) -> bool:
    return bool(COMPARISONS["gt"](ctx, value, other))


def _greater_equal(ctx: Context, value: Json, other: Json) -> bool:
    return bool(COMPARISONS["gteq"](ctx, value, other))


PREDICATES: Final[dict[str, Predicate]] = {
    "none": _none,
    "true": _true,
    "false": _false,
    "boolean": _boolean,
    "number": _number,
    "integer": _integer,
    "float": _float,
    "string": _string,
    "mapping": _mapping,
    "sequence": _sequence,
    "even": _even,
    "odd": _odd,
    "divisibleby": _divisible,
    "startswith": _starts,
    "endswith": _ends,
    "in": contains,
    "eq": equal,
    "equalto": equal,
    "ne": unequal,
    "lt": _less,
    "le": _less_equal,
    "gt": _greater,
    "ge": _greater_equal,
}
