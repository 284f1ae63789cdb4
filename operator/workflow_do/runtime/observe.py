"""One consistent look at a run, as the engine wants it.

From the store, or live: the run first, then all its Jobs, then all its Pods, then (while a step
waits for them) the runs that it started and the approvals, each listed by the API server. In that
order, because a Job that is listed as ended must not miss its Pod only for the Pods having been
read before. Decides where to read, never what it means.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.engine.definition import Definition, parse_revision
from workflow_do.engine.facts import Observed, Pinning, Run, parse_run
from workflow_do.engine.kin import parse_outputs
from workflow_do.engine.outputs import LogEnd
from workflow_do.engine.pinning import pin, pin_named, pin_retry
from workflow_do.engine.problem import Problem
from workflow_do.engine.vouching import AWAITED, vouch
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import (
    ACTIONS,
    APPROVALS,
    EVENTS,
    JOBS,
    PODS,
    REVISIONS,
    RUNS,
    WORKFLOWS,
    Api,
    ApiError,
    Listing,
    NotFound,
    Resource,
    Unavailable,
    version_of,
)
from workflow_do.runtime.held import HeldData
from workflow_do.runtime.past import find_past_job
from workflow_do.runtime.protection import try_forgery
from workflow_do.runtime.records import F, Versioned, is_known
from workflow_do.runtime.store import Record, RunKey, Store, key_of
from workflow_do.runtime.used import find_used

_LOG_LINES: Final = 60
"""Of the end of a log; more than 2 KiB of it are not kept."""
_LOG_BYTES: Final = 64 * 1024
_logger = logs.get("observe")
_DEFINITIONS: Final = 256
"""How many parsed revisions are kept; a live run holds on to its own besides."""


class Observer:
    """Looks at runs; remembers parsed revisions, which never change."""

    def __init__(self, api: Api, store: Store, now: Callable[[], datetime] = clock.now) -> None:
        self._api = api
        self._store = store
        self._now = now
        self._parsed: OrderedDict[Hashable, Definition] = OrderedDict()
        self._stored: OrderedDict[Hashable, Definition] = OrderedDict()
        self._held = HeldData(api)

    async def observe(self, key: RunKey, *, live: bool = False) -> Observed | Problem | None:
        """The run and all that belongs to it; a Problem where the run itself cannot be read, None
        where there is nothing to do about it.

        Live where that is asked for, on the first touch, and where the store is in doubt.
        """
        record = self._store.record(key.uid)
        live = live or record is None or bool(record.strays) or not record.looked
        if live:
            record, live = await self._look(key)
        if record is None:
            return None
        run = record.run
        if not isinstance(run, Run):
            return run
        return Observed(
            run=run,
            definition=await self._definition(record, run),
            jobs=tuple(v.fact for v in record.jobs.values()),
            pods=tuple(v.fact for v in record.pods.values()),
            approvals=tuple(v.fact for v in record.approvals.values()),
            children=self._store.families.children(key.namespace, key.uid),
            live=live,
            asked=record.asked,
            inherited=run.started_uid == run.uid and not record.vouched,
        )

    async def with_events(self, seen: Observed, job_uids: frozenset[str]) -> Observed:
        """The same look, with the Events of these Jobs about their Pods."""
        uids = sorted(job_uids)
        found = await asyncio.gather(*(self._warnings(seen.run.namespace, uid) for uid in uids))
        return replace(seen, job_events={**seen.job_events, **dict(zip(uids, found, strict=True))})

    async def with_past(self, seen: Observed, job_names: frozenset[str]) -> Observed:
        """The same look, with what Events tell of Jobs of these names, there or gone."""
        asked = sorted(job_names)
        found = await asyncio.gather(
            *(find_past_job(self._api, seen.run.namespace, name) for name in asked)
        )
        return replace(seen, past={**seen.past, **dict(zip(asked, found, strict=True))})

    async def with_logs(self, seen: Observed, pods: Mapping[str, str]) -> Observed:
        """The same look, with the end of the log of these Pods (name → uid); empty if unread."""
        found = await asyncio.gather(*(self._log(seen.run.namespace, name) for name in pods))
        return replace(seen, logs={**seen.logs, **dict(zip(pods.values(), found, strict=True))})

    async def with_outputs(self, seen: Observed, pods: Mapping[str, str]) -> Observed:
        """The same look, with the longer end of the log of these Pods (name → uid)."""
        found = await asyncio.gather(*(self._output(seen.run.namespace, name) for name in pods))
        read = dict(zip(pods.values(), found, strict=True))
        return replace(seen, log_outputs={**seen.log_outputs, **read})

    async def with_guard(self, seen: Observed) -> Observed:
        """The same look, and whether an approval in another's name would be refused."""
        return replace(seen, guard=await try_forgery(self._api, seen.run))

    async def with_held(self, seen: Observed, wanted: frozenset[str]) -> Observed:
        """The same look, with these ConfigMaps; None for one that is not there."""
        order = sorted(wanted)
        found = await asyncio.gather(*(self._held.read(seen.run.namespace, n) for n in order))
        return replace(seen, held={**seen.held, **dict(zip(order, found, strict=True))})

    async def with_results(self, seen: Observed, child_names: frozenset[str]) -> Observed:
        """The same look, with what these child runs gave."""
        order = sorted(child_names)
        space = seen.run.namespace
        found = await asyncio.gather(*(self._api.find(RUNS, space, name) for name in order))
        given = {key_of(raw).uid: parse_outputs(raw) for raw in found if raw is not None}
        gone = {uid for uid, c in seen.children.items() if c.name in child_names} - given.keys()
        left = {uid: child for uid, child in seen.children.items() if uid not in gone}
        live = seen.live and not gone
        return replace(seen, results={**seen.results, **given}, children=left, live=live)

    async def with_remains(self, seen: Observed, uids: frozenset[str]) -> Observed:
        """The same look, and whether anything is left of these children, which are gone."""
        order = sorted(uids)
        found = await asyncio.gather(*(self._is_left(seen.run.namespace, uid) for uid in order))
        return replace(seen, remains={**seen.remains, **dict(zip(order, found, strict=True))})

    async def _is_left(self, namespace: str, uid: str) -> bool:
        mine = f"{names.LABEL_RUN_UID}={uid}"
        for resource in (RUNS, JOBS, PODS):
            left = await self._api.list_all(resource, namespace, labels=mine, metadata_only=True)
            if left.items:
                return True
        return False

    def doubt(self, key: RunKey) -> None:
        """What is known of the run may be wrong: the next look is live."""
        self._store.doubt(key)

    def settle(self, run: Run, *, partial: bool) -> None:
        """A whole round has gone by; `partial`: without an account of what was started before."""
        key = RunKey(run.namespace, run.name, run.uid)
        self._store.settle(key, int(run.resource_version), partial=partial)

    async def _log(self, namespace: str, pod: str) -> str:
        """A log that cannot be read must not hold the run up."""
        try:
            found = await self._api.log(namespace, pod, names.CONTAINER, _LOG_LINES, _LOG_BYTES)
        except ApiError as error:
            _logger.info("the log cannot be read", pod=f"{namespace}/{pod}", error=str(error))
            return ""
        return found.data.decode(errors="replace")

    async def _output(self, namespace: str, pod: str) -> LogEnd:
        """What is no UTF-8 must not be mended: it would be another output."""
        lines, most = names.OUTPUT_LOG_LINES, names.OUTPUT_LOG_BYTES
        try:
            found = await self._api.log(namespace, pod, names.CONTAINER, lines, most)
        except ApiError as error:
            _logger.info("an output cannot be read", pod=f"{namespace}/{pod}", error=str(error))
            return LogEnd("", error=f"the log cannot be read: {error}")
        return LogEnd(found.data.decode(errors="surrogateescape"), found.cut)

    async def _look(self, key: RunKey) -> tuple[Record | None, bool]:
        """Read the run, its Jobs and its Pods; None where the run is not there any more.

        And whether the three belong together: of a run that was written to while its Jobs were
        being listed, a Job that it names may be missing from the list without being gone. What has
        not begun has no Jobs: it is marked before the first.
        """
        raw = await self._api.find(RUNS, key.namespace, key.name)
        if raw is None or key_of(raw) != key:
            self._store.forget_run(key.uid)
            return None, True
        self._store.see_run(raw)
        record = self._store.record(key.uid)
        if record is None or (record.run is None and not record.strays):
            return record, True
        if record.is_new:
            record.looked = True
            return record, True
        version = record.version
        mine = f"{names.LABEL_RUN_UID}={key.uid}"
        record.attended = frozenset(record.strays)
        jobs = await self._list_children(JOBS, key, record.jobs)
        pods = await self._list_children(PODS, key, record.pods)
        if record.run is None and (jobs.partial or pods.partial):
            return await self._look(key)  # completed meanwhile, so nothing is known any more
        if record.run is None:  # completed: nothing of it is kept, so look at a passing copy
            record = Record(key, version_of(raw), parse_run(raw))
            version = record.version
        record.asked = self._now()
        self._store.see_children(record, jobs, pods)
        if record.may_have_children:
            self._store.see_family(key, await self._api.list_all(RUNS, key.namespace, labels=mine))
        if record.awaits_approval:
            of_run = f"spec.runUID={key.uid}"
            found = await self._api.list_all(APPROVALS, key.namespace, fields=of_run)
            self._store.see_approvals(record, found)
        return record, record.version == version

    async def _list_children(
        self, resource: Resource, key: RunKey, known: Mapping[str, Versioned[F]]
    ) -> Listing:
        """All Jobs, or Pods, of a run; where each is known in its newest state, as it mostly is,
        their metadata alone: at the end of a long run all else would be read for nothing.
        """
        mine = f"{names.LABEL_RUN_UID}={key.uid}"
        if known:
            listed = await self._api.list_all(
                resource, key.namespace, labels=mine, metadata_only=True
            )
            if all(is_known(known, raw) for raw in listed.items):
                return listed
        return await self._api.list_all(resource, key.namespace, labels=mine)

    async def _definition(self, record: Record, run: Run) -> Definition | Pinning | Problem:
        if run.status.revision_name is None:
            return await self._to_be_pinned(run)
        if record.definition is None:
            found = await self._revision(run.namespace, run.status.revision_name)
            if isinstance(found, Problem):
                return found if record.has_begun else await self._pin_anew(run, found)
            record.definition = found
        return record.definition

    async def _pin_anew(self, run: Run, lost: Problem) -> Definition | Pinning | Problem:
        """A revision that went between being chosen and being written down is made anew."""
        self._stored.clear()  # what was remembered is not stored any more
        found = await self._to_be_pinned(run)
        if isinstance(found, Problem):
            return lost
        name = found.definition.revision_name
        if found.manifest is None and name == run.status.revision_name:
            # It is there: made anew by another run meanwhile, or it cannot be used.
            return await self._revision(run.namespace, name)
        return found

    async def _to_be_pinned(self, run: Run) -> Pinning | Problem:
        """A run that says it is a child waits until its parent says so, too."""
        if run.call is None:
            return await self._chosen(run)
        vouched = vouch(run, run.call, self._store.live_run(run.call.run_uid))
        if isinstance(vouched, Problem):  # the store may be behind
            raw = await self._api.find(RUNS, run.namespace, run.call.run_name)
            live = parse_run(raw) if raw is not None else None
            if isinstance(live, Problem):
                return AWAITED
            vouched = vouch(run, run.call, live)
        if isinstance(vouched, Problem):
            return vouched
        found = await self._chosen(run)
        return replace(found, vouched=vouched) if isinstance(found, Pinning) else found

    async def _chosen(self, run: Run) -> Pinning | Problem:
        """From live reads: watches of several kinds are not ordered among each other."""
        if run.spec.retry_of is not None:
            return await self._to_be_retried(run, run.spec.retry_of.run_name)
        if run.spec.revision_name is not None:
            return pin_named(
                run, await self._api.find(REVISIONS, run.namespace, run.spec.revision_name)
            )
        workflow = await self._api.find(WORKFLOWS, run.namespace, run.spec.workflow_name)
        if workflow is None:
            return pin(run, None, {}, ())
        find = partial(self._find, run.namespace)
        actions, workflows = await find_used(
            workflow, partial(find, ACTIONS), partial(find, WORKFLOWS)
        )
        every = (workflow, *actions.values(), *workflows.values())
        versions = tuple(map(_version, every))
        known = self._stored.get(versions)
        if known is not None and await self._are_there(run.namespace, known.children):
            return Pinning(known, None)  # its own is read once that is written down
        revisions = await self._revisions_of(run, workflows)
        pinned = pin(run, workflow, actions, revisions, workflows)
        if isinstance(pinned, Pinning) and pinned.manifest is None and not pinned.before:
            _keep(self._stored, versions, pinned.definition)
        return pinned

    async def _find(self, namespace: str, resource: Resource, name: str) -> dict[str, Any] | None:
        return await self._api.find(resource, namespace, name)

    async def _are_there(self, namespace: str, children: Mapping[str, str]) -> bool:
        """Whether the revisions that a revision names are stored."""
        wanted = set(children.values())
        found = await asyncio.gather(*(self._find_revision(namespace, name) for name in wanted))
        return all(found)

    async def _revisions_of(self, run: Run, workflows: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Those of the run's Workflow, and of the others that its runs may come to."""
        wanted = ",".join(sorted({run.spec.workflow_name, *workflows}))
        mine = f"{names.LABEL_WORKFLOW} in ({wanted})" if workflows else ""
        mine = mine or f"{names.LABEL_WORKFLOW}={wanted}"
        return (await self._api.list_all(REVISIONS, run.namespace, labels=mine)).items

    async def _to_be_retried(self, run: Run, original_name: str) -> Pinning | Problem:
        raw = await self._api.find(RUNS, run.namespace, original_name)
        original = parse_run(raw) if raw is not None else None
        if not isinstance(original, Run):
            return pin_retry(run, None, None, None)
        of_original = original.status.revision_name
        wanted = run.spec.revision_name or of_original
        before = await self._find_revision(run.namespace, of_original)
        revision = before
        if wanted != of_original:
            revision = await self._find_revision(run.namespace, wanted)
        return pin_retry(run, original, revision, before)

    async def _find_revision(self, namespace: str, name: str | None) -> dict[str, Any] | None:
        return await self._api.find(REVISIONS, namespace, name) if name is not None else None

    async def _revision(self, namespace: str, name: str) -> Definition | Problem:
        """The pinned revision, read live; parsed once however many runs share it."""
        if (namespace, name) in self._store.pruning:
            raise Unavailable(f"the WorkflowRevision {name!r} is being pruned")
        try:
            raw = await self._api.get(REVISIONS, namespace, name)
        except NotFound:
            return Problem(
                Reason.REVISION_LOST,
                f"there is no WorkflowRevision {name!r} any more: start a new run",
            )
        key = (namespace, name, str(raw["metadata"]["uid"]))
        known = self._parsed.get(key)
        if known is not None:
            self._parsed.move_to_end(key)
            return known
        parsed = parse_revision(raw)
        if isinstance(parsed, Definition):
            _keep(self._parsed, key, parsed)
        return parsed

    async def _warnings(self, namespace: str, uid: str) -> tuple[str, ...]:
        found = await self._api.list_all(EVENTS, namespace, fields=f"involvedObject.uid={uid}")
        return tuple(_message(event) for event in found.items if _tells(event))


def with_what_was_asked(again: Observed, seen: Observed) -> Observed:
    """Another look, with what was asked for beside the first: it stays true; but where somebody has
    written the run meanwhile, that nothing had begun may not be.
    """
    same = again.run.resource_version == seen.run.resource_version
    return replace(
        again,
        refusals=seen.refusals,
        job_events=seen.job_events,
        past=seen.past if same else {},
        logs=seen.logs,
        log_outputs=seen.log_outputs,
        held=seen.held,
        guard=seen.guard,
        crowd=seen.crowd,
        results=seen.results,
    )


def _keep(known: OrderedDict[Hashable, Definition], key: Hashable, found: Definition) -> None:
    """Remember it, and forget what was remembered first where it gets too much."""
    known[key] = found
    if len(known) > _DEFINITIONS:
        known.popitem(last=False)


def _version(raw: Mapping[str, Any]) -> tuple[str, int]:
    """What changes whenever the spec of a definition does."""
    meta = raw["metadata"]
    return str(meta["uid"]), int(meta["generation"])


def _tells(event: dict[str, Any]) -> bool:
    """Whether an Event of a Job is about its Pod: it could not be made, or it was."""
    return event.get("type") == "Warning" or event.get("reason") == "SuccessfulCreate"


def _message(event: dict[str, Any]) -> str:
    return str(event.get("message") or event.get("reason") or "")[: names.MAX_MESSAGE_CHARS]
