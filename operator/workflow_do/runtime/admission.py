"""Places for runs whose Workflow limits how many go on at once: one Lease for each group.

A group (a Workflow and a key) is worked on by one worker at a time; a place is given by a write of
its Lease under resourceVersion, so a second operator that decides at the same moment is refused and
looks again. A place is free when its holder is Completed or gone, by what the API server says. Who
gets it is the engine's to decide (`engine.admission`). Nothing is polled: a pass follows when a run
asks, ends, or is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.run import DesiredState
from workflow_do.engine.admission import Candidate, Holder, Standing, Verdict, Wish, decide
from workflow_do.engine.facts import Run, parse_status
from workflow_do.engine.identity import hash_of
from workflow_do.engine.report import completed
from workflow_do.engine.timestamps import micro_stamp
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import RUNS, Api, Conflict, NotFound, Unavailable
from workflow_do.runtime.insist import insist
from workflow_do.runtime.lease import LEASES
from workflow_do.runtime.queue import Backoff, WorkQueue
from workflow_do.runtime.store import RunKey, Store, key_of

Raw = dict[str, Any]

_BACKOFF: Final = Backoff(first=0.1, last=30.0)
_DIGEST_CHARS: Final = 16
_log = logs.get("admission")


@dataclass(frozen=True, slots=True)
class Group:
    """The runs that share places."""

    namespace: str
    workflow: str
    key: str

    @property
    def lease(self) -> str:
        """The name of the Lease that names the holders."""
        digest = hash_of([self.workflow, self.key])[:_DIGEST_CHARS]
        return f"workflow-do-{digest}"

    def __str__(self) -> str:
        return f"places of {self.namespace}/{self.workflow} {self.key!r}"


class Admissions:
    """Answers runs that ask for a place. `wake` is called with a run whose standing has changed."""

    def __init__(
        self,
        api: Api,
        store: Store,
        wake: Callable[[RunKey], None],
        namespaces: tuple[str, ...] = (),
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._api = api
        self._store = store
        self._wake = wake
        self._now = now
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._waiting: dict[Group, dict[str, Candidate]] = {}
        self._answers: dict[str, Standing] = {}
        self._groups: dict[tuple[str, str], set[Group]] = {}
        self.queue: WorkQueue[Group] = WorkQueue(self._pass, workers=1, backoff=_BACKOFF)

    async def run(self, caught_up: asyncio.Event) -> None:
        """Work until cancelled; places that nobody released are found once the watches are."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.queue.run(), name="places")
            tasks.create_task(self._first_look(caught_up), name="places, first look")

    def ask(self, run: Run, wish: Wish) -> Standing:
        """Where the run stands; the first time it is put in line."""
        group = Group(run.namespace, run.spec.workflow_name, wish.key)
        known = self._answers.get(run.uid)
        if known is not None and (known.granted or known.refused or known.stuck):
            return known
        line = self._waiting.setdefault(group, {})
        if run.uid not in line:
            order = (run.created, run.name)
            family = frozenset(self._ancestors(run))
            line[run.uid] = Candidate(Holder(run.uid, run.name), wish, order, family)
            self._know(group)
            self.queue.add(group)
        return known or Standing()

    def news(self, namespace: str, workflow: str) -> None:
        """A run of the Workflow has ended or is gone."""
        for group in self._groups.get((namespace, workflow), ()):
            self.queue.add(group)

    def _ancestors(self, run: Run) -> Iterator[str]:
        """The runs that wait for this one; only one that its parent has named asks for a place."""
        call = run.call
        for _ in range(names.MAX_RUN_DEPTH):
            if call is None:
                return
            yield call.run_uid
            above = self._store.live_run(call.run_uid)
            call = above.call if above is not None else None

    async def _first_look(self, caught_up: asyncio.Event) -> None:
        await caught_up.wait()
        for namespace in self._namespaces:
            await insist(partial(self._find_leases, namespace), _BACKOFF, "places")

    async def _find_leases(self, namespace: str | None) -> None:
        found = await self._api.list_all(LEASES, namespace, labels=names.LABEL_WORKFLOW)
        for raw in found.items:
            meta = raw["metadata"]
            workflow = str((meta.get("labels") or {}).get(names.LABEL_WORKFLOW))
            key = str((meta.get("annotations") or {}).get(names.ANNOTATION_KEY, ""))
            group = Group(meta["namespace"], workflow, key)
            if group.lease == meta["name"]:
                self._know(group)
                self.queue.add(group)

    def _know(self, group: Group) -> None:
        self._groups.setdefault((group.namespace, group.workflow), set()).add(group)

    async def _pass(self, group: Group) -> None:
        """Take back the places of runs that have ended, and give them to those that wait."""
        lease = await self._api.find(LEASES, group.namespace, group.lease)
        held = _holders(lease)
        every = dict.fromkeys([*held, *self._admitted(group)])
        alive = [h for h in every if await self._goes_on(group, h)]
        line = await self._line(group)
        verdict = decide(alive, line)
        await self._write(group, lease, held, verdict)
        for holder in verdict.replaced:
            await self._replace(group, holder)
        self._answer(group, line, verdict)

    def _admitted(self, group: Group) -> list[Holder]:
        """Runs that say they have a place: a Lease may have been deleted or edited by hand."""
        return [
            Holder(record.key.uid, record.key.name)
            for record in self._store.of_workflow(group.namespace, group.workflow)
            if isinstance(record.run, Run)
            and record.run.status.admitted_time is not None
            and (record.run.status.concurrency_key or "") == group.key
        ]

    async def _goes_on(self, group: Group, holder: Holder) -> bool:
        """Whether a holder still needs its place. What is not known here is asked for."""
        record = self._store.record(holder.uid)
        if record is not None:
            return record.ended is None
        raw = await self._api.find(RUNS, group.namespace, holder.name)
        if raw is None or key_of(raw).uid != holder.uid:
            return False
        status = parse_status(raw)
        return status is None or not completed(status)

    async def _line(self, group: Group) -> list[Candidate]:
        """Those that wait and are still there. Who is on its way out, or has to go with a run that
        is, takes no part: it holds nobody up for long.
        """
        line = self._waiting.get(group, {})
        for uid, candidate in tuple(line.items()):
            if not await self._goes_on(group, candidate.holder):
                line.pop(uid, None)
                self._answers.pop(uid, None)
        families = ((c, (c.holder.uid, *c.ancestors)) for c in line.values())
        return [c for c, family in families if not any(map(self._leaves, family))]

    def _leaves(self, uid: str) -> bool:
        run = self._store.live_run(uid)
        if run is None:
            return False
        return run.deleting or run.spec.desired_state.cancels or completed(run.status)

    async def _write(
        self, group: Group, lease: Raw | None, held: list[Holder], verdict: Verdict
    ) -> None:
        """The holders as decided, if nobody has written since; else it is decided again."""
        if tuple(held) == verdict.holders and (lease is None or held):
            return
        try:
            if lease is None:
                await self._api.create(LEASES, group.namespace, self._manifest(group, verdict))
            elif verdict.holders:
                await self._change(group, lease, verdict)
            else:
                meta = lease["metadata"]
                await self._api.delete(
                    LEASES,
                    group.namespace,
                    group.lease,
                    uid=str(meta["uid"]),
                    version=int(meta["resourceVersion"]),
                )
        except NotFound as error:
            if verdict.holders:
                raise Unavailable(f"{group}: gone meanwhile") from error
        except Conflict as error:
            raise Unavailable(f"{group}: another operator was first") from error

    async def _change(self, group: Group, lease: Raw, verdict: Verdict) -> None:
        made = self._manifest(group, verdict)
        version = lease["metadata"]["resourceVersion"]
        operations = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {
                "op": "add",
                "path": "/metadata/annotations",
                "value": made["metadata"]["annotations"],
            },
            {"op": "add", "path": "/spec", "value": made["spec"]},
        ]
        await self._api.json_patch(LEASES, group.namespace, group.lease, operations)

    def _manifest(self, group: Group, verdict: Verdict) -> Raw:
        rows = [{"uid": h.uid, "run": h.name} for h in verdict.holders]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": group.lease,
                "namespace": group.namespace,
                "labels": {
                    names.LABEL_WORKFLOW: group.workflow,
                    names.LABEL_MANAGED_BY: names.MANAGED_BY,
                },
                "annotations": {
                    names.ANNOTATION_KEY: group.key,
                    names.ANNOTATION_HOLDERS: json.dumps(rows),
                },
            },
            "spec": {
                "holderIdentity": verdict.holders[0].name,
                "acquireTime": micro_stamp(self._now()),
            },
        }

    async def _replace(self, group: Group, holder: Holder) -> None:
        """Cancel a run that has to make room, unless it is being cancelled already."""
        run = self._store.live_run(holder.uid)
        if run is not None and run.spec.desired_state.cancels:
            return
        body = {
            "metadata": {"uid": holder.uid},
            "spec": {"desiredState": DesiredState.CANCELLED.value},
        }
        try:
            self._store.see_run(
                await self._api.merge_patch(RUNS, group.namespace, holder.name, body)
            )
        except (NotFound, Conflict):
            return  # gone, or another one of that name
        _log.info("a run was cancelled for a newer one", run=f"{group.namespace}/{holder.name}")
        self._wake(RunKey(group.namespace, holder.name, holder.uid))

    def _answer(self, group: Group, line: list[Candidate], verdict: Verdict) -> None:
        """Tell those whose standing has changed; what was refused or replaced leaves the line."""
        behind = tuple(h.name for h in verdict.holders)
        waiting = self._waiting.get(group, {})
        for candidate in line:
            own = candidate.holder
            standing = Standing(
                granted=own in verdict.granted,
                refused=own in verdict.refused,
                stuck=own in verdict.stuck,
                behind=() if own in verdict.granted else behind,
            )
            told = standing.granted or standing.refused or standing.stuck
            if told or own in verdict.replaced:
                waiting.pop(own.uid, None)
            first = own.uid not in self._answers
            self._answers[own.uid] = standing
            if first or told:
                self._wake(RunKey(group.namespace, own.name, own.uid))
        if not waiting:
            self._waiting.pop(group, None)
            if not verdict.holders:
                self._forget(group)
        self._forget_answers()

    def _forget(self, group: Group) -> None:
        known = self._groups.get((group.namespace, group.workflow), set())
        known.discard(group)
        if not known:
            self._groups.pop((group.namespace, group.workflow), None)

    def _forget_answers(self) -> None:
        """Of runs that have ended nobody asks any more."""
        if len(self._answers) > 1000:
            for uid in [*self._answers]:
                record = self._store.record(uid)
                if record is None or record.ended is not None:
                    del self._answers[uid]


def _holders(lease: Raw | None) -> list[Holder]:
    """The holders that a Lease names; none where it cannot be read."""
    notes = ((lease or {}).get("metadata") or {}).get("annotations") or {}
    try:
        rows = json.loads(notes.get(names.ANNOTATION_HOLDERS, "[]"))
        return [Holder(str(row["uid"]), str(row["run"])) for row in rows]
    except (ValueError, TypeError, KeyError):
        return []
