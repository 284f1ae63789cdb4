"""Reads JSON text strictly: only what every other reader would understand in the same way.

Decides which JSON is refused although Python's reader would take it: NaN and Infinity, a key that
is there twice, integers beyond 64 bits (Kubernetes cannot hold them), floats that overflow, half
surrogate pairs, deep nesting. Never raises. No data stands in a message.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 100
_MAX_INTEGER_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class StrictJson:
    """The value that the text stands for."""

    value: Any


@dataclass(frozen=True, slots=True)
class NotStrictJson:
    """Why the text is refused, and where, as far as that is known."""

    message: str


class _Refused(Exception):
    pass


def read_json(text: str) -> StrictJson | NotStrictJson:
    """The value of one JSON text. Total: any string gives one or the other."""
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
        _check(value, 0)
    except json.JSONDecodeError as error:
        return NotStrictJson(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except _Refused as error:
        return NotStrictJson(str(error))
    except RecursionError:
        return NotStrictJson(f"nested more than {MAX_DEPTH} deep")
    return StrictJson(value)


def _integer(digits: str) -> int:
    if len(digits) <= _MAX_INTEGER_DIGITS:
        value = int(digits)
        if -(2**63) <= value < 2**63:
            return value
    raise _Refused("an integer is beyond 64 bits; give it as a string")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _Refused("a number is too large; give it as a string")
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON; use null or a string")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("a key is there twice in one object")
    return found


def _check(value: Any, depth: int) -> None:
    """Depth, and text that UTF-8 can carry (JSON can write half of a surrogate pair)."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list | dict):
        if depth >= MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep")
        for key in value if isinstance(value, dict) else ():
            _check_text(key)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _check_text(value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused("a string holds half of a surrogate pair, which is not text") from None
