"""The filters for text and numbers, on the allow-list, each with its own few lines.

Decides what a filter takes and gives. A filter that cannot do its work fails; it never gives an
empty or a made-up value. Costs are paid before anything is built. Filters for lists and mappings
are in `listfilters`.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

from workflow_do.engine.expressions.context import MAX_STEPS, Context, Failed, Json
from workflow_do.engine.expressions.values import (
    finite,
    is_number,
    kind,
    number,
    string,
    text,
    to_json,
    whole,
)
from workflow_do.engine.strictjson import NotStrictJson, read_json

Filter = Callable[..., Json]

_INTEGER: Final = re.compile(r"\s*[-+]?[0-9]{1,300}\s*", re.ASCII)
_NUMBER: Final = re.compile(
    r"\s*[-+]?([0-9]{1,300}(\.[0-9]{0,300})?|\.[0-9]{1,300})([eE][-+]?[0-9]{1,4})?\s*", re.ASCII
)
_MAX_PRECISION: Final = 15
_PARSED_BYTES_PER_CHAR: Final = 16
"""`[[],[],…` takes about that many bytes for each character, once parsed."""


def _lower(ctx: Context, value: Json) -> str:
    ctx.scan(string(value, "lower"))
    ctx.charge_text(value, 3)
    return string(value, "lower").lower()


def _upper(ctx: Context, value: Json) -> str:
    ctx.scan(string(value, "upper"))
    ctx.charge_text(value, 3)
    return string(value, "upper").upper()


def _capitalize(ctx: Context, value: Json) -> str:
    ctx.scan(string(value, "capitalize"))
    ctx.charge_text(value, 3)
    return string(value, "capitalize").capitalize()


def _title(ctx: Context, value: Json) -> str:
    ctx.scan(string(value, "title"))
    ctx.charge_text(value, 3)
    return string(value, "title").title()


def _trim(ctx: Context, value: Json, chars: Json = None) -> str:
    ctx.scan(string(value, "trim"))
    ctx.charge_text(value)
    if chars is not None and len(string(chars, "trim")) > 100:
        raise Failed("`trim` takes 100 characters at most")
    return string(value, "trim").strip(chars)


def _replace(ctx: Context, value: Json, old: Json, new: Json, count: Json = -1) -> str:
    for argument in (value, old, new):
        ctx.scan(string(argument, "replace"))
    limit = whole(count, "replace")
    found = value.count(old) if limit < 0 else min(value.count(old), limit)
    ctx.charge(4 * (len(value) + found * max(len(new) - len(old), 0)))
    return str(value).replace(old, new, limit)


def _split(ctx: Context, value: Json, separator: Json = None) -> list[Json]:
    ctx.scan(string(value, "split"))
    ctx.charge_text(value)
    if separator is None:
        words: list[Json] = list(value.split(None, MAX_STEPS))
        ctx.charge_mapping(len(words))
        return words
    if string(separator, "split") == "":
        raise Failed("`split` needs a separator that is not empty")
    ctx.charge_mapping(value.count(separator) + 1)
    return list(string(value, "split").split(separator))


def _truncate(ctx: Context, value: Json, length: Json = 255, end: Json = "…") -> str:
    whole_text, room = string(value, "truncate"), whole(length, "truncate")
    if room < len(string(end, "truncate")):
        raise Failed("`truncate` needs a length of at least that of its end")
    if len(whole_text) <= room:
        return whole_text
    ctx.charge(4 * room)
    return whole_text[: room - len(end)] + str(end)


def _string(ctx: Context, value: Json) -> str:
    return text(ctx, value)


def _tojson(ctx: Context, value: Json) -> str:
    return to_json(ctx, value)


def _fromjson(ctx: Context, value: Json) -> Json:
    ctx.scan(string(value, "fromjson"))
    ctx.charge_text(value, _PARSED_BYTES_PER_CHAR)
    parsed = read_json(value)
    if isinstance(parsed, NotStrictJson):
        raise Failed(f"`fromjson`: {parsed.message}")
    return parsed.value


def _b64encode(ctx: Context, value: Json) -> str:
    ctx.charge_text(string(value, "b64encode"), 2)
    return base64.b64encode(_utf8(value, "b64encode")).decode("ascii")


def _b64decode(ctx: Context, value: Json) -> str:
    ctx.charge_text(string(value, "b64decode"))
    try:
        return base64.b64decode(_utf8(value, "b64decode"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Failed("`b64decode` needs the base64 of UTF-8 text") from None


def _urlencode(ctx: Context, value: Json) -> str:
    if type(value) is dict:
        ctx.step(len(value))
        return "&".join(f"{_query(ctx, key)}={_query(ctx, item)}" for key, item in value.items())
    plain = text(ctx, value)
    ctx.scan(plain)
    ctx.charge_text(plain, 3)
    return quote(_utf8(plain, "urlencode"), safe="/")


def _query(ctx: Context, value: Json) -> str:
    plain = text(ctx, value)
    ctx.scan(plain)
    ctx.charge_text(plain, 6)
    return quote_plus(_utf8(plain, "urlencode"))


def _utf8(value: str, user: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Failed(f"`{user}` needs text without half of a surrogate pair") from None


def _int(_ctx: Context, value: Json, default: Json = None) -> Json:
    try:
        if is_number(value) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
            return finite(int(value))
    except (ValueError, OverflowError):
        pass
    return _fallback("int", "an integer", value, default)


def _float(_ctx: Context, value: Json, default: Json = None) -> Json:
    try:
        if is_number(value) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
            return finite(float(value))
    except (Failed, OverflowError):
        pass
    return _fallback("float", "a number", value, default)


def _fallback(user: str, target: str, value: Json, default: Json) -> Json:
    if default is None:
        raise Failed(
            f"`{user}` cannot make {target} of {kind(value)} like this; `{user}(0)` gives 0 instead"
        )
    return default


def _round(_ctx: Context, value: Json, precision: Json = 0, method: Json = "common") -> Json:
    subject, places = number(value, "round"), whole(precision, "round")
    if not 0 <= places <= _MAX_PRECISION:
        raise Failed(f"`round` takes a precision from 0 to {_MAX_PRECISION}")
    if type(subject) is int:
        return subject
    if string(method, "round") not in _ROUNDINGS:
        raise Failed("`round` takes the methods 'common', 'ceil' and 'floor'")
    if abs(subject) >= _ALL_WHOLE:
        return int(subject) if places == 0 else subject
    rounded = decimal.Decimal(repr(subject)).quantize(
        decimal.Decimal(1).scaleb(-places), rounding=_ROUNDINGS[method], context=_DECIMALS
    )
    return int(rounded) if places == 0 else float(rounded)


_ALL_WHOLE: Final = 2.0**53
"""Floats from here on have no fraction."""
_DECIMALS: Final = decimal.Context(prec=60)
_ROUNDINGS: Final = {
    # Half away from zero, and by the digits one sees: as people round, not as floats do.
    "common": decimal.ROUND_HALF_UP,
    "ceil": decimal.ROUND_CEILING,
    "floor": decimal.ROUND_FLOOR,
}


def _abs(_ctx: Context, value: Json) -> Json:
    return abs(number(value, "abs"))


TEXT_FILTERS: Final[dict[str, Filter]] = {
    "lower": _lower,
    "upper": _upper,
    "capitalize": _capitalize,
    "title": _title,
    "trim": _trim,
    "replace": _replace,
    "split": _split,
    "truncate": _truncate,
    "string": _string,
    "tojson": _tojson,
    "fromjson": _fromjson,
    "b64encode": _b64encode,
    "b64decode": _b64decode,
    "urlencode": _urlencode,
    "int": _int,
    "float": _float,
    "round": _round,
    "abs": _abs,
}
