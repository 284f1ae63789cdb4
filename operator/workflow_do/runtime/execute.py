"""Carrying out effects, each so that doing it twice does no harm.

Decides what an answer of the API server means for an effect: done, a definite no (a Refusal for
the plan to judge), or unknown. An unknown answer to a POST is never concluded from: the same name
is asked for again until the answer is definite, here for some seconds and then by the queue.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, assert_never

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState
from workflow_do.engine.effects import (
    ClaimRetry,
    ControlRun,
    CreateJob,
    CreateRevision,
    CreateRun,
    Effect,
    ExpirePod,
    MarkFinished,
    MarkStarted,
    StoreData,
    SuspendJob,
)
from workflow_do.engine.facts import (
    JobFact,
    Observed,
    Pinning,
    PodFact,
    Refusal,
    Run,
    parse_job,
    parse_pod,
    parse_run,
)
from workflow_do.engine.held import parse_held
from workflow_do.engine.kin import parse_child
from workflow_do.runtime.api import (
    CONFIGMAPS,
    JOBS,
    PODS,
    REVISIONS,
    RUNS,
    Api,
    Conflict,
    NotFound,
    Refused,
    Resource,
    Unavailable,
)
from workflow_do.runtime.metrics import Metrics, unread
from workflow_do.runtime.past import find_past_job
from workflow_do.runtime.queue import Backoff
from workflow_do.runtime.store import RunKey, Store

_PAUSE: Final = Backoff(first=0.05, last=2.0)
_PATIENCE: Final = 5.0
"""For so many seconds one name is asked for again here; after that the queue takes over."""
_AT_ONCE: Final = 8
"""So many Jobs of one run are asked for at the same time."""
_IDENTITY: Final = (
    names.LABEL_RUN_UID,
    names.LABEL_ROLE,
    names.LABEL_STEP,
    names.LABEL_ITEM,
    names.LABEL_TRY,
)


class RunGone(Exception):
    """The run's namespace is going or gone; the run will be too: nothing is left to do."""


