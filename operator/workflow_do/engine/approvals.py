"""Which decisions of people count for a step that waits for approval, and what they come to.

The API server has checked who made an approval; this module decides whether it is about this step
of this run, in time, and the first of its maker. What counted is written into the step's record
and counts from then on, whatever becomes of the object. Knows no clock and no cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from workflow_do.api.approval import ApprovalSpec, Decision
from workflow_do.api.names import MAX_APPROVAL_DATA_BYTES
from workflow_do.api.run import ItemStatus, RunStatus, StepState, StepStatus, Vote
from workflow_do.engine.facts import ApprovalFact
from workflow_do.engine.schemas import Validator
from workflow_do.engine.sizes import stored_size
from workflow_do.engine.timestamps import stamp

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Poll:
    """What is asked: which step of which run, or which item of it, of how many people, from when
    until when.
    """

    workflow_name: str
    run_name: str
    step: str
    required: int
    start: datetime
    expiry: datetime
    data: Validator | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What the decisions come to.

    `votes` are those that count, `ignored` says of the others why not; `output` is there once
    enough have approved, `rejection` once somebody has not.
    """

    votes: tuple[Vote, ...]
    ignored: tuple[str, ...] = ()
    output: dict[str, Any] | None = None
    rejection: str | None = None


def tally(poll: Poll, counted: tuple[Vote, ...], approvals: Iterable[ApprovalFact]) -> Tally:
    """Count the decisions in the order they were made, after those that were `counted` before.

    Of one second a rejection comes first: in doubt it is not done.
    """
    votes, ignored = counted, list[str]()
    known = {vote.approval_name for vote in counted}
    for fact in sorted(approvals, key=_order):
        spec = fact.spec
        if fact.name in known or (spec is not None and _of_another(poll, spec)):
            continue
        why = _why_not(poll, fact, {vote.approver for vote in votes})
        if why is not None or spec is None:
            ignored.append(_ignored(fact, why or ""))
        elif spec.decision is Decision.REJECT:
            return Tally(votes, tuple(ignored), rejection=_rejected(spec))
        else:
            votes = (*votes, _vote(fact, spec))
            if len(votes) >= poll.required:
                return Tally(votes, tuple(ignored), output=spec.data or {})
    return Tally(votes, tuple(ignored))


def awaits_approval(status: RunStatus) -> bool:
    """Whether a step waits for people to decide: only then do their decisions matter."""
    return any(_waits(step) or any(map(_waits, step.items or ())) for step in status.steps)


def _waits(record: StepStatus | ItemStatus) -> bool:
    return record.state is StepState.RUNNING and record.approvals is not None


def _of_another(poll: Poll, spec: ApprovalSpec) -> bool:
    """Whether it is about another step, or another item of this one."""
    other_item = None not in (poll.item, spec.item) and spec.item != poll.item
    return spec.step != poll.step or other_item


def _order(fact: ApprovalFact) -> tuple[datetime, bool, str]:
    approves = fact.spec is not None and fact.spec.decision is Decision.APPROVE
    return fact.created or _NEVER, approves, fact.name


def _why_not(poll: Poll, fact: ApprovalFact, decided: set[str]) -> str | None:
    """Why a decision about the step does not count; None where it does."""
    spec = fact.spec
    if spec is None:
        return "it cannot be read"
    if spec.workflow_name != poll.workflow_name or spec.run_name != poll.run_name:
        return f"it names the run {spec.run_name} of the Workflow {spec.workflow_name}"
    if spec.item != poll.item:
        return "it names no item" if spec.item is None else "the step has no items"
    if fact.created is None or fact.created < poll.start:
        return "made before the step began to wait"
    if fact.created >= poll.expiry:
        return "made after the step had expired"
    if spec.approver in decided:
        return "they had decided before"
    return _misfit(poll, spec) if spec.decision is Decision.APPROVE else None


def _misfit(poll: Poll, spec: ApprovalSpec) -> str | None:
    """What is wrong with the data of an approval; without data it is an empty object."""
    data = spec.data or {}
    if stored_size(data) > MAX_APPROVAL_DATA_BYTES:
        return f"data is over {MAX_APPROVAL_DATA_BYTES:,} bytes"
    return poll.data.check(data, "data") if poll.data is not None else None


def _vote(fact: ApprovalFact, spec: ApprovalSpec) -> Vote:
    time = stamp(fact.created) if fact.created is not None else ""
    return Vote(approver=spec.approver, approval_name=fact.name, time=time)


def _ignored(fact: ApprovalFact, why: str) -> str:
    by = f" of {fact.spec.approver}" if fact.spec is not None else ""
    return f"{fact.name}{by}: {why}"


def _rejected(spec: ApprovalSpec) -> str:
    return f"rejected by {spec.approver}" + (f": {spec.comment}" if spec.comment else "")
