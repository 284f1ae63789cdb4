"""The end of a long answer, read piece by piece: what comes before it is never held.

Knows bytes, not what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True, slots=True)
class LogTail:
    """The end of a log; `cut` where there was more before it than was asked for in bytes."""

    data: bytes
    cut: bool


class Tail:
    """Reads a body that may be long and keeps its end. Not by `limitBytes`, which keeps the
    beginning; and not as JSON, which it is not.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.kept = bytearray()
        self.cut = False

    async def read(self, answer: aiohttp.ClientResponse) -> bytes:
        """Read it to its end; what is kept stands in `kept`, so nothing is returned."""
        while data := await answer.content.readany():
            self.kept += data
            if len(self.kept) > 2 * self._most:
                self._trim()
        self._trim()
        return b""

    def _trim(self) -> None:
        if len(self.kept) > self._most:
            del self.kept[: -self._most]
            self.cut = True
