"""The stored WorkflowRevisions as far as they are known, and their pruning.

They are not watched: all are listed once at the start, and those of a Workflow again when a run
names one that is not known. Which are beyond the limit is the engine's to say. One that a run
names is never deleted: right before, the runs are listed to make sure that all are known, and a
run that would be pinned to one while it is being deleted waits for the answer (`Store.pruning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.retention import RevisionFact, surplus_revisions
from workflow_do.runtime import logs
from workflow_do.runtime.api import REVISIONS, RUNS, Api, Conflict, NotFound, version_of
from workflow_do.runtime.store import Store, key_of

Owner = tuple[str, str]
"""Namespace and name of a Workflow."""

_AT_A_TIME: Final = 50
_log = logs.get("revisions")


class Revisions:
    """What is known of the revisions of every Workflow."""

    def __init__(self, api: Api, store: Store, namespaces: tuple[str, ...] = ()) -> None:
        self._api = api
        self._store = store
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._known: dict[Owner, dict[str, RevisionFact]] = {}
        self._asked: dict[Owner, frozenset[str]] = {}

    async def first_look(self) -> frozenset[Owner]:
        """List all revisions; the Workflows that have any. Raises ApiError."""
        for namespace in self._namespaces:
            found = await self._api.list_all(REVISIONS, namespace, metadata_only=True)
            self._take_in(found.items)
        return frozenset(self._known)

    async def more_than(self, namespace: str, workflow: str, limit: int) -> bool:
        """Whether there may be more than `limit` of a Workflow; asks only where that is news.

        With a limit of 0 (the Workflow is gone) it always asks: a run may have come and gone
        between two looks, and no later run will ever lead here again.
        """
        owner = (namespace, workflow)
        named = self._named(owner)
        known_to = self._asked.get(owner, frozenset()) | self._known.get(owner, {}).keys()
        if limit == 0 or not named <= known_to:
            labels = f"{names.LABEL_WORKFLOW}={workflow}"
            found = await self._api.list_all(
                REVISIONS, namespace, labels=labels, metadata_only=True
            )
            self._known.pop(owner, None)
            self._take_in(found.items)
        self._asked[owner] = named
        known = self._known.get(owner)
        if not named and not known:
            self._asked.pop(owner)
            self._known.pop(owner, None)
        return len(known or ()) > limit

    async def prune(self, namespace: str, workflow: str, limit: int, current: Set[str]) -> bool:
        """Delete those beyond the limit that are neither current nor named by a run.

        False where a run is not known yet as the API server has it: ask again later.
        """
        owner = (namespace, workflow)
        doomed = self._surplus(owner, limit, current)
        if not doomed:
            return True
        if not await self._knows_every_run(owner):
            return False
        for revision in self._surplus(owner, limit, current)[:_AT_A_TIME]:
            await self._delete(owner, revision)
        return len(doomed) <= _AT_A_TIME

    def _surplus(self, owner: Owner, limit: int, current: Set[str]) -> tuple[RevisionFact, ...]:
        known = self._known.get(owner, {}).values()
        return surplus_revisions(tuple(known), limit, self._named(owner) | current)

    def _named(self, owner: Owner) -> frozenset[str]:
        """By runs of the Workflow, and by those that may start some."""
        records = self._store.of_workflow(*owner)
        by_others = self._store.families.named_of(owner)
        return frozenset(by_others).union(*(record.revisions for record in records))

    async def _knows_every_run(self, owner: Owner) -> bool:
        """Whether the store holds every run of the Workflow at least as new as it is listed."""
        namespace, workflow = owner
        field = f"spec.workflowName={workflow}"
        listed = await self._api.list_all(RUNS, namespace, fields=field, metadata_only=True)
        for raw in listed.items:
            record = self._store.record(key_of(raw).uid)
            if record is None or record.version < version_of(raw):
                return False
        return True

    async def _delete(self, owner: Owner, revision: RevisionFact) -> None:
        """Between the last look at who names it and the request nothing is waited for."""
        namespace, name = owner[0], revision.name
        if name in self._named(owner):
            return
        self._store.pruning.add((namespace, name))
        try:
            await self._api.delete(REVISIONS, namespace, name, uid=revision.uid)
        except (NotFound, Conflict):
            pass  # gone, or gone and made anew: then a run names it, and it is listed again
        else:
            _log.info("a revision was pruned", namespace=namespace, revision=name)
        finally:
            self._store.pruning.discard((namespace, name))
        self._known.get(owner, {}).pop(name, None)
        self._asked[owner] = self._asked.get(owner, frozenset()) - {name}

    def _take_in(self, items: Iterable[dict[str, Any]]) -> None:
        for raw in items:
            meta = raw["metadata"]
            workflow = (meta.get("labels") or {}).get(names.LABEL_WORKFLOW)
            if isinstance(workflow, str):
                fact = _fact(raw)
                self._known.setdefault((meta["namespace"], workflow), {})[fact.name] = fact


def _fact(raw: dict[str, Any]) -> RevisionFact:
    """Made in the same second, the lower resourceVersion is the older: a revision never changes."""
    meta = raw["metadata"]
    return RevisionFact(
        str(meta["name"]), str(meta["uid"]), (str(meta["creationTimestamp"]), version_of(raw))
    )
