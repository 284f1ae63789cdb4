"""ConfigMaps with data of runs, read once: they never change.

Decides how long what was read is kept; never whether it is what it should be (the engine compares
it with what the status says of it).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from workflow_do.engine.held import Held, parse_held
from workflow_do.runtime.api import CONFIGMAPS, Api

_MOST_BYTES: Final = 32 * 1024 * 1024
"""Of what is kept, as JSON; parsed it is some times as large."""


class HeldData:
    """Reads ConfigMaps by namespace and name; the longest unused are forgotten first."""

    def __init__(self, api: Api, most: int = _MOST_BYTES) -> None:
        self._api = api
        self._most = most
        self._known: OrderedDict[tuple[str, str], Held] = OrderedDict()
        self._bytes = 0

    async def read(self, namespace: str, name: str) -> Held | None:
        """What it holds; None where it is not there."""
        key = (namespace, name)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        raw = await self._api.find(CONFIGMAPS, namespace, name)
        if raw is None:
            return None
        held = parse_held(raw)
        if held.immutable:
            self._keep(key, held)
        return held

    def _keep(self, key: tuple[str, str], held: Held) -> None:
        known = self._known.pop(key, None)  # another call may have read it meanwhile
        self._bytes += held.size - (known.size if known is not None else 0)
        self._known[key] = held
        while self._bytes > self._most:
            _, forgotten = self._known.popitem(last=False)
            self._bytes -= forgotten.size
