"""JSON cut to a depth that every reader and writer in this process can take.

The API server stores free-form values (the body of a trigger, a step's input) up to 10,000 levels
deep; Python's readers give up at some hundred, and one such object in a list or a watch would
blind the operator for all others. What lies deeper than `DEPTH` is therefore replaced by null
before anything is parsed. The engine refuses every object that is deeper than what is left, so
nothing is ever done with a part of one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import orjson
from aiohttp.connector import Connection

DEPTH: Final = 200
"""Levels of a whole answer. Above the engine's own limit for a spec or a status with its list or
watch event around it; below the 254 levels that orjson writes."""
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_CHUNK: Final = 1 << 20


def shallow(content: bytes) -> bytes:
    """The same JSON, without what lies too deep; anything else than JSON as it is."""
    if content.count(b"{") + content.count(b"[") <= DEPTH or _fits(content):
        return content
    return _cut(content)


def _fits(content: bytes) -> bool:
    """By the two limits of orjson (1,024 levels read, 254 written): far quicker than counting."""
    try:
        orjson.dumps(orjson.loads(content))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
    return True


def _cut(content: bytes) -> bytes:
    parts, level, kept = list[bytes](), 0, 0
    for token in _TOKENS.finditer(content):
        sign = content[token.start()]
        if sign in b"{[":
            level += 1
            if level == DEPTH + 1:
                parts += (content[kept : token.start()], b"null")
        elif sign in b"}]":
            if level == DEPTH + 1:
                kept = token.end()
            level -= 1
    if level > DEPTH:
        return content  # cut off in the middle: no JSON
    return b"".join((*parts, content[kept:]))


class ShallowResponse(aiohttp.ClientResponse):
    """A response that is shallow however it is read: as a whole, or as a stream of lines."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """As the base class does; from here on there is content to read."""
        await super().start(connection)
        self.content = ShallowLines(self.content)  # type: ignore[assignment]
        return self

    async def read(self) -> bytes:
        """The whole body."""
        if self._body is None:
            self._body = shallow(await super().read())
        return self._body


class ShallowLines:
    """A stream of lines, one JSON object each, as a watch sends them; else the stream it wraps."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines, and at the end what is left, whatever the chunks were."""
        del size
        begun = list[bytes]()
        async for data in self._stream.iter_chunked(_CHUNK):
            *lines, rest = data.split(b"\n")
            for line in lines:
                yield shallow(b"".join((*begun, line))) + b"\n"
                begun = []
            begun.append(rest)
        yield b"".join(begun)
