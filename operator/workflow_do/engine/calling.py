"""A step that starts a run of another Workflow: how it begins, what it asks of it, how it ends.

    begun ....... a status write: the try, the hash of the input; no run is named yet
    made ........ the run is created under its derived name, by this revision of the parent
    named ....... its uid is written down; only now may the child begin (`vouching`)
    ended ....... the child is Completed: what it gave is the output, or ChildFailed

Each follows from what is written and what is there, so a crash between two of them, or a lost
answer, changes nothing. Decides nothing about other steps, nor what the child does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.base import Json, dump
from workflow_do.api.compensation import FailurePolicy
from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState, RetryOf, RunSpec, RunTrigger, StepState, UnitStatus
from workflow_do.engine import identity, limits
from workflow_do.engine.definition import ChildDef, Definition, UnitDef
from workflow_do.engine.effects import ControlRun, CreateRun
from workflow_do.engine.facts import Observed, Run
from workflow_do.engine.identity import Unit
from workflow_do.engine.jobs import hash_of_input
from workflow_do.engine.kin import Call, ChildFact, child_uid, content_of
from workflow_do.engine.ledger import OF_ONE_TRY, of_status
from workflow_do.engine.problem import Problem, find_reason
from workflow_do.engine.sizes import stored_size
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.verdict import Ended

MOST_AT_ONCE: Final = 50
"""So many children are made, or read once they have ended, for one plan; the next plan goes on."""
_AGAIN: Final = timedelta(seconds=2)
_SHOWN: Final = (Reason.QUEUED, Reason.PAUSED, Reason.REVISION_UNREADABLE)
"""What a child waits for and its parent tells of, too."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The child goes on, or is about to begin. `changes` are of the unit's record.

    `needs_live`: what is not there may only not be known; `needs_results`: the name of a child that
    has ended, of which the outputs must be read, `needs_remains`: the uid of one that is gone.
    """

    changes: Mapping[str, Any] | None = None
    effects: tuple[CreateRun | ControlRun, ...] = ()
    look_at: datetime | None = None
    needs_live: bool = False
    needs_results: frozenset[str] = frozenset()
    needs_remains: frozenset[str] = frozenset()


def check(run: Run, definition: Definition, child: ChildDef, value: Json) -> Problem | None:
    """Why the child cannot be started with this input. Problems: NestedTooDeep, TriggerTooLarge,
    RevisionLost.
    """
    if (run.status.depth or 0) >= names.MAX_RUN_DEPTH:
        path = run.status.call_path or ""
        message = f"{names.MAX_RUN_DEPTH} runs stand above one another already: {path}"
        return Problem(Reason.NESTED_TOO_DEEP, message)
    trigger = RunTrigger(body=value)
    if stored_size(trigger.model_dump(mode="json")) > names.MAX_TRIGGER_BYTES:
        message = f"the input is over {names.MAX_TRIGGER_BYTES:,} bytes; pass a reference instead"
        return Problem(Reason.TRIGGER_TOO_LARGE, message)
    if child.name not in definition.children:
        message = f"the revision of the run names none of the Workflow {child.name!r}"
        return Problem(Reason.REVISION_LOST, message)
    return None


def begun(
    record: UnitStatus | None, value: Json, seq: int, epoch: int, now: datetime
) -> dict[str, Any]:
    """The changes that begin a try. A run that it is to be a retry of stays named meanwhile."""
    tries = record.tries if record is not None else 0
    return {
        **dict.fromkeys(OF_ONE_TRY),
        "state": StepState.RUNNING,
        "tries": tries + 1,
        "seq": seq,
        "start_time": (record.start_time if record is not None else None) or stamp(now),
        "input_hash": hash_of_input(value),
        "epoch": epoch or None,
    }


def look(
    observed: Observed,
    definition: Definition,
    unit: UnitDef,
    record: UnitStatus,
    manifest: Callable[[], Mapping[str, Any] | Problem],
    now: datetime,
) -> Waits | Ended:
    """How a step is whose child runs, or is to be made by the manifest."""
    run = observed.run
    uid = child_uid(run.name, run.uid, unit.unit, record)
    if uid is None:
        return _make(observed, unit.unit, record, manifest, now)
    child = observed.children.get(uid)
    if child is None:
        name = identity.job_name(run.name, run.uid, unit.unit, record.tries)
        return _gone(observed, record, name, uid, now)
    if child.outcome is not None:
        return _ended(observed, record, child, child.outcome)
    asked = _control(run, child, wish(run, definition, record))
    reason = child.reason if child.reason in _SHOWN else None
    shown = record.stop_reason or reason
    changes = None if record.reason == shown else {"reason": shown, "message": None}
    return Waits(changes, effects=asked)


def has_ended(observed: Observed, unit: Unit, record: UnitStatus) -> bool:
    """Whether the child of a unit has ended by itself: then it is too late to stop it."""
    uid = child_uid(observed.run.name, observed.run.uid, unit, record)
    child = observed.children.get(uid or "")
    return child is not None and child.outcome is not None


def wish(run: Run, definition: Definition, record: UnitStatus) -> DesiredState:
    """What is asked of a child: what is asked of its parent, and the end after a deadline; then
    it undoes what it did, if its parent would.
    """
    state = run.spec.desired_state
    if state.cancels or record.stop_reason is None:
        return state
    compensates = definition.spec.failure_policy is FailurePolicy.COMPENSATE
    return DesiredState.CANCELLED_WITH_COMPENSATION if compensates else DesiredState.CANCELLED


def manifest_of(
    run: Run, definition: Definition, unit: UnitDef, record: UnitStatus, value: Json
) -> dict[str, Any]:
    """The child run, ready to POST."""
    name = unit.child.name if unit.child is not None else ""
    spec = RunSpec(
        workflow_name=name,
        revision_name=definition.children.get(name),
        trigger=RunTrigger(body=value),
        retry_of=_retry_of(record),
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "metadata": {
            "name": identity.job_name(run.name, run.uid, unit.unit, record.tries),
            "namespace": run.namespace,
            "labels": identity.labels(
                definition.workflow_name, run.name, run.uid, unit.unit, record.tries
            ),
            "ownerReferences": [identity.owner(run.name, run.uid)],
        },
        "spec": dump(spec),
    }


def _retry_of(record: UnitStatus) -> RetryOf | None:
    if record.run_name is None or record.run_uid is None:
        return None
    return RetryOf(run_name=record.run_name, run_uid=record.run_uid)


def going(observed: Observed) -> Iterator[ChildFact]:
    """The children that the records name and that have not ended."""
    run = observed.run
    for unit, record in of_status(run.status).units():
        if record.state is not StepState.RUNNING or record.run_uid is None:
            continue
        uid = child_uid(run.name, run.uid, unit, record)
        child = observed.children.get(uid or "")
        if child is not None and child.outcome is None:
            yield child


def _make(
    observed: Observed,
    unit: Unit,
    record: UnitStatus,
    manifest: Callable[[], Mapping[str, Any] | Problem],
    now: datetime,
) -> Waits | Ended:
    """The run of that name is made, or found and named. What else is asked of the unit comes first.

    A stop needs nothing but the record: no run has begun.
    """
    run = observed.run
    stop = find_reason(record.stop_reason)
    if stop is not None or limits.cancelled(run):
        message = record.message or "the run was cancelled"
        return Ended(StepState.NOT_STARTED, stop or Reason.CANCELLED, message)
    made = manifest()
    if isinstance(made, Problem):
        return Ended(StepState.NOT_STARTED, made.reason, made.message)
    call = Call(run.name, run.uid, unit, record.tries)
    found = next((c for c in observed.children.values() if c.name == call.name), None)
    if found is not None and found.deleting:
        return Waits(look_at=now + _AGAIN)
    if found is not None:
        wanted = content_of(RunSpec.model_validate(made["spec"]))
        if found.call != call or found.content != wanted:
            message = f"the run {call.name!r} is there, but this step did not start it"
            return Ended(StepState.NOT_STARTED, Reason.NAME_CONFLICT, message)
        named = {"run_uid": found.uid, "run_name": None if unit.item is not None else found.name}
        return Waits(named, look_at=now)
    refusal = observed.refusals.get(call.name)
    if refusal is not None:
        message = f"the run {call.name!r} could not be made: {refusal.message}"
        return Ended(StepState.NOT_STARTED, Reason.CHILD_FAILED, message)
    if limits.paused(run) or run.deleting:
        return Waits()
    return Waits(effects=(CreateRun(call.name, dict(made)),))


def _gone(
    observed: Observed, record: UnitStatus, name: str, uid: str, now: datetime
) -> Waits | Ended:
    """A child that is named and not there: the API server itself says so. While Kubernetes takes
    away what it has made, programs of it may run, and nothing may follow.
    """
    if not observed.live:
        return Waits(needs_live=True)
    if uid not in observed.remains:
        return Waits(needs_remains=frozenset({uid}))
    if observed.remains[uid]:
        return Waits(look_at=now + _AGAIN)
    reason = find_reason(record.stop_reason) or Reason.CHILD_FAILED
    return Ended(StepState.UNKNOWN, reason, f"the run {name!r} is gone: somebody deleted it")


def _ended(
    observed: Observed, record: UnitStatus, child: ChildFact, outcome: StepState
) -> Waits | Ended:
    if outcome is StepState.SUCCEEDED:
        given = observed.results.get(child.uid)
        if given is None:
            return Waits(needs_results=frozenset({child.name}))
        return Ended(outcome, output=given, finished=child.finished)
    message = f"run {child.name}: {child.reason}" + (f": {child.message}" if child.message else "")
    stop = find_reason(record.stop_reason)
    if stop is not None:
        return Ended(outcome, stop, record.message or message, finished=child.finished)
    cancelled = limits.cancelled(observed.run) and child.reason == Reason.CANCELLED
    reason = Reason.CANCELLED if cancelled else Reason.CHILD_FAILED
    return Ended(outcome, reason, message, finished=child.finished)


def _control(run: Run, child: ChildFact, wanted: DesiredState) -> tuple[ControlRun, ...]:
    """What is asked of the child and was not before. One that somebody paused by hand is resumed by
    hand, and one that is cancelled stays so.
    """
    if child.desired.cancels or child.desired is wanted:
        return ()
    if wanted is DesiredState.RUNNING and child.paused_with != run.uid:
        return ()
    return (ControlRun(child.name, child.uid, wanted),)
