"""How a try is stopped: a Job whose Pod is on no node is suspended, a Pod on a node is expired.

Suspending keeps the Job and removes an unbound Pod. A bound Pod gets a deadline of one second
instead: the kubelet ends it and keeps Pod, log and record, where suspending would delete them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from workflow_do.api.run import DesiredState
from workflow_do.engine import calling, nodes
from workflow_do.engine import ledger as books
from workflow_do.engine.effects import ControlRun, Effect, ExpirePod, SuspendJob
from workflow_do.engine.facts import JobFact, Observed, PodFact
from workflow_do.engine.timestamps import earliest


def stop(job: JobFact | None, pod: PodFact | None, *, stray: bool = False) -> tuple[Effect, ...]:
    """The effect that stops a try; none where it has ended or is being stopped already."""
    if pod is not None and (pod.bound or job is None):
        expired = pod.deadline is not None and pod.deadline <= 1
        return (
            () if pod.over or expired or pod.deletion is not None else (ExpirePod(pod.name, stray),)
        )
    if job is None or job.suspend or job.finished or job.deleting:
        return ()
    return (SuspendJob(job.name, stray),)


def newest_pod(job_uid: str, pods: tuple[PodFact, ...]) -> PodFact | None:
    """The Pod of a Job that counts: one whose container may still act, else the newest."""
    mine = [p for p in pods if p.job_uid == job_uid]
    mine.sort(key=lambda p: (p.container.state == "running", _seconds(p), p.name))
    return mine[-1] if mine else None


def pods_by_job(pods: Iterable[PodFact]) -> dict[str, list[PodFact]]:
    """Pods by the uid of their Job."""
    found: dict[str, list[PodFact]] = {}
    for pod in pods:
        found.setdefault(pod.job_uid, []).append(pod)
    return found


def pod_of(job: JobFact | None, pods: Sequence[PodFact]) -> PodFact | None:
    """The Pod of a Job that counts, of those that name it.

    While the Job is there it adopts what is its own: what names no owner is not.
    """
    if len(pods) == 1 and not pods[0].orphan:
        return pods[0]
    gone = job is None or job.deleting
    mine = [p for p in pods if gone or not p.orphan]
    if len(mine) < 2:
        return mine[0] if mine else None
    return newest_pod(mine[0].job_uid, tuple(mine))


def strays(observed: Observed) -> tuple[Effect, ...]:
    """Effects that stop the Jobs which turned up for a run after it had ended."""
    ledger = books.of_status(observed.run.status)
    known = ledger.newest_jobs()
    return tuple(
        effect
        for job in observed.jobs
        if job.uid not in known and books.identified(observed.run, job) is not None
        for effect in stop(job, newest_pod(job.uid, observed.pods), stray=True)
    )


def stop_all(observed: Observed) -> tuple[Effect, ...]:
    """Effects that stop every Job and every child of the run that has not ended."""
    jobs = tuple(
        effect
        for job in observed.jobs
        if books.identified(observed.run, job) is not None
        for effect in stop(job, newest_pod(job.uid, observed.pods))
    )
    children = (c for c in calling.going(observed) if not c.desired.cancels)
    cancelled = DesiredState.CANCELLED
    return (*jobs, *(ControlRun(child.name, child.uid, cancelled) for child in children))


def lives_until(observed: Observed, now: datetime) -> tuple[bool, datetime | None]:
    """Whether a program of the run may run, or still begin, and when to look again: a node that
    does not answer says nothing. Pods may outlive their Job.
    """
    if any(True for _ in calling.going(observed)):
        return True, None
    mine = [j for j in observed.jobs if books.identified(observed.run, j) is not None]
    recorded = (u.job_uid for _, u in books.of_status(observed.run.status).units())
    uids = {*(j.uid for j in mine), *recorded}
    pods = [p for p in observed.pods if p.job_uid in uids]
    served = {p.job_uid for p in pods}
    waiting = [j for j in mine if not (j.finished or j.suspended or j.deleting)]
    ends = [nodes.over_at(p) for p in pods if not p.over]
    left = [end for end in ends if end is None or now < end]
    return bool(left) or any(j.uid not in served for j in waiting), earliest(*left)


def _seconds(pod: PodFact) -> float:
    return pod.created.timestamp() if pod.created is not None else 0.0
