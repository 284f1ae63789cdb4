"""Kubernetes Events about runs: told on the side, never in the way.

Decides nothing about what is worth telling. An Event that cannot be posted is lost: the run's
status says it all again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.transitions import Note
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import EVENTS, Api, ApiError
from workflow_do.runtime.store import RunKey

_MOST: Final = 500
"""How many status writes may be being told of; a flood beyond this is dropped."""
_COMPONENT: Final = "workflow-do"
_MESSAGE_CHARS: Final = 1024

_log = logs.get("events")


class Recorder:
    """Posts Events in the background."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, key: RunKey, notes: Sequence[Note]) -> None:
        """Post the notes as Events of the run, in order, if there is room."""
        if not notes:
            return
        if len(self._tasks) >= _MOST:
            _log.debug("too many Events on their way", run=key.name, lost=len(notes))
            return
        task = asyncio.create_task(self._post(key, notes), name=f"events of {key.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is still on its way."""
        for task in self._tasks:
            task.cancel()

    async def _post(self, key: RunKey, notes: Sequence[Note]) -> None:
        for note in notes:
            try:
                await self._api.create(EVENTS, key.namespace, _event(key, note))
            except ApiError as error:
                _log.debug("an Event was lost", run=key.name, reason=note.reason, error=str(error))


def _event(key: RunKey, note: Note) -> dict[str, Any]:
    time = stamp(clock.now())
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{key.name}.", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.RUN.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": key.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message[:_MESSAGE_CHARS],
        "source": {"component": _COMPONENT},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
