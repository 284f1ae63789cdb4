"""Jobs that turn up for a unit of a live run after that has ended, or been tried anew.

A POST that was given up may still be carried out, and somebody may make a Job again under its name.
Nobody waits for what such a Job does; but nothing may follow, and the run may not end, while it
may act. Decides which they are and whether they are over; never what becomes of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workflow_do.engine import ledger as books
from workflow_do.engine import nodes
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import JobFact, Observed, PodFact
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.stopping import newest_pod


@dataclass(frozen=True, slots=True)
class Late:
    """A late Job that may act, with its Pod; `over` is when it surely cannot any more."""

    job: JobFact
    pod: PodFact | None
    over: datetime | None


def late_jobs(
    observed: Observed, definition: Definition, ledger: Ledger, now: datetime
) -> Iterator[Late]:
    """The late Jobs that may still act. The ledger has taken in every Job that it could."""
    for job in observed.jobs:
        unit = books.identified(observed.run, job)
        known = books.unit_of(definition, unit) if unit is not None else None
        if known is None or not _is_late(ledger, known, job):
            continue
        pod = newest_pod(job.uid, observed.pods)
        found = Late(job, pod, _over(known, pod))
        if _may_act(ledger, known, found, now):
            yield found


def _is_late(ledger: Ledger, unit: UnitDef, job: JobFact) -> bool:
    record = ledger.find(unit.unit)
    return record is not None and job.uid != record.job_uid


def _may_act(ledger: Ledger, unit: UnitDef, late: Late, now: datetime) -> bool:
    job, pod, record = late.job, late.pod, ledger.find(unit.unit)
    if pod is not None:
        ended = pod.phase in ("Succeeded", "Failed") or pod.container.state == "terminated"
        return not ended and (late.over is None or now < late.over)
    # The Job of an earlier try may be without its Pod for a moment, before it counts it.
    earlier = record is not None and job.try_ < record.tries
    return not (earlier or job.finished or job.suspended or job.deleting)


def _over(unit: UnitDef, pod: PodFact | None) -> datetime | None:
    if pod is None:
        return None
    return nodes.surely_over(unit.action, pod) or nodes.never_acknowledged(unit.action, pod)
