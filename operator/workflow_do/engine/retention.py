"""What of ended runs is due to be deleted, and when to look again.

Decides from facts, the policy of the Workflow and the time. A run that is live is not among the
facts, so nothing can be decided about it. Times of unlikely size (a status patched by hand) never
raise. Knows no cluster, no clock and no order in which things are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from workflow_do.api import conditions as cond
from workflow_do.api import names
from workflow_do.api.conditions import ConditionType
from workflow_do.api.housekeeping import HOUSEKEEPING_FIELDS, Housekeeping
from workflow_do.api.run import RunStatus
from workflow_do.engine.facts import parse_time, spec_of
from workflow_do.engine.kin import parse_call

Raw = Mapping[str, Any]

KEEP_ALL: Final = Housekeeping(job_retention_seconds=315_360_000, revision_history_limit=1000)
"""For a Workflow whose wishes cannot be read: nothing is deleted on a guess."""
LONGEST_WAIT: Final = timedelta(days=1)
"""Look again at least this often while something is due some day: clocks are set now and then."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A completed run. `ended` is None where its status does not say when; such a run is kept.

    `version` (a resourceVersion) tells the later of two that ended in one second. `has_jobs`: it
    made Jobs, and they have not been deleted yet. `child`: it goes when the run goes that started
    it, and not before.
    """

    uid: str
    version: int
    ended: datetime | None
    succeeded: bool
    has_jobs: bool
    child: bool = False


@dataclass(frozen=True, slots=True)
class RevisionFact:
    """A stored WorkflowRevision; a greater `age_key` is newer."""

    name: str
    uid: str
    age_key: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Due:
    """What to delete now (uids of runs, the longest ended first), and when something more is due.

    A run that is deleted takes its Jobs with it, so it is never in both.
    """

    jobs_of: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    again: timedelta | None = None


def policy_of(workflow: Raw | None) -> Housekeeping:
    """The policy of a raw Workflow; of one that is gone (None): the defaults."""
    spec = spec_of(workflow or {})
    try:
        return Housekeeping.model_validate(
            {field: value for field, value in spec.items() if field in HOUSEKEEPING_FIELDS}
        )
    except ValidationError:
        return KEEP_ALL


def ended_run(raw: Raw, version: int, status: RunStatus, *, made_jobs: bool) -> EndedRun:
    """The facts of a completed run, from the raw object, its version and its parsed status."""
    meta = raw.get("metadata") or {}
    verdict = cond.find(status.conditions, ConditionType.SUCCEEDED)
    completed = cond.find(status.conditions, ConditionType.COMPLETED)
    since = completed.last_transition_time if completed is not None else None
    marked = names.ANNOTATION_JOBS_DELETED in (meta.get("annotations") or {})
    return EndedRun(
        uid=str(meta.get("uid", "")),
        version=version,
        ended=parse_time(status.completion_time) or parse_time(since),
        succeeded=verdict is not None and verdict.status == "True",
        has_jobs=made_jobs and not marked,
        child=parse_call(raw) is not None,
    )


def named_revisions(run: Raw) -> frozenset[str]:
    """The revisions that a raw run names, asked for or pinned; also of one that cannot be read."""
    places = (run.get("spec"), run.get("status"))
    found = (place.get("revisionName") for place in places if isinstance(place, Mapping))
    return frozenset(name for name in found if isinstance(name, str))


def child_revisions(run: Raw) -> dict[str, str]:
    """The revisions of other Workflows, by name, that a raw run names for its children."""
    status = run.get("status")
    found = status.get("childRevisions") if isinstance(status, Mapping) else None
    rows = found.items() if isinstance(found, Mapping) else ()
    return {str(workflow): name for workflow, name in rows if isinstance(name, str)}


def due(runs: Iterable[EndedRun], policy: Housekeeping, now: datetime) -> Due:
    """What of one Workflow's completed runs is to be deleted at `now`."""
    dated = sorted(_dated(runs), key=lambda pair: (pair[0], pair[1].version))
    surplus = _surplus([run for _, run in dated], policy)
    jobs_of, doomed, waits = [], [], list[timedelta]()
    for ended, run in dated:
        ttl = policy.ttl_seconds_after_finished if not run.child else None
        over = _left(ended, ttl, now)
        jobs = _left(ended, policy.job_retention_seconds, now) if run.has_jobs else None
        if run.uid in surplus or _passed(over):
            doomed.append(run.uid)
            continue
        if _passed(jobs):
            jobs_of.append(run.uid)
        waits += (wait for wait in (over, jobs) if wait is not None and not _passed(wait))
    again = min(min(waits), LONGEST_WAIT) if waits else None
    return Due(tuple(jobs_of), tuple(doomed), again)


def surplus_revisions(
    revisions: Collection[RevisionFact], limit: int, kept: Set[str]
) -> tuple[RevisionFact, ...]:
    """The revisions beyond the newest `limit`, oldest first, but for those in `kept`."""
    oldest_first = sorted(revisions, key=lambda r: r.age_key)
    beyond = oldest_first[: max(0, len(oldest_first) - limit)]
    return tuple(revision for revision in beyond if revision.name not in kept)


def _dated(runs: Iterable[EndedRun]) -> Iterator[tuple[datetime, EndedRun]]:
    return ((run.ended, run) for run in runs if run.ended is not None)


def _surplus(oldest_first: list[EndedRun], policy: Housekeeping) -> frozenset[str]:
    """The uids of the runs beyond the history limits."""
    found = list[str]()
    for succeeded, limit in (
        (True, policy.successful_runs_history_limit),
        (False, policy.failed_runs_history_limit),
    ):
        if limit is not None:
            mine = [r.uid for r in oldest_first if r.succeeded is succeeded and not r.child]
            found += mine[: max(0, len(mine) - limit)]
    return frozenset(found)


def _left(ended: datetime, seconds: int | None, now: datetime) -> timedelta | None:
    """How long something is kept yet; None: for good. Differences of times never overflow."""
    return timedelta(seconds=seconds) - (now - ended) if seconds is not None else None


def _passed(left: timedelta | None) -> bool:
    return left is not None and left <= timedelta(0)
