"""Which Jobs count as live: those whose program may still run; and which news of them is urgent.

Decides it from what was seen of Jobs and Pods, and from what the run has written down of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow_do.api.run import StepState
from workflow_do.engine.facts import JobFact, PodFact, Run
from workflow_do.engine.ledger import identified, of_status


def may_run(job: JobFact) -> bool:
    """Whether the program of a Job may run, now or later, by what the Job itself says."""
    return not (job.finished or job.suspend)


def is_stopped(old: JobFact | None, new: JobFact) -> bool:
    """Whether a Job's news may let its run go on: it has been stopped, or is being deleted."""
    if old is None:
        return False
    return (new.suspended, new.deleting) != (old.suspended, old.deleting)


def is_over(old: PodFact | None, new: PodFact) -> bool:
    """Whether a Pod's news may let its run go on: its program has ended, or, where it ended badly,
    the phase says why.
    """
    told = new.final and (old is None or not old.final) and new.container.exit_code != 0
    return told or (new.over and (old is None or not old.over))


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
