"""Reading a key or an item of a value, and the words for what is not there.

Decides what `a.b` and `a[0]` read: keys of mappings and items of lists, and nothing else (never
an attribute or a method of a Python object). The words name keys and kinds, never values.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from workflow_do.engine.expressions.context import Json, Missing
from workflow_do.engine.expressions.values import kind

_CURE: Final = "`| default(…)` covers what may be absent"
_MAX_CANDIDATES: Final = 100
_MAX_NAME_CHARS: Final = 64


def child(value: Json, key: str | int, label: str) -> Json:
    """The value under a key or index that the template names. Raises Missing."""
    if type(value) is dict and isinstance(key, str):
        if key in value:
            return value[key]
    elif type(value) is list and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    raise Missing(lambda: _no_child(value, key, label))


def computed_child(value: Json, key: Json, label: str) -> Json:
    """The value under a computed key, which may be data and so stays out of the words."""
    if isinstance(key, str) or type(key) is int:
        try:
            return child(value, key, label)
        except Missing:
            pass
    raise Missing(
        lambda: f"{label} is {kind(value)} without the computed key ({kind(key)}); {_CURE}"
    )


def root(scope: Mapping[str, Json], name: str) -> Json:
    """The value of a name. Raises Missing."""
    try:
        return scope[name]
    except KeyError:
        raise Missing(lambda: _no_name(scope, name)) from None


def nearest(name: str, candidates: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing. Looks at a bounded number of names."""
    short: list[str] = []
    for candidate in candidates:
        if len(short) >= _MAX_CANDIDATES:
            break
        if isinstance(candidate, str) and len(candidate) <= _MAX_NAME_CHARS:
            short.append(candidate)
    if len(name) > _MAX_NAME_CHARS:
        return ""
    found = difflib.get_close_matches(name, short, n=1, cutoff=0.6)
    return f" (did you mean `{found[0]}`?)" if found else ""


def _no_name(scope: Mapping[str, Json], name: str) -> str:
    if name == "null":
        return "`null` is written `none`"
    known = ", ".join(f"`{key}`" for key in sorted(scope)[:10]) or "nothing"
    return f"`{_clip(name)}` is not defined here{nearest(name, scope)}; defined: {known}"


def _no_child(value: Json, key: str | int, label: str) -> str:
    shown = f"item {key}" if type(key) is int else f"`{_clip(str(key))}`"
    if type(value) is dict:
        return f"{label} has no {shown}{nearest(str(key), value)}; {_CURE}"
    if type(value) is list and type(key) is int:
        return f"{label} has no {shown}: its length is {len(value)}; {_CURE}"
    if type(value) is list:
        return f"{label} is a list and has no {shown}; take an item (`[0]`) or `| map(attribute=…)`"
    if value is None:
        return f"{label} is null and has no {shown}; {_CURE}"
    return f"{label} is {kind(value)} and has no {shown}"


def _clip(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else name[:_MAX_NAME_CHARS] + "…"
