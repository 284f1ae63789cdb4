"""Ready of Workflows and Actions, kept true as they change.

Decides nothing about what is ready: the engine's `readiness` does. An Action that the catalogue
does not hold is asked for at the API server before a Workflow is called not ready for want of it,
because watches of two kinds come in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from workflow_do.api import conditions as cond
from workflow_do.api.action import ActionStatus
from workflow_do.api.base import dump
from workflow_do.api.conditions import ConditionType
from workflow_do.api.workflow import WorkflowStatus
from workflow_do.engine.readiness import action_status, workflow_status
from workflow_do.engine.transitions import Note
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import (
    ACTIONS,
    WORKFLOWS,
    Api,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
)
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind, Raw
from workflow_do.runtime.events import About, Recorder
from workflow_do.runtime.used import find_used

Status = ActionStatus | WorkflowStatus

_log = logs.get("definitions")
_RESOURCES = {Kind.ACTION: ACTIONS, Kind.WORKFLOW: WORKFLOWS}


class Definitions:
    """Writes the status of definitions."""

    def __init__(
        self,
        api: Api,
        catalogue: Catalogue,
        recorder: Recorder,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._api = api
        self._catalogue = catalogue
        self._recorder = recorder
        self._now = now

    async def reconcile(self, key: DefinitionKey) -> None:
        """Bring one definition's status up to date; written only where it changes."""
        raw = self._catalogue.get(key)
        if raw is None:
            return
        status = await self._judge(key, raw)
        if dump(status) != raw.get("status"):
            await self._write(key, raw, status)

    async def _judge(self, key: DefinitionKey, raw: Raw) -> Status:
        if key.kind is Kind.ACTION:
            return action_status(raw, self._now())
        find = partial(self._find, key.namespace)
        actions, workflows = await find_used(
            raw, partial(find, Kind.ACTION), partial(find, Kind.WORKFLOW)
        )
        return workflow_status(raw, actions, self._now(), workflows)

    async def _find(self, namespace: str, kind: Kind, name: str) -> Raw | None:
        known = self._catalogue.get(DefinitionKey(kind, namespace, name))
        return known or await self._api.find(_RESOURCES[kind], namespace, name)

    def _tell(self, key: DefinitionKey, raw: Raw, status: Status, error: Refused) -> None:
        """Its status cannot be written: the object itself breaks a rule made after it was stored.
        Not tried again before it changes; an Event says what the status would.
        """
        ready = cond.find(status.conditions, ConditionType.READY)
        why = ready.message if ready is not None and ready.message else error.message
        about = About(key.kind.value, key.namespace, key.name, str(raw["metadata"].get("uid")))
        reason = ready.reason if ready is not None else ""
        self._recorder.tell_of(about, (Note("Warning", reason, why),))
        _log.warning("the status is refused", definition=str(key), error=error.message)

    async def _write(self, key: DefinitionKey, raw: Raw, status: Status) -> None:
        version = raw["metadata"]["resourceVersion"]
        operations = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/status", "value": dump(status)},
        ]
        resource = _RESOURCES[key.kind]
        try:
            written = await self._api.json_patch(
                resource, key.namespace, key.name, operations, "status"
            )
        except NotFound:
            return
        except Refused as error:
            if not error.invalid:
                raise
            self._tell(key, raw, status, error)
            return
        except Conflict as error:
            fresh = await self._api.find(resource, key.namespace, key.name)
            if fresh is not None:
                self._catalogue.see(key, fresh)
            raise Unavailable(f"{key} was changed meanwhile") from error
        self._catalogue.see(key, written)
