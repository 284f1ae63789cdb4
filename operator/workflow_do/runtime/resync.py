"""A second pair of eyes: finds what a silent watch stream has missed.

Every few seconds the metadata of everything that is watched is listed and compared, by
resourceVersion, with what the watches have brought. Where the API server stays ahead, the object
is doubtful: the run is observed live, the definition read again. Six lists of metadata a pass,
however many runs there are. At the start the same comparison tells when the watches have caught
up. Decides what is doubtful, nothing else.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from workflow_do.api import names
from workflow_do.runtime import logs
from workflow_do.runtime.api import (
    ACTIONS,
    APPROVALS,
    JOBS,
    PODS,
    RUNS,
    WORKFLOWS,
    Api,
    ApiError,
    Resource,
    version_of,
)
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind
from workflow_do.runtime.store import RunKey, Store, key_of

Raw = Mapping[str, Any]
Versions = Mapping[str, int]

_GRACE: Final = 1.0
"""Seconds for an event that is on its way while a list is read."""
_PAUSE: Final = 1.0
"""Seconds after a comparison that failed."""
_JITTER: Final = 0.2
_log = logs.get("resync")


@dataclass(frozen=True, slots=True)
class Differences:
    """Objects that the API server has newer (raw metadata), and uids that it has no more."""

    ahead: tuple[Raw, ...]
    gone: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.ahead or self.gone)


class Resync:
    """Compares the store with the API server.

    `doubtful` is called with each run to look at, `missed` with each definition that was changed
    (its newest state) or deleted (None).
    """

    def __init__(
        self,
        api: Api,
        store: Store,
        catalogue: Catalogue,
        doubtful: Callable[[RunKey], None],
        missed: Callable[[DefinitionKey, Raw | None], None],
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._api = api
        self._store = store
        self._catalogue = catalogue
        self._doubtful = doubtful
        self._missed = missed
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self.caught_up = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Wait until the watches have caught up, then a pass every so often, jittered."""
        until = asyncio.get_running_loop().time() + seconds
        while not self.caught_up.is_set():
            if await self._attempt(partial(self._catch_up, until)):
                self.caught_up.set()
        while True:
            await asyncio.sleep(seconds * (1 + _JITTER * (random.random() - 0.5)))
            await self._attempt(self.once)

    async def once(self) -> None:
        """One pass over every kind that is watched."""
        for namespace in self._namespaces:
            await self._runs(namespace)
            await self._children(namespace)
            await self._approvals(namespace)
            await self._definitions(namespace)

    async def _catch_up(self, until: float) -> None:
        """Return once the store holds what the API server lists, or when the time is over."""
        clock = asyncio.get_running_loop().time
        for namespace in self._namespaces:
            for resource, versions in self._first_kinds():
                while await self._compare(resource, namespace, versions, grace=0.1):
                    if clock() > until:
                        return

    def _first_kinds(self) -> tuple[tuple[Resource, Callable[[], Versions]], ...]:
        return (
            (ACTIONS, partial(self._definition_versions, Kind.ACTION)),
            (WORKFLOWS, partial(self._definition_versions, Kind.WORKFLOW)),
            (RUNS, self._run_versions),
        )

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether it went through; what the API server refuses is told and tried again."""
        try:
            await work()
        except ApiError as error:
            _log.warning("the comparison with the API server failed", error=str(error))
            await asyncio.sleep(_PAUSE)
            return False
        return True

    async def _runs(self, namespace: str | None) -> None:
        found = await self._compare(RUNS, namespace, self._run_versions)
        for raw in found.ahead:
            self._doubt(key_of(raw))
        for uid in found.gone:
            record = self._store.record(uid)
            if record is not None and namespace in (None, record.key.namespace):
                self._doubt(record.key)

    async def _children(self, namespace: str | None) -> None:
        """Live runs with Jobs or Pods of which the store has missed something."""
        for resource in (JOBS, PODS):
            found = await self._compare(
                resource, namespace, partial(self._child_versions, resource, namespace)
            )
            for raw in found.ahead:
                labels = raw["metadata"].get("labels") or {}
                record = self._store.record(str(labels.get(names.LABEL_RUN_UID)))
                if record is not None and record.run is not None:
                    self._doubt(record.key)
            for record in self._store:
                if not found.gone.isdisjoint((*record.jobs, *record.pods)):
                    self._doubt(record.key)

    async def _approvals(self, namespace: str | None) -> None:
        """Approvals that were missed: whose run they are about only the whole object tells."""
        known = partial(self._store.approval_versions, namespace)
        found = await self._compare(APPROVALS, namespace, known)
        for uid in found.gone:
            self._store.forget_approval(uid)
        for raw in found.ahead:
            meta = raw["metadata"]
            whole = await self._api.find(APPROVALS, meta["namespace"], meta["name"])
            key = self._store.see_approval(whole) if whole is not None else None
            if key is not None:
                self._doubtful(key)

    async def _definitions(self, namespace: str | None) -> None:
        for kind, resource in ((Kind.WORKFLOW, WORKFLOWS), (Kind.ACTION, ACTIONS)):
            found = await self._compare(
                resource, namespace, partial(self._definition_versions, kind)
            )
            gone = [
                key
                for key, raw in self._catalogue.of_kind(kind)
                if raw["metadata"]["uid"] in found.gone and namespace in (None, key.namespace)
            ]
            changed = [
                DefinitionKey(kind, raw["metadata"]["namespace"], raw["metadata"]["name"])
                for raw in found.ahead
            ]
            for key in {*gone, *changed}:
                self._missed(key, await self._api.find(resource, key.namespace, key.name))

    async def _compare(
        self,
        resource: Resource,
        namespace: str | None,
        versions: Callable[[], Versions],
        grace: float = _GRACE,
    ) -> Differences:
        """What the API server lists against what is known some time afterwards."""
        children = resource in (JOBS, PODS)
        before = versions()
        found = await self._api.list_all(
            resource,
            namespace,
            labels=names.LABEL_RUN_UID if children else "",
            metadata_only=True,
        )
        await asyncio.sleep(grace)
        after = versions()
        listed = {str(raw["metadata"]["uid"]): raw for raw in found.items}
        ahead = tuple(r for uid, r in listed.items() if version_of(r) > after.get(uid, 0))
        gone = frozenset(
            uid
            for uid in before.keys() & after.keys()
            if uid not in listed and after[uid] <= found.version
        )
        return Differences(ahead, gone)

    def _run_versions(self) -> Versions:
        return {record.key.uid: record.version for record in self._store}

    def _child_versions(self, resource: Resource, namespace: str | None) -> Versions:
        return {
            uid: entry.version
            for record in self._store
            if namespace in (None, record.key.namespace)
            for uid, entry in (record.jobs if resource is JOBS else record.pods).items()
        }

    def _definition_versions(self, kind: Kind) -> Versions:
        return {
            str(raw["metadata"]["uid"]): version_of(raw) for _, raw in self._catalogue.of_kind(kind)
        }

    def _doubt(self, key: RunKey) -> None:
        self._store.doubt(key)
        self._doubtful(key)
