"""The one writer of run status: one JSON Patch of what changed, refused where it is stale.

Decides how a status is written, never what is in it. The patch is led by a `replace` of the
resourceVersion it was computed from: a stale one is a 409 (a failing `test` would be a 422, like
an invalid status).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from workflow_do.api.base import dump
from workflow_do.api.run import RunStatus
from workflow_do.engine.facts import Run, has_begun
from workflow_do.engine.patches import Change
from workflow_do.runtime.api import RUNS, Api, Conflict, NotFound, Refused
from workflow_do.runtime.store import RunKey, Store, key_of


class Written(Enum):
    """What came of a write."""

    SAME = "nothing to write"
    DONE = "written"
    STALE = "somebody else wrote first"
    GONE = "the run is gone"


class StatusWriter:
    """Writes status; the answers go into the store."""

    def __init__(self, api: Api, store: Store) -> None:
        self._api = api
        self._store = store

    async def write(self, key: RunKey, run: Run, new: RunStatus) -> Written:
        """Bring the run's status from what was observed to `new`.

        Raises Refused for a status that the API server does not take, Unavailable for no answer;
        after both the run is observed live.
        """
        if new == run.status:
            return Written.SAME  # also where nothing was ever written, and there is nothing to say
        change = Change.between(run.status, new)
        operations = change.patch()
        if not operations:
            return Written.SAME
        self._store.writes(key, new)
        try:
            raw = await self._patch(run, operations, new)
        except NotFound:
            self._store.forget_run(key.uid)
            return Written.GONE
        except Conflict:
            self._store.writes(key, None)
            self._store.doubt(key)
            return Written.STALE
        except Exception:  # it may be there all the same, and turn up
            self._store.doubt(key)
            raise
        self._store.see_run(raw, new if change.gave(raw.get("status")) else None)
        self._store.writes(key, None)
        return Written.DONE

    async def conclude(self, key: RunKey, new: RunStatus) -> Written:
        """Give a run that cannot be read, and never began, a whole status that says so.

        SAME where it has begun: what its Jobs did is not to be overwritten, and another version of
        the operator may be able to read it. Raises Refused and Unavailable.
        """
        raw = await self._api.find(RUNS, key.namespace, key.name)
        if raw is None or key_of(raw) != key:
            self._store.forget_run(key.uid)
            return Written.GONE
        if has_begun(raw):
            return Written.SAME
        version = raw["metadata"]["resourceVersion"]
        whole = [_lead(version), {"op": "add", "path": "/status", "value": dump(new)}]
        try:
            raw = await self._api.json_patch(RUNS, key.namespace, key.name, whole, "status")
        except NotFound:
            self._store.forget_run(key.uid)
            return Written.GONE
        except Conflict:
            self._store.doubt(key)
            return Written.STALE
        self._store.see_run(raw)
        return Written.DONE

    async def _patch(
        self, run: Run, operations: list[dict[str, Any]], new: RunStatus
    ) -> dict[str, Any]:
        lead = _lead(run.resource_version)
        try:
            return await self._api.json_patch(
                RUNS, run.namespace, run.name, [lead, *operations], "status"
            )
        except Refused as error:
            if error.code != 422:
                raise
        # A stored status that lacks a field which the models have by default: write it whole.
        whole = {"op": "add", "path": "/status", "value": dump(new)}
        return await self._api.json_patch(RUNS, run.namespace, run.name, [lead, whole], "status")


def _lead(version: str) -> dict[str, Any]:
    return {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
