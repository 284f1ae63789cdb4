"""HTTP responses whose JSON is shallow, for kopf; our own client cuts what it reads as it parses.

Decides nothing about what is too deep (the engine's `nesting` does), only that nobody here parses
anything before it was cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp.connector import Connection

from workflow_do.engine.nesting import shallow

_CHUNK: Final = 1 << 20


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
        async for line in lines_of(self._stream):
            yield shallow(line) if line.endswith(b"\n") else line


async def lines_of(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, each with its end, and at last what is left, whatever the chunks were."""
    begun = list[bytes]()
    async for data in stream.iter_chunked(_CHUNK):
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield b"".join((*begun, line, b"\n"))
            begun = []
        begun.append(rest)
    yield b"".join(begun)