class JobGone(Unavailable):
    """A Job that was made is gone, and nobody has seen it: look again, live, and ask its Events."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the Job {name!r} was there and is gone")


class Stale(Exception):
    """Somebody wrote to the object first: look again, live."""


class Executor:
    """Does what a plan says; what came of it goes into the store and into the look."""

    def __init__(self, api: Api, store: Store, metrics: Metrics | None = None) -> None:
        self._api = api
        self._store = store
        self._metrics = metrics or unread()

    async def execute(self, key: RunKey, effects: tuple[Effect, ...], seen: Observed) -> Observed:
        """The look with everything in it that came of the effects.

        Raises Unavailable where the answer stayed unknown, RunGone where nothing can be made any
        more; the run is then to be observed live.
        """
        jobs = [effect for effect in effects if isinstance(effect, CreateJob)]
        for effect in effects:
            if not isinstance(effect, CreateJob):
                seen = await self._one(key, effect, seen)
        if jobs:
            seen = await self._create_jobs(key, jobs, seen)
        # What is not in the look may have come since: a POST can take long, and its program not.
        return replace(seen, live=False)

    async def _one(self, key: RunKey, effect: Effect, seen: Observed) -> Observed:
        match effect:
            case CreateRevision():
                return await self._create_revision(effect, seen)
            case CreateJob():
                return await self._create_jobs(key, [effect], seen)
            case CreateRun() | ControlRun():
                return await self._to_child(effect, seen)
            case StoreData():
                return await self._store_data(effect, seen)
            case SuspendJob():
                return await self._suspend(effect, seen)
            case ExpirePod():
                return await self._expire(effect, seen)
            case MarkStarted():
                notes = {names.ANNOTATION_STARTED_UID: seen.run.uid}
                return replace(seen, run=await self._mark(seen.run, {"annotations": notes}))
            case MarkFinished():
                labels = {names.LABEL_FINISHED: effect.reason}
                return replace(seen, run=await self._mark(seen.run, {"labels": labels}))
            case ClaimRetry():
                return await self._claim(effect.original, seen)
            case _:
                assert_never(effect)

    async def _create_revision(self, effect: CreateRevision, seen: Observed) -> Observed:
        try:
            await self._api.create(REVISIONS, seen.run.namespace, effect.manifest)
        except Conflict as error:
            if not error.exists:
                raise Unavailable(str(error)) from error
        except (NotFound, Refused) as error:
            _raise_if_gone(error)
            return _refused(seen, effect.manifest["metadata"]["name"], error)
        known = seen.definition
        return replace(
            seen, definition=_stored(known, effect) if isinstance(known, Pinning) else known
        )

    async def _to_child(self, effect: CreateRun | ControlRun, seen: Observed) -> Observed:
        if isinstance(effect, CreateRun):
            return await self._create_run(effect, seen)
        return await self._control(effect, seen)

    async def _create_run(self, effect: CreateRun, seen: Observed) -> Observed:
        """One that is there already is looked at: the plan judges whether it is the one. Made twice
        it does no harm, for none begins before the parent's status names it.
        """
        found = await self._find_made(RUNS, effect, seen, Reason.CHILD_FAILED)
        if isinstance(found, Refusal):
            return _with_refusal(seen, effect.name, found)
        return self._with_child(seen, found)

    async def _control(self, effect: ControlRun, seen: Observed) -> Observed:
        paused = effect.state is DesiredState.PAUSED
        notes = {names.ANNOTATION_PAUSED_WITH: seen.run.uid if paused else None}
        body = {
            "metadata": {"uid": effect.uid, "annotations": notes},
            "spec": {"desiredState": effect.state.value},
        }
        try:
            found = await self._api.merge_patch(RUNS, seen.run.namespace, effect.name, body)
        except (NotFound, Conflict, Refused) as error:
            if isinstance(error, Refused) and not error.invalid:
                raise
            raise Stale(str(error)) from error  # gone, or it has ended meanwhile
        return self._with_child(seen, found)

    def _with_child(self, seen: Observed, raw: dict[str, Any]) -> Observed:
        """Its own worker has to look at it: the watch brings nothing that is new by then."""
        self._store.see_run(raw)
        child = parse_child(raw)
        self._store.wake(child.uid)
        return replace(seen, children={**seen.children, child.uid: child})

    async def _mark(self, run: Run, changes: dict[str, Any]) -> Run:
        """The run with its metadata changed, unless somebody wrote to it since it was read."""
        meta = {**changes, "resourceVersion": run.resource_version}
        try:
            raw = await self._api.merge_patch(RUNS, run.namespace, run.name, {"metadata": meta})
        except NotFound as error:
            raise RunGone(str(error)) from error
        except Conflict as error:
            raise Stale(str(error)) from error
        self._store.see_run(raw)
        marked = parse_run(raw)
        if not isinstance(marked, Run):
            raise Stale(marked.message)
        return marked

    async def _claim(self, original: Run, seen: Observed) -> Observed:
        notes = {names.ANNOTATION_RETRIED_BY: seen.run.uid}
        try:
            claimed = await self._mark(original, {"annotations": notes})
        except RunGone as error:
            raise Stale(str(error)) from error
        known = seen.definition
        if isinstance(known, Pinning):
            known = replace(known, original=claimed)
        return replace(seen, definition=known)

    async def _create_jobs(
        self, key: RunKey, effects: Sequence[CreateJob], seen: Observed
    ) -> Observed:
        """All of them, some at a time. Each is asked for to its end, also where another one stayed
        without an answer: what came of it is in the store, and the run is looked at live.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(effect: CreateJob) -> JobFact | Refusal:
            async with turns:
                return await self._create_job(key, effect, seen.run)

        answers = await asyncio.gather(*map(one, effects), return_exceptions=True)
        for effect, answer in zip(effects, answers, strict=True):
            if isinstance(answer, JobFact):
                seen = _with_job(seen, answer)
            elif isinstance(answer, Refusal):
                seen = _with_refusal(seen, effect.name, answer)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed:
            raise next((e for e in failed if isinstance(e, RunGone)), failed[0])
        return seen

    async def _create_job(self, key: RunKey, effect: CreateJob, run: Run) -> JobFact | Refusal:
        try:
            self._metrics.asked(key)
            found = await self._post_until_known(key, effect.manifest)
            self._metrics.accepted(key)
        except Refused as error:
            _raise_if_gone(error)
            return Refusal(Reason.JOB_REJECTED, f"HTTP {error.code}: {error.message}")
        if not _is_same_try(found, effect.manifest, run.uid):
            message = f"the Job {effect.name!r} is there, but it is not this run's"
            return Refusal(Reason.NAME_CONFLICT, message)
        self._store.see_job(found, own=True)
        return parse_job(found)

    async def _store_data(self, effect: StoreData, seen: Observed) -> Observed:
        """One that is there already is looked at: the plan judges by its content."""
        found = await self._find_made(CONFIGMAPS, effect, seen, Reason.DATA_NOT_STORED)
        if isinstance(found, Refusal):
            return _with_refusal(seen, effect.name, found)
        return replace(seen, held={**seen.held, effect.name: parse_held(found)})

    async def _find_made(
        self, resource: Resource, effect: CreateRun | StoreData, seen: Observed, refused: Reason
    ) -> dict[str, Any] | Refusal:
        """The object of that name, made now or found, or for that reason refused."""
        try:
            return await self._post_or_find(resource, seen.run.namespace, effect.manifest)
        except Refused as error:
            _raise_if_gone(error)
            return Refusal(refused, f"HTTP {error.code}: {error.message}")

    async def _post_until_known(self, key: RunKey, manifest: dict[str, Any]) -> dict[str, Any]:
        """The Job of that name, made now or found. Raises Unavailable if that stays unknown."""
        clock = asyncio.get_running_loop().time
        until = clock() + _PATIENCE
        for failures in itertools.count(1):
            try:
                found = await self._made_before(key.namespace, manifest) if failures > 1 else None
                return found or await self._post_or_find(JOBS, key.namespace, manifest)
            except JobGone:
                self._store.distrust(key)
                raise
            except Unavailable as error:
                self._store.distrust(key)
                pause = max(error.retry_after, _PAUSE.delay(failures, random.random()))
                if clock() + pause > until:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("counting has no end")

    async def _made_before(self, namespace: str, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """The Job, where a POST without an answer did make it; None where nobody heard of it.

        Raises JobGone where it was made and is gone: after a deletion the same POST would make it
        again.
        """
        name = manifest["metadata"]["name"]
        if await find_past_job(self._api, namespace, name) is None:
            return None
        found = await self._api.find(JOBS, namespace, name)
        if found is None:
            raise JobGone(name)
        return found

    async def _post_or_find(
        self, resource: Resource, namespace: str, manifest: dict[str, Any]
    ) -> dict[str, Any]:
        name = manifest["metadata"]["name"]
        try:
            return await self._api.create(resource, namespace, manifest)
        except NotFound as error:
            raise RunGone(str(error)) from error
        except Refused:
            # A quota that this very object has used up speaks before the conflict does.
            found = await self._api.find(resource, namespace, name)
            if found is None:
                raise
            return found
        except Conflict as error:
            if not error.exists:  # e.g. two Jobs at once reach for the last of a quota
                raise Unavailable(str(error)) from error
        try:
            return await self._api.get(resource, namespace, name)
        except NotFound as error:
            if resource is JOBS:
                raise JobGone(name) from error
            raise Unavailable(f"{manifest['kind']} {name!r} was there and is gone") from error

    async def _suspend(self, effect: SuspendJob, seen: Observed) -> Observed:
        name, body = effect.job_name, {"spec": {"suspend": True}}
        try:
            raw = await self._api.merge_patch(JOBS, seen.run.namespace, name, body)
        except NotFound:
            return replace(seen, jobs=tuple(j for j in seen.jobs if j.name != name))
        self._store.see_job(raw)
        return _with_job(seen, parse_job(raw))

    async def _expire(self, effect: ExpirePod, seen: Observed) -> Observed:
        name, body = effect.pod_name, {"spec": {"activeDeadlineSeconds": 1}}
        try:
            raw = await self._api.merge_patch(PODS, seen.run.namespace, name, body)
        except NotFound:
            return replace(seen, pods=tuple(p for p in seen.pods if p.name != name))
        self._store.see_pod(raw)
        return _with_pod(seen, parse_pod(raw))


def _stored(known: Pinning, effect: CreateRevision) -> Pinning:
    """The Pinning without the revision that is stored now."""
    if effect.manifest is known.manifest:
        return replace(known, manifest=None)
    left = tuple(manifest for manifest in known.before if manifest is not effect.manifest)
    return replace(known, before=left)


def _refused(seen: Observed, revision: str, error: NotFound | Refused) -> Observed:
    code = error.code if isinstance(error, Refused) else 404
    refusal = Refusal(Reason.REVISION_REJECTED, f"WorkflowRevision: HTTP {code}: {error}")
    return _with_refusal(seen, revision, refusal)


def _with_refusal(seen: Observed, name: str, refusal: Refusal) -> Observed:
    return replace(seen, refusals={**seen.refusals, name: refusal})


def _with_job(seen: Observed, job: JobFact) -> Observed:
    return replace(seen, jobs=(*(j for j in seen.jobs if j.uid != job.uid), job))


def _with_pod(seen: Observed, pod: PodFact) -> Observed:
    return replace(seen, pods=(*(p for p in seen.pods if p.uid != pod.uid), pod))


def _is_same_try(found: Mapping[str, Any], wanted: Mapping[str, Any], run_uid: str) -> bool:
    """Whether a Job is the try that was asked for: this run's, and of the same identity."""
    have = found["metadata"].get("labels") or {}
    want = wanted["metadata"]["labels"]
    same = all(have.get(label) == want.get(label) for label in _IDENTITY)
    return same and parse_job(found).owner_uid == run_uid


def _raise_if_gone(error: NotFound | Refused) -> None:
    """A namespace that is going refuses what is new; that says nothing about the Action."""
    if isinstance(error, NotFound) or "NamespaceTerminating" in error.causes:
        raise RunGone(str(error)) from error
