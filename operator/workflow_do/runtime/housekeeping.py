"""The upkeep of what has ended: Jobs, runs and revisions deleted when they are due.

Decides when a Workflow is looked at and how its deletions are carried out; what is due is the
engine's (`retention`). A pass over a Workflow follows soon after a run of it has ended or is gone,
or the Workflow has changed, and when something becomes due; nothing is polled. Every deletion
names what it was decided about (uid, resourceVersion), so a repeated or a late one does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from workflow_do.api import names
from workflow_do.api.housekeeping import Housekeeping
from workflow_do.engine import retention
from workflow_do.engine.freezing import current_revision
from workflow_do.engine.timestamps import stamp
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import (
    JOBS,
    RUNS,
    WORKFLOWS,
    Api,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
    is_name,
)
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind, Raw
from workflow_do.runtime.insist import insist
from workflow_do.runtime.queue import Backoff, WorkQueue
from workflow_do.runtime.revisions import Revisions
from workflow_do.runtime.store import Record, RunKey, Store
from workflow_do.runtime.used import find_used

SETTLE_SECONDS: Final = 1.0
"""Between news and the look at it: a burst of ended runs is looked at once."""
_WORKERS: Final = 2
_AT_ONCE: Final = 4
"""Deletions of one Workflow under way; with the workers, what live runs share the API with."""
_BATCH: Final = 100
"""Deletions of each kind in a pass; more follow after other Workflows have had their turn."""
_PAUSE_REFUSED: Final = 60.0
_BACKOFF: Final = Backoff(first=1.0, last=60.0)
_log = logs.get("housekeeping")


@dataclass(frozen=True, slots=True)
class WorkflowKey:
    """The runs and revisions of one Workflow, whether it is still there or not."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"housekeeping of {self.namespace}/{self.name}"


