"""Whether what is given fits what is taken: two shapes compared, place by place.

Decides severity. An error means that no value that can occur would fit; a warning that some value
which the giving side declares would not. What neither side declares is never held against them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from workflow_do.api.base import Json
from workflow_do.engine.check.finding import Finding, Severity
from workflow_do.engine.check.shape import (
    NUMBER,
    Openness,
    Shape,
    kind_of,
    same,
    words,
)
from workflow_do.engine.expressions.places import nearest
from workflow_do.engine.schemas import SchemaProblem, Validator, compile_schema

_MAX_DEPTH: Final = 12
_MAX_SHOWN: Final = 60
_MAX_NAMED: Final = 8

_APART: Final = (
    frozenset({"email", "uuid", "date", "date-time", "time", "ipv4", "duration", "uri"}),
    frozenset({"email", "uuid", "date", "date-time", "time", "ipv4", "duration", "ipv6"}),
)
"""Formats of which no text can have two. (`fe80::1` is an IPv6 address and a URI.)"""


def fit(given: Shape, taken: Shape, path: str, taker: str) -> Iterator[Finding]:
    """All that does not fit; `taker` says whose schema it is: `inputSchema of send-email`."""
    yield from _fit(given, taken, path, taker, 0)


def _fit(given: Shape, taken: Shape, path: str, taker: str, depth: int) -> Iterator[Finding]:
    if given.impossible or depth > _MAX_DEPTH:
        return
    fault = _fault(given, taken)
    if fault is not None:
        severity, message, cure = fault
        yield Finding(path, severity, f"{message} ({taker})", cure)
        if severity is Severity.ERROR:
            return
    if "object" in given.kinds and "object" in taken.kinds and not given.unknown:
        yield from _fit_fields(given, taken, path, taker, depth)
    if taken.items is None:
        return
    if given.elements is not None:
        for at, element in enumerate(given.elements):
            yield from _fit(element, taken.items, f"{path}[{at}]", taker, depth + 1)
    elif given.items is not None:
        yield from _fit(given.items, taken.items, f"{path}[]", taker, depth + 1)


Fault = tuple[Severity, str, str]
"""How bad it is, what is wrong, what would be right."""


def _fault(given: Shape, taken: Shape) -> Fault | None:
    """The kinds, then the values, then the bounds."""
    if taken.impossible:
        return Severity.ERROR, "no value is allowed here", "leave it out"
    if not given.kinds & taken.kinds:
        return Severity.ERROR, f"{_give(given)}, not {words(taken)}", _convert(given, taken)
    if given.values is not None:
        return _value_fault(given.values, taken)
    if taken.values is not None and _no_value_possible(given, taken):
        return Severity.ERROR, f"it cannot be {_choice(taken.values)}", ""
    clash = _rules_clash(given, taken)
    return (Severity.ERROR, clash, "") if clash else _maybe_fault(given, taken)


def _maybe_fault(given: Shape, taken: Shape) -> Fault | None:
    """What the giving side declares and the taking side refuses."""
    cure = "`| default(…)` gives another value then"
    if given.unknown:
        if given.note and "null" not in taken.kinds:
            return Severity.WARNING, given.note, cure
        return None
    beyond = given.kinds - taken.kinds
    if not beyond:
        return None
    if beyond == {"null"}:
        return Severity.WARNING, f"{given.note or 'it may be null'}, not {words(taken)}", cure
    odd = Shape(kinds=beyond)
    return Severity.WARNING, f"it may be {words(odd)}, not {words(taken)}", _convert(odd, taken)


def _value_fault(values: tuple[Json, ...], taken: Shape) -> Fault | None:
    unfit = [(v, why) for v in values if (why := misfit(v, taken)) is not None]
    if not unfit:
        return None
    value, why = unfit[0]
    if len(unfit) == len(values):
        return Severity.ERROR, f"{_show(value)} {why}", _right(value, taken)
    return Severity.WARNING, f"it may be {_show(value)}, which {why}", _right(value, taken)


def misfit(value: Json, taken: Shape) -> str | None:
    """Why a scalar does not fit, or None."""
    if kind_of(value) not in taken.kinds:
        return f"is not {words(taken)}"
    if taken.values is not None and not any(same(value, v) for v in taken.values):
        return f"is not {_choice(taken.values)}"
    broken = (_broken(value, rule) for rule in taken.rules)
    return next((f"breaks `{b}`" for b in broken if b), None)


def _broken(value: Json, rule: Mapping[str, Any]) -> str | None:
    """The keyword that the value breaks, by the validator that runs use."""
    for keyword, argument in rule.items():
        validator = _validator(json.dumps({keyword: argument}, sort_keys=True))
        if validator is not None and validator.check(value, "") is not None:
            return f"{keyword}: {_clip(str(argument))}"
    return None


@lru_cache(maxsize=512)
def _validator(rule: str) -> Validator | None:
    compiled = compile_schema(json.loads(rule), "")
    return None if isinstance(compiled, SchemaProblem) else compiled


def _no_value_possible(given: Shape, taken: Shape) -> bool:
    """Whether none of the wanted values can come from the giving side."""
    return all(misfit(v, given) is not None for v in taken.values or ())


def _rules_clash(given: Shape, taken: Shape) -> str:
    """Formats and bounds that no value can keep at the same time."""
    common = given.kinds & taken.kinds
    if common == {"string"}:
        ours, theirs = _last(given, "format"), _last(taken, "format")
        if ours != theirs and any({ours, theirs} <= group for group in _APART):
            return f"it is text of the format {ours}, and {theirs} is wanted"
        return _range_clash(given, taken, "minLength", "maxLength")
    if common and common <= NUMBER:
        return _range_clash(given, taken, "minimum", "maximum")
    return ""


def _range_clash(given: Shape, taken: Shape, low: str, high: str) -> str:
    least, most = _bound(given, low, max), _bound(taken, high, min)
    if least is not None and most is not None and least > most:
        return f"it has the {low} {least:g}, and the {high} {most:g} is wanted"
    least, most = _bound(taken, low, max), _bound(given, high, min)
    if least is not None and most is not None and least > most:
        return f"it has the {high} {most:g}, and the {low} {least:g} is wanted"
    return ""


def _bound(shape: Shape, keyword: str, choose: Any) -> float | None:
    found = [r[keyword] for r in shape.rules if isinstance(r.get(keyword), int | float)]
    return choose(found) if found else None


def _last(shape: Shape, keyword: str) -> Any:
    return next((r[keyword] for r in reversed(shape.rules) if keyword in r), None)


def _fit_fields(given: Shape, taken: Shape, path: str, taker: str, depth: int) -> Iterator[Finding]:
    for name, wanted in taken.fields.items():
        held = given.fields.get(name)
        if held is None:
            if wanted.required and given.kinds == {"object"}:
                yield from _lacking(given, name, path, taker)
            continue
        if wanted.required and not held.required:
            message = f"`{name}` may be absent, and it is required ({taker})"
            yield Finding(path, Severity.WARNING, message, "require it where it comes from")
        yield from _fit(held.shape, wanted.shape, f"{path}.{name}", taker, depth + 1)
    for name, held in given.fields.items():
        if name in taken.fields:
            continue
        surplus = _surplus(name, given, taken, taker)
        if surplus is not None:
            yield Finding(f"{path}.{name}", *surplus)
        elif taken.extra is not None:
            yield from _fit(held.shape, taken.extra, f"{path}.{name}", taker, depth + 1)


def _lacking(given: Shape, name: str, path: str, taker: str) -> Iterator[Finding]:
    if given.openness is Openness.CLOSED:
        message = f"`{name}` is missing: it is required ({taker})"
        yield Finding(path, Severity.ERROR, message, f"add `{name}`")
    elif given.openness is Openness.DECLARED:
        message = f"`{name}` is required ({taker}), and not declared where this comes from"
        yield Finding(path, Severity.WARNING, message, "declare and require it there")


def _surplus(name: str, given: Shape, taken: Shape, taker: str) -> Fault | None:
    """A field more. Where the schema leaves it open, only what was written out is told of."""
    close = nearest(name, taken.fields)
    if taken.openness is Openness.CLOSED:
        known = ", ".join(f"`{n}`" for n in list(taken.fields)[:_MAX_NAMED])
        cure = f"it takes {known}" if known else "it takes nothing"
        sure = given.fields[name].required and given.kinds == {"object"}
        severity = Severity.ERROR if sure else Severity.WARNING
        return severity, f"`{name}` is not taken{close} ({taker})", cure
    if taken.openness is Openness.DECLARED and given.openness is Openness.CLOSED:
        message = f"`{name}` is not named{close} ({taker})"
        return Severity.WARNING, message, "name it there, or leave it out"
    return None


def _give(given: Shape) -> str:
    if given.values is not None and len(given.values) == 1:
        value = given.values[0]
        return "it is null" if value is None else f"it is {_show(value)}, {words(given)}"
    if given.kinds == {"null"}:
        return given.note or "it is null"
    return f"it is {words(given)}"


def _convert(given: Shape, taken: Shape) -> str:
    """The filter that makes what is wanted of what is given, where there is one."""
    scalars = NUMBER | {"string", "boolean"}
    if given.kinds == {"null"}:
        return "`| default(…)` gives another value"
    if taken.kinds == {"string"} and given.values is not None and given.kinds <= scalars:
        return "put it in quotes"
    if "string" in taken.kinds and given.kinds <= scalars:
        return "`| string` makes text of it"
    if given.kinds <= NUMBER | {"string"} and taken.kinds & NUMBER:
        name = "int" if "fraction" not in taken.kinds else "float"
        return f"`| {name}` makes a number of it"
    if "array" in taken.kinds and given.kinds <= scalars | {"object"}:
        return "`[…]` makes a list of it"
    return ""


def _right(value: Json, taken: Shape) -> str:
    if isinstance(value, str) and taken.values is not None:
        close = nearest(value, [v for v in taken.values if isinstance(v, str)])
        return close.strip(" ()")
    return _convert(Shape(kinds=frozenset({kind_of(value)})), taken) if taken.kinds else ""


def _choice(values: tuple[Json, ...]) -> str:
    shown = [_show(v) for v in values[:_MAX_NAMED]]
    if len(values) > _MAX_NAMED:
        return f"one of {', '.join(shown)} and {len(values) - _MAX_NAMED} more"
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def _show(value: Json) -> str:
    return _clip(json.dumps(value, ensure_ascii=False))


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
