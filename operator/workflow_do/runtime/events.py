"""Kubernetes Events about runs and definitions: told on the side, never in the way.

Decides nothing about what is worth telling. An Event that cannot be posted is lost: the run's
status says it all again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
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
_NAME_CHARS: Final = 200
"""Of the object's name in the Event's own, which may have 253 characters with what is added."""

_log = logs.get("events")


@dataclass(frozen=True, slots=True)
class About:
    """The object of ours that Events are about."""

    kind: str
    namespace: str
    name: str
    uid: str


class Recorder:
    """Posts Events in the background."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, key: RunKey, notes: Sequence[Note]) -> None:
        """Post the notes as Events of the run, in order, if there is room."""
        self.tell_of(About(names.RUN.kind, key.namespace, key.name, key.uid), notes)

    def tell_of(self, about: About, notes: Sequence[Note]) -> None:
        """Post the notes as Events of any object of ours."""
        if not notes:
            return
        if len(self._tasks) >= _MOST:
            _log.debug("too many Events on their way", about=about.name, lost=len(notes))
            return
        task = asyncio.create_task(self._post(about, notes), name=f"events of {about.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is still on its way."""
        for task in self._tasks:
            task.cancel()

    async def _post(self, about: About, notes: Sequence[Note]) -> None:
        for note in notes:
            try:
                await self._api.create(EVENTS, about.namespace, _event(about, note))
            except ApiError as error:
                why = str(error)
                _log.debug("an Event was lost", about=about.name, reason=note.reason, error=why)


def _event(about: About, note: Note) -> dict[str, Any]:
    time = stamp(clock.now())
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{about.name[:_NAME_CHARS]}.", "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message[:_MESSAGE_CHARS],
        "source": {"component": _COMPONENT},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