class Housekeeper:
    """Deletes what is due. `doubtful` is called with a run that has changed unseen."""

    def __init__(
        self,
        api: Api,
        store: Store,
        catalogue: Catalogue,
        doubtful: Callable[[RunKey], None],
        namespaces: tuple[str, ...] = (),
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._api = api
        self._store = store
        self._catalogue = catalogue
        self._doubtful = doubtful
        self._now = now
        self._revisions = Revisions(api, store, namespaces)
        self.queue: WorkQueue[WorkflowKey] = WorkQueue(
            self._pass, workers=_WORKERS, backoff=_BACKOFF
        )

    async def run(self, caught_up: asyncio.Event) -> None:
        """Work until cancelled, once the watches have brought what there is."""
        await caught_up.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.queue.run(), name="housekeeping queue")
            tasks.create_task(self._first_look(), name="housekeeping, first look")

    def news(self, namespace: str, workflow: str) -> None:
        """A run has ended or is gone, or the Workflow has changed."""
        if not is_name(workflow):
            return  # of a run that was never checked: no such Workflow can be
        self.queue.add_after(WorkflowKey(namespace, workflow), SETTLE_SECONDS)

    async def _first_look(self) -> None:
        """Also Workflows that are gone, with nothing left but revisions."""
        owners = await insist(self._revisions.first_look, _BACKOFF, "revisions")
        for namespace, workflow in owners:
            self.news(namespace, workflow)

    async def _pass(self, key: WorkflowKey) -> None:
        workflow = await self._workflow(key)
        policy = retention.policy_of(workflow)
        records = self._deletable(key)
        due = retention.due((r.ended for r in records.values() if r.ended), policy, self._now())
        jobs_of, runs = due.jobs_of[:_BATCH], due.runs[:_BATCH]
        faults = await _all(
            [
                *(partial(self._delete_jobs, records[uid]) for uid in jobs_of),
                *(partial(self._delete_run, records[uid]) for uid in runs),
            ]
        )
        pruned = await self._prune(key, workflow, policy)
        if (jobs_of, runs) != (due.jobs_of, due.runs) and not faults:
            self.queue.add(key)
        if due.again is not None:
            self.queue.add_after(key, max(SETTLE_SECONDS, due.again.total_seconds()))
        if not pruned:
            self.queue.add_after(key, 5 * SETTLE_SECONDS)
        if faults:
            raise _worst(faults)

    async def _workflow(self, key: WorkflowKey) -> Raw | None:
        """The Workflow; one that was not seen is asked for before it is taken for gone."""
        known = self._catalogue.get(DefinitionKey(Kind.WORKFLOW, key.namespace, key.name))
        return known or await self._api.find(WORKFLOWS, key.namespace, key.name)

    def _deletable(self, key: WorkflowKey) -> dict[str, Record]:
        """The completed runs by uid, but for those that a live run takes steps from."""
        records = self._store.of_workflow(key.namespace, key.name)
        needed = {record.retry_of for record in records if record.ended is None}
        return {
            record.key.uid: record
            for record in records
            if record.ended is not None and record.key.uid not in needed
        }

    async def _delete_jobs(self, record: Record) -> None:
        """All Jobs of a run, then a mark on it, so that this is not done for ever after."""
        key = record.key
        notes = {names.ANNOTATION_JOBS_DELETED: stamp(self._now())}
        body = {"metadata": {"uid": key.uid, "annotations": notes}}
        try:
            await self._api.delete_all(JOBS, key.namespace, f"{names.LABEL_RUN_UID}={key.uid}")
            self._store.see_run(await self._api.merge_patch(RUNS, key.namespace, key.name, body))
        except (NotFound, Conflict):
            self._doubt(key)
        else:
            _log.info("the Jobs of a run were deleted", run=str(key))

    async def _delete_run(self, record: Record) -> None:
        """A run that is still as it was when this was decided; its Jobs are collected with it."""
        key = record.key
        try:
            await self._api.delete(
                RUNS, key.namespace, key.name, uid=key.uid, version=record.version
            )
        except NotFound:
            self._store.forget_run(key.uid)
        except Conflict:
            self._doubt(key)
        else:
            self._store.forget_run(key.uid)
            _log.info("a run was deleted", run=str(key))

    async def _prune(self, key: WorkflowKey, workflow: Raw | None, policy: Housekeeping) -> bool:
        """False where it must be looked at again because not everything was seen yet.

        Of a Workflow that is gone only the revisions that a run names are of any use.
        """
        limit = policy.revision_history_limit if workflow is not None else 0
        if not await self._revisions.more_than(key.namespace, key.name, limit):
            return True
        current = {await self._current(key, workflow)} if workflow is not None else set()
        return await self._revisions.prune(key.namespace, key.name, limit, current)

    async def _current(self, key: WorkflowKey, workflow: Raw) -> str:
        def known(kind: Kind) -> Callable[[str], Awaitable[Raw | None]]:
            async def find(name: str) -> Raw | None:
                return self._catalogue.get(DefinitionKey(kind, key.namespace, name))

            return find

        used = await find_used(workflow, known(Kind.ACTION), known(Kind.WORKFLOW))
        return current_revision(workflow, *used)

    def _doubt(self, key: RunKey) -> None:
        self._store.doubt(key)
        self._doubtful(key)


async def _all(works: Iterable[Callable[[], Awaitable[None]]]) -> list[Exception]:
    """Do everything, a few at a time; the faults of those that failed."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def bounded(work: Callable[[], Awaitable[None]]) -> None:
        async with room:
            await work()

    done = await asyncio.gather(*(bounded(work) for work in works), return_exceptions=True)
    return [fault for fault in done if isinstance(fault, Exception)]


def _worst(faults: list[Exception]) -> Exception:
    """What nobody foresaw first; a definite no is asked again, but seldom."""
    foreseen = (Refused, Unavailable)
    fault = next((f for f in faults if not isinstance(f, foreseen)), faults[0])
    if isinstance(fault, Refused):
        return Unavailable(f"{fault} ({len(faults)} deletions failed)", _PAUSE_REFUSED)
    return fault
