"""JSON cut to a depth that every reader and writer of a Python process can take.

The API server stores free-form values (the body of a trigger, a step's input) up to 10,000 levels
deep; Python's readers give up at some hundred, and one such object in a list or a watch would
blind its reader for all others. What lies deeper than `DEPTH` is therefore replaced by a word
before anything is parsed. A run that is deeper than what is left is refused (`facts`), and so are
templates and schemas by limits of their own, so nothing is ever done with a part of an object.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from workflow_do.api.base import Json

DEPTH: Final = 200
"""Levels of a whole answer. Above the limit for a spec or a status with its list or watch event
around it; below the 254 levels that orjson writes."""
CUT: Final = f"(nested more than {DEPTH} deep)"
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]+|[\]}]+')


def shallow(content: bytes) -> bytes:
    """The same JSON, without what lies too deep; anything else than JSON as it is."""
    if _is_surely_shallow(content):
        return content
    try:
        _parse_shallow(content)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _cut(content)
    return content


def parse(content: bytes) -> Any:
    """What the JSON says, without what lies too deep. Raises orjson.JSONDecodeError."""
    if _is_surely_shallow(content):
        return orjson.loads(content)
    try:
        return _parse_shallow(content)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return orjson.loads(_cut(content))


def _is_surely_shallow(content: bytes) -> bool:
    """Whether there is too little in it to be deep."""
    # An empty object ends its branch: of the many of managedFields no two can lie in each other.
    return content.count(b"{") - content.count(b"{}") + content.count(b"[") < DEPTH


def _parse_shallow(content: bytes) -> Any:
    """By the two limits of orjson (1,024 levels read, 254 written), which it raises its errors for:
    far quicker than counting.
    """
    parsed = orjson.loads(content)
    orjson.dumps(parsed)
    return parsed


def _cut(content: bytes) -> bytes:
    parts, level, kept, word = list[bytes](), 0, 0, orjson.dumps(CUT)
    for token in _TOKENS.finditer(content):
        sign = content[token.start()]
        many = token.end() - token.start()
        if sign in b"{[":
            if level <= DEPTH < level + many:
                parts += (content[kept : token.start() + DEPTH - level], word)
            level += many
        elif sign in b"}]":
            if level - many <= DEPTH < level:
                kept = token.start() + level - DEPTH
            level -= many
    if level > DEPTH:
        return content  # cut off in the middle: no JSON
    return b"".join((*parts, content[kept:]))


def is_deep(value: Json, most: int) -> bool:
    """Whether a value has more levels. Level by level: it must not be walked by recursion."""
    level = [value]
    for _ in range(most + 1):
        parts = (
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        )
        level = [child for part in parts for child in part]
        if not level:
            return False
    return True
