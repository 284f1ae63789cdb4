"""JSON values as expressions see them: their kinds, their text, their equality, their size.

Decides what a value looks like inside text and when two values are equal. Every function that
walks a value pays for the walk.
"""

from __future__ import annotations

import json
import math
from typing import Final

from workflow_do.engine.expressions.context import (
    MAX_INTEGER_BITS,
    MAX_VALUE_DEPTH,
    Context,
    Failed,
    Json,
    text_size,
)

_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1
_NODE_BYTES: Final = 16


def kind(value: Json) -> str:
    """What to call the value in a message."""
    return _KINDS.get(type(value), "a string" if isinstance(value, str) else "not JSON")


def is_number(value: Json) -> bool:
    """Whether this is a JSON number; true and false are none."""
    return type(value) is int or type(value) is float


def whole(value: Json, user: str) -> int:
    """The value as an integer, or a failure that names who needs one."""
    if type(value) is not int:
        raise Failed(f"`{user}` needs an integer, not {kind(value)}")
    return value


def number(value: Json, user: str) -> int | float:
    """The value as a number, or a failure that names who needs one."""
    if type(value) is int or type(value) is float:
        return value
    raise Failed(f"`{user}` needs a number, not {kind(value)}")


def string(value: Json, user: str) -> str:
    """The value as a string, or a failure that names who needs one."""
    if not isinstance(value, str):
        raise Failed(f"`{user}` needs a string, not {kind(value)}")
    return value


def sequence(value: Json, user: str) -> list[Json]:
    """The value as a list, or a failure that names who needs one."""
    if type(value) is not list:
        raise Failed(f"`{user}` needs a list, not {kind(value)}")
    return value


def mapping(value: Json, user: str) -> dict[str, Json]:
    """The value as a mapping, or a failure that names who needs one."""
    if type(value) is not dict:
        raise Failed(f"`{user}` needs a mapping, not {kind(value)}")
    return value


def finite(value: int | float) -> int | float:
    """The result of arithmetic, if JSON and the budget can hold it."""
    if type(value) is float:
        if not math.isfinite(value):
            raise Failed("the result is not a finite number")
    elif type(value) is not int:
        raise Failed("the result is not a real number")
    elif value.bit_length() > MAX_INTEGER_BITS:
        raise Failed(f"costs too much: an integer of more than {MAX_INTEGER_BITS:,} bits")
    return value


def text(ctx: Context, value: Json) -> str:
    """How a value stands inside text: strings as they are, everything else as JSON.

    Null has no text: it would silently become an empty or a strange word.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise Failed("null cannot stand in text; `| default(…)` gives another value")
    if type(value) is bool:
        return "true" if value else "false"
    if is_number(value):
        ctx.charge(24 + (value.bit_length() // 3 if type(value) is int else 0))
        return json.dumps(finite(value))
    return to_json(ctx, value)


def to_json(ctx: Context, value: Json) -> str:
    """The value as compact JSON, keys in the order they have."""
    measure(ctx, value)
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    ctx.charge_text(written)
    return written


def measure(ctx: Context, value: Json, depth: int = 0) -> None:
    """Pay for a whole value as if it were copied, and make sure that Kubernetes can hold it.

    One list can stand a thousand times in another, so that something small in memory is huge
    once written: this walk counts what will be written.
    """
    ctx.charge(_NODE_BYTES)
    if isinstance(value, str):
        ctx.charge(text_size(value))
        encodable(value)
    elif type(value) is int:
        if not _MIN_INTEGER <= value <= _MAX_INTEGER:
            raise Failed("the result holds an integer beyond 64 bits")
    elif type(value) is float:
        finite(value)
    elif type(value) is list or type(value) is dict:
        _measure_inside(ctx, value, depth)
    elif value is not None and type(value) is not bool:
        raise Failed("the result is not JSON")


def _measure_inside(ctx: Context, value: list[Json] | dict[str, Json], depth: int) -> None:
    if depth >= MAX_VALUE_DEPTH:
        raise Failed(f"a value is nested more than {MAX_VALUE_DEPTH} deep")
    if isinstance(value, list):
        for item in value:
            measure(ctx, item, depth + 1)
        return
    for key, item in value.items():
        if not isinstance(key, str):
            raise Failed("the result is not JSON: a key is not a string")
        measure(ctx, key, depth + 1)
        measure(ctx, item, depth + 1)


def encodable(value: str) -> None:
    """Refuse text that UTF-8 cannot carry: half of a surrogate pair."""
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Failed("the result holds half of a surrogate pair, which is not text") from None


def same(ctx: Context, left: Json, right: Json, depth: int = 0) -> bool:
    """JSON equality: 1 is 1.0, but true is not 1; lists in order, mappings by key."""
    ctx.step()
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, str) and isinstance(right, str):
        return _same_text(ctx, left, right)
    if type(left) is not type(right):
        return False
    if type(left) is list or type(left) is dict:
        return _same_inside(ctx, left, right, depth)
    return bool(left == right)


def _same_text(ctx: Context, left: str, right: str) -> bool:
    if len(left) != len(right):
        return False
    ctx.scan(left)
    return left == right


def _same_inside(ctx: Context, left: Json, right: Json, depth: int) -> bool:
    if depth >= MAX_VALUE_DEPTH:
        raise Failed(f"a value is nested more than {MAX_VALUE_DEPTH} deep")
    if len(left) != len(right):
        return False
    if type(left) is list:
        return all(same(ctx, a, b, depth + 1) for a, b in zip(left, right, strict=True))
    return all(key in right and same(ctx, left[key], right[key], depth + 1) for key in left)
