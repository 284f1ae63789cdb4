"""What the operators mean: arithmetic, comparison, membership, indexing.

Decides which kinds of values an operator takes; it never converts one kind into another in
silence. Costs are paid before the result is built.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final

from workflow_do.engine.expressions.context import MAX_INTEGER_BITS, Context, Failed, Json
from workflow_do.engine.expressions.values import finite, is_number, kind, number, same, string

Binary = Callable[[Context, Json, Json], Json]


def _arithmetic(symbol: str, apply: Callable[[Json, Json], Json]) -> Binary:
    def compute(_ctx: Context, left: Json, right: Json) -> Json:
        if not (is_number(left) and is_number(right)):
            raise Failed(f"`{symbol}` needs two numbers, not {kind(left)} and {kind(right)}")
        try:
            return finite(apply(left, right))
        except ZeroDivisionError:
            raise Failed("division by zero") from None
        except OverflowError:
            raise Failed("the result is too large a number") from None

    return compute


def _power(left: Json, right: Json) -> Json:
    if type(left) is int and type(right) is int and abs(left) > 1:
        _affordable(left.bit_length() * right)
    return left**right


def _product(left: Json, right: Json) -> Json:
    if type(left) is int and type(right) is int:
        _affordable(left.bit_length() + right.bit_length() - 1)
    return left * right


def _affordable(bits: int) -> None:
    if bits > MAX_INTEGER_BITS * 2:
        raise Failed(f"costs too much: an integer of more than {MAX_INTEGER_BITS:,} bits")


_add_numbers: Final = _arithmetic("+", operator.add)
_multiply_numbers: Final = _arithmetic("*", _product)


def add(ctx: Context, left: Json, right: Json) -> Json:
    """Sum of numbers, or two strings or two lists one after the other."""
    if isinstance(left, str) and isinstance(right, str):
        ctx.charge_text(left)
        ctx.charge_text(right)
        return left + right
    if type(left) is list and type(right) is list:
        ctx.charge_list(len(left) + len(right))
        return left + right
    if not (is_number(left) and is_number(right)):
        raise Failed(
            "`+` needs two numbers, two strings or two lists, "
            f"not {kind(left)} and {kind(right)}; `~` joins values as text"
        )
    return _add_numbers(ctx, left, right)


def multiply(ctx: Context, left: Json, right: Json) -> Json:
    """Product of numbers, or a string or list repeated."""
    if type(left) is int and (isinstance(right, str) or type(right) is list):
        left, right = right, left
    if type(right) is int and isinstance(left, str):
        ctx.charge_text(left, max(right, 0))
        return left * right
    if type(right) is int and type(left) is list:
        ctx.charge_list(len(left) * max(right, 0))
        return left * right
    return _multiply_numbers(ctx, left, right)


def negative(_ctx: Context, value: Json) -> Json:
    """Unary minus, for numbers."""
    return finite(-number(value, "-"))


def positive(_ctx: Context, value: Json) -> Json:
    """Unary plus, for numbers."""
    return number(value, "+")


def equal(ctx: Context, left: Json, right: Json) -> bool:
    """JSON equality."""
    return same(ctx, left, right)


def unequal(ctx: Context, left: Json, right: Json) -> bool:
    """The opposite of JSON equality."""
    return not same(ctx, left, right)


def _ordering(symbol: str, apply: Callable[[Json, Json], bool]) -> Binary:
    def compare(ctx: Context, left: Json, right: Json) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            ctx.scan(left)
        elif not (is_number(left) and is_number(right)):
            raise Failed(
                f"`{symbol}` needs two numbers or two strings, not {kind(left)} and {kind(right)}"
            )
        return apply(left, right)

    return compare


def contains(ctx: Context, item: Json, container: Json) -> bool:
    """`in`: an item of a list, a key of a mapping, a part of a string."""
    if type(container) is list:
        return any(same(ctx, item, candidate) for candidate in container)
    if type(container) is dict:
        return string(item, "in") in container
    if isinstance(container, str):
        ctx.scan(container)
        return string(item, "in") in container
    raise Failed(f"`in` needs a list, a mapping or a string, not {kind(container)}")


def lacks(ctx: Context, item: Json, container: Json) -> bool:
    """`not in`."""
    return not contains(ctx, item, container)


def cut(ctx: Context, value: Json, start: Json, stop: Json, step: Json) -> Json:
    """A slice of a list or a string."""
    for bound in (start, stop, step):
        if bound is not None and type(bound) is not int:
            raise Failed(f"a slice needs integers, not {kind(bound)}")
    if step == 0:
        raise Failed("the step of a slice cannot be 0")
    if not isinstance(value, str) and type(value) is not list:
        raise Failed(f"only a list or a string can be sliced, not {kind(value)}")
    length = len(range(*slice(start, stop, step).indices(len(value))))
    if isinstance(value, str):
        ctx.charge(4 * length)
    else:
        ctx.charge_list(length)
    return value[start:stop:step]


subtract: Final = _arithmetic("-", operator.sub)
divide: Final = _arithmetic("/", operator.truediv)
floor_divide: Final = _arithmetic("//", operator.floordiv)
modulo: Final = _arithmetic("%", operator.mod)
power: Final = _arithmetic("**", _power)

COMPARISONS: Final[dict[str, Binary]] = {
    "eq": equal,
    "ne": unequal,
    "lt": _ordering("<", operator.lt),
    "lteq": _ordering("<=", operator.le),
    "gt": _ordering(">", operator.gt),
    "gteq": _ordering(">=", operator.ge),
    "in": contains,
    "notin": lacks,
}
"""By the names that Jinja2 gives to the operators of a comparison."""
