"""Jobs that turn up for a unit of a live run after that has ended, or been tried anew.

A POST that was given up may still be carried out, and somebody may make a Job again under its name.
Nobody waits for what such a Job does; but nothing may follow, and the run may not end, while it
may act. Decides which they are and whether they are over; never what becomes of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workflow_do.api.run import UnitStatus
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
    newest = ledger.newest_jobs()
    # Whose a Job is takes a hash to tell: of nearly all of them it need not be told.
    for job in [job for job in observed.jobs if job.uid not in newest]:
        unit = books.identified(observed.run, job)
        known = books.unit_of(definition, unit) if unit is not None else None
        record = ledger.find(unit) if unit is not None else None
        if known is None or record is None:
            continue
        pod = newest_pod(job.uid, observed.pods)
        found = Late(job, pod, _over(known, pod))
        if _may_act(record, found, now):
            yield found


def _may_act(record: UnitStatus, late: Late, now: datetime) -> bool:
    job, pod = late.job, late.pod
    if pod is not None:
        return not pod.over and (late.over is None or now < late.over)
    # The Job of an earlier try may be without its Pod for a moment, before it counts it.
    return not (job.try_ < record.tries or job.finished or job.suspended or job.deleting)


def _over(unit: UnitDef, pod: PodFact | None) -> datetime | None:
    if pod is None:
        return None
    return nodes.surely_over(unit.action, pod) or nodes.never_acknowledged(unit.action, pod)
