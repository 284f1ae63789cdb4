"""Which Jobs count as live: those whose program may still run; and how urgent news of them are.

Decides it from what was seen of Jobs and Pods, and from what the run has written down of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from workflow_do.api.run import RunStatus, StepState
from workflow_do.engine.facts import JobFact, PodFact, Run
from workflow_do.engine.hindrance import cause
from workflow_do.engine.ledger import identified, of_status
from workflow_do.engine.memo import once


class Haste(Enum):
    """How soon a run is to be looked at for the sake of news."""

    NOW = "it may go on"
    SOON = "its status may have to say something else"
    LATER = "nobody waits for it; a time to look at may follow from it"


def may_run(job: JobFact) -> bool:
    """Whether the program of a Job may run, now or later, by what the Job itself says."""
    return not (job.finished or job.suspend)


def haste_of_job(status: RunStatus | None, old: JobFact | None, new: JobFact) -> Haste:
    """That the Job controller counts a Job's Pods is nobody's concern; nor is the end of a Job
    whose Pod has told before. `status`: of the run as last written, None where nothing was.
    """
    if old is None:
        return Haste.SOON
    if _is_stopped(old, new):
        return Haste.NOW
    ended = new.finished if new.uid in _jobs_in(status).judged else old.finished
    counted = replace(old, attended=new.attended, had_pod=new.had_pod, finished=ended)
    return Haste.LATER if counted == new else Haste.SOON


def haste_of_pod(status: RunStatus | None, old: PodFact | None, new: PodFact) -> Haste:
    """A Pod of a step's newest Job that nothing hinders lets nothing go on until it ends; nor does
    what comes of it after its unit was judged by it. One of another Job may be a late one.
    """
    if _is_over(old, new):
        return Haste.NOW
    jobs = _jobs_in(status)
    plain = new.job_uid in jobs.silent and _is_plain(new) and (old is None or _is_plain(old))
    return Haste.LATER if plain or new.job_uid in jobs.judged else Haste.SOON


def _is_plain(pod: PodFact) -> bool:
    """Whether there is nothing to say of a Pod but that it goes its way."""
    ends = pod.over or pod.deletion is not None or pod.orphan or bool(pod.disrupted)
    return not ends and cause(pod) == (None, "")


class _Jobs(NamedTuple):
    """The newest Jobs (uids) of units: of those that have ended, and of those that go on and of
    which no reason is shown.
    """

    judged: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


def _jobs_in(status: RunStatus | None) -> _Jobs:
    return _list_jobs(status) if status is not None else _Jobs()


@once
def _list_jobs(status: RunStatus) -> _Jobs:
    rows = [(r.job_uid, r) for _, r in of_status(status).units() if r.job_uid]
    return _Jobs(
        judged=frozenset(uid for uid, r in rows if r.state.terminal),
        silent=frozenset(uid for uid, r in rows if not r.state.terminal and not r.reason),
    )


def settled(run: Run, jobs: Mapping[str, JobFact]) -> frozenset[str]:
    """Which of these Jobs (uid → Job) of a run at rest are none of its live ones, whatever they
    look like.

    At rest, each Job of its own is on record. One whose unit was judged without it, since its node
    is gone for good, and one that somebody made up, must not hold a place for ever.
    """
    if not jobs:
        return frozenset()
    ledger, over = of_status(run.status), set[str]()
    for uid, job in jobs.items():
        unit = identified(run, job)
        record = ledger.find(unit) if unit is not None else None
        if record is None or record.state is not StepState.RUNNING or record.job_uid != uid:
            over.add(uid)
    return frozenset(over)


def _is_stopped(old: JobFact | None, new: JobFact) -> bool:
    """Whether a Job's news may let its run go on: it has been stopped, or is being deleted."""
    if old is None:
        return False
    return (new.suspended, new.deleting) != (old.suspended, old.deleting)


def _is_over(old: PodFact | None, new: PodFact) -> bool:
    """Whether a Pod's news may let its run go on: its program has ended, or, where it ended badly,
    the phase says why.
    """
    told = new.final and (old is None or not old.final) and new.container.exit_code != 0
    return told or (new.over and (old is None or not old.over))
