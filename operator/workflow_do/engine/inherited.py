"""Jobs that another process made, that nobody wrote down, and that are gone.

A process dies between making a Job and writing that down; the Job runs, ends and is deleted by hand
before another process takes the run over. The API server keeps no memory of a deleted name, so the
same POST would run the step a second time. Only the Events about a Job outlive it (an hour). So
they are asked for before the first Job that a process makes in a run which it did not begin; a try
that they tell of has begun, and is then judged like any other: its Job is gone. A run that nothing
befalls never asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from workflow_do.api.run import StepState, StepStatus
from workflow_do.api.unit import WAITING
from workflow_do.engine import choosing, saga, starting
from workflow_do.engine import ledger as books
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import JobFact, Observed, PastJob, Raw, Run, parse_time
from workflow_do.engine.identity import job_name
from workflow_do.engine.ledger import Ledger


def may_have_begun(run: Run, definition: Definition, ledger: Ledger) -> Iterator[UnitDef]:
    """Every unit of which another process may have started a try that is not on record, however
    the run has been asked to end since.

    It may have known what nobody can see any more: that a try on record as live had ended well,
    though its Pod is gone now. So what is live or waits for another try counts as ended here. It
    cannot have gone further: what it found ended is written down with what it started then.
    """
    yield from _steps(definition, ledger)
    yield from islice(saga.undos_left(run, definition, ledger), 2)
    yield from filter(None, [choosing.on_failure(definition, ledger)])
    yield from _finals(definition, ledger)


def _steps(definition: Definition, ledger: Ledger) -> Iterator[UnitDef]:
    over = 0
    for at, unit in enumerate(definition.steps):
        record = ledger.steps[at]
        if not record.state.terminal and not definition.graph.needs[at] & ~over:
            yield from _units_of(unit, record)
        if record.state is not StepState.PENDING:
            over |= 1 << at


def _units_of(unit: UnitDef, record: StepStatus) -> Iterator[UnitDef]:
    """Of a list every item that waits for another try, and as many new ones as there are places:
    those that wait may have been over, for that process.
    """
    if unit.items is None:
        if record.state in WAITING:
            yield unit
    elif record.state is StepState.RUNNING:  # before that its list is not known
        rows = list(enumerate(record.items or ()))
        again = [at for at, item in rows if item.state is StepState.RETRYING]
        new = [at for at, item in rows if item.state is StepState.PENDING]
        yield from map(unit.of_item, [*again, *new[: unit.max_parallel]])


def _finals(definition: Definition, ledger: Ledger) -> Iterator[UnitDef]:
    for final in definition.finals:
        record = ledger.find(final.unit)
        if record is None or record.state in WAITING:
            yield final
        if record is None:
            return


def account(
    observed: Observed, definition: Definition, ledger: Ledger, unit: UnitDef
) -> str | Ledger | None:
    """For a unit that could start now, whatever else keeps it from starting: the name of the Job
    to ask Events for; or the ledger with its try begun, where they tell of one; None: as it is.
    """
    if not observed.inherited or unit.waits is not None or unit.child is not None:
        return None
    run = observed.run
    record = ledger.find(unit.unit)
    number = 1 + (record.tries if record is not None else 0)
    name = job_name(run.name, run.uid, unit.unit, number)
    if name not in observed.past:
        return name
    past = observed.past[name]
    if past is None:
        return None
    this = starting.next_try(definition, ledger, unit, run)
    job = JobFact(
        name=name,
        uid=past.uid,
        owner_uid=run.uid,
        role=unit.unit.role.value,
        step=unit.unit.step,
        try_=number,
        seq=ledger.next_seq(),
        epoch=this.epoch if this is not None else 0,
        input_hash=this.input_hash if this is not None else "",
        created=past.seen,
        item=unit.unit.item,
    )
    return ledger.update(unit, **books.started(job, record))


def parse_past_job(events: Iterable[Raw]) -> PastJob | None:
    """What the Events about the Jobs of one name tell of the newest of them; None without any."""
    newest = None
    for event in events:
        about = event.get("involvedObject")
        uid = str(about.get("uid", "")) if isinstance(about, Mapping) else ""
        newest = PastJob(uid, parse_time(event.get("firstTimestamp"))) if uid else newest
    return newest
