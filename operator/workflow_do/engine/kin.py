"""Runs that other runs have started: which call a run says it answers, and what of it counts.

A child run is told by its name (derived, as a Job's), its controlling owner and its labels. All of
these can be written by whoever may create runs, so they prove nothing by themselves: what makes a
run a child is that the status of its parent names it (`vouching`). Decides nothing; parsing is
total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from workflow_do.api import conditions as cond
from workflow_do.api import names
from workflow_do.api.base import Json, dump
from workflow_do.api.conditions import ConditionType
from workflow_do.api.run import DesiredState, RunSpec, RunStatus, StepState, UnitStatus
from workflow_do.engine.identity import Role, Unit, hash_of, job_name
from workflow_do.engine.raws import dict_in
from workflow_do.engine.timestamps import parse_time

Raw = Mapping[str, Any]

_INT64: Final = 2.0**63
_NOTHING_DONE: Final = frozenset({StepState.PENDING, StepState.SKIPPED, StepState.NOT_STARTED})


@dataclass(frozen=True, slots=True)
class Call:
    """Which try of which unit of another run a run says that it is."""

    run_name: str
    run_uid: str
    unit: Unit
    try_: int

    @property
    def name(self) -> str:
        """What a run that answers this call is called."""
        return job_name(self.run_name, self.run_uid, self.unit, self.try_)


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a child has from its parent: of what its keys are made, and how deep it is."""

    root_run_uid: str
    call_path: str
    depth: int


@dataclass(frozen=True, slots=True)
class ChildFact:
    """A run by the name of a child. `call` is None where it does not say that it is one.

    `content`: hash of what its spec asks for; empty where it cannot be read. `paused_with`: the uid
    of the run that it was paused with. `outcome` is there once it is Completed.
    """

    name: str
    uid: str
    call: Call | None
    content: str
    desired: DesiredState = DesiredState.RUNNING
    paused_with: str = ""
    deleting: bool = False
    reason: str = ""
    message: str = ""
    outcome: StepState | None = None
    finished: datetime | None = None


def parse_call(raw: Raw) -> Call | None:
    """The call that a raw run says it answers; None for a run that no other run owns."""
    meta = dict_in(raw, "metadata")
    owners = meta.get("ownerReferences")
    mine = [o for o in owners if isinstance(o, Mapping)] if isinstance(owners, list) else []
    owner = next((o for o in mine if o.get("controller") is True and _is_run(o)), None)
    if owner is None:
        return None
    labels = dict_in(meta, "labels")
    item, role = labels.get(names.LABEL_ITEM), labels.get(names.LABEL_ROLE)
    step = str(labels.get(names.LABEL_STEP, "")) if role == Role.DO else ""
    unit = Unit(Role.DO, step, _number(item) if item is not None else None)
    try_ = _number(labels.get(names.LABEL_TRY))
    return Call(str(owner.get("name", "")), str(owner.get("uid", "")), unit, try_)


def parse_child(raw: Raw) -> ChildFact:
    """A raw run as its parent sees it."""
    meta = dict_in(raw, "metadata")
    spec = _spec(raw)
    status = _status(raw)
    verdict = cond.find(status.conditions, ConditionType.SUCCEEDED)
    return ChildFact(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        call=parse_call(raw),
        content=content_of(spec) if spec is not None else "",
        desired=spec.desired_state if spec is not None else DesiredState.RUNNING,
        paused_with=str(dict_in(meta, "annotations").get(names.ANNOTATION_PAUSED_WITH, "")),
        deleting="deletionTimestamp" in meta,
        reason=verdict.reason if verdict is not None else "",
        message=verdict.message if verdict is not None else "",
        outcome=_outcome(status, again=spec is not None and spec.retry_of is not None),
        finished=parse_time(status.completion_time),
    )


def parse_outputs(raw: Raw) -> dict[str, Json]:
    """What a raw run gave; empty where its Workflow names no outputs."""
    return dict(_status(raw).outputs or {})


def content_of(spec: RunSpec) -> str:
    """One and the same for two runs that ask for the same; what is asked of a live run is none of
    it.
    """
    asked = dump(spec)
    asked.pop("desiredState", None)
    return hash_of(_as_stored(asked))


def _as_stored(value: Json) -> Json:
    """Numbers as the API server gives them back: `1.0` as `1`, what is no 64-bit integer as a
    fraction.
    """
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_stored(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _INT64:
        return int(value)
    return value


def child_uid(run_name: str, run_uid: str, unit: Unit, record: UnitStatus) -> str | None:
    """The uid of the child run that a unit's record names; None before it names one.

    Until then the record may name the run that the child is to be a retry of.
    """
    if record.run_uid is None or record.tries == 0:
        return None
    own = job_name(run_name, run_uid, unit, record.tries)
    return record.run_uid if record.run_name in (None, own) else None


def _outcome(status: RunStatus, *, again: bool) -> StepState | None:
    """What a run that has ended is to the step that started it; None while it goes on.

    Failed: what it had done is undone, or there was nothing to undo. Unknown: something was not, or
    it is not known what a step of it did. `again`: it is a retry, so the work has begun before it.
    """
    completed = cond.find(status.conditions, ConditionType.COMPLETED)
    if completed is None or completed.status != "True":
        return None
    verdict = cond.find(status.conditions, ConditionType.SUCCEEDED)
    if verdict is not None and verdict.status == "True":
        return StepState.SUCCEEDED
    records = [part for step in status.steps for part in (step, *(step.items or ()))]
    if again and status.revision_name is None:
        return StepState.UNKNOWN
    if not again and all(record.state in _NOTHING_DONE for record in records):
        return StepState.NOT_STARTED
    undone = cond.find(status.conditions, ConditionType.COMPENSATED)
    if undone is not None:
        return StepState.FAILED if undone.status == "True" else StepState.UNKNOWN
    unknown = any(record.state is StepState.UNKNOWN for record in records)
    return StepState.UNKNOWN if unknown else StepState.FAILED


def _is_run(owner: Raw) -> bool:
    group = str(owner.get("apiVersion", "")).partition("/")[0]
    return owner.get("kind") == names.RUN.kind and group == names.GROUP


def _spec(raw: Raw) -> RunSpec | None:
    try:
        return RunSpec.model_validate(raw.get("spec"))
    except ValidationError:
        return None


def _status(raw: Raw) -> RunStatus:
    try:
        return RunStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        return RunStatus()


def _number(value: Json) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 10 else -1
