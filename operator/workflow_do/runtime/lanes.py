"""Taking turns: who waits stands in a lane, and the lanes are served one after another.

What floods one lane delays what stands in another by one turn, not by the flood. Knows nothing of
what waits, nor of what a lane stands for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Lanes(Generic[K]):
    """Keys that wait, each once: first come, first served within a lane, one lane after another."""

    def __init__(self, lane: Callable[[K], Hashable]) -> None:
        self._lane = lane
        self._lanes: OrderedDict[Hashable, OrderedDict[K, None]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._lanes.get(self._lane(key), ())

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def put(self, key: K) -> None:
        """At the end of its lane; a lane that was empty comes last."""
        self._lanes.setdefault(self._lane(key), OrderedDict())[key] = None

    def take(self) -> K:
        """The first key of the lane whose turn it is; KeyError where nothing waits."""
        lane, keys = self._lanes.popitem(last=False)
        key, _ = keys.popitem(last=False)
        if keys:
            self._lanes[lane] = keys
        return key


class Room:
    """Room for so many at once; who finds none waits in a lane."""

    def __init__(self, places: int) -> None:
        self.free = places
        self._lane_of: dict[asyncio.Future[None], Hashable] = {}
        self._waiting: Lanes[asyncio.Future[None]] = Lanes(self._lane_of.__getitem__)

    @asynccontextmanager
    async def place(self, lane: Hashable) -> AsyncIterator[None]:
        """A place, for as long as the block lasts."""
        await self._enter(lane)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, lane: Hashable) -> None:
        if self.free > 0:
            self.free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lane_of[turn] = lane
        self._waiting.put(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place came at the same moment
            raise

    def _leave(self) -> None:
        """The place goes to the next that still waits."""
        while self._lane_of:
            turn = self._waiting.take()
            del self._lane_of[turn]
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
