"""Whether an Action or a Workflow can be used, as its Ready condition.

For people and for tools that wait; a run does not read it but judges the definitions itself, by
the same checker. Every finding stands in the message; warnings alone leave a definition Ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from workflow_do.api import conditions as cond
from workflow_do.api.action import ActionStatus
from workflow_do.api.conditions import Condition, ConditionType
from workflow_do.api.reasons import Reason
from workflow_do.api.workflow import WorkflowStatus
from workflow_do.engine.check import Finding, check_action, check_workflow, errors, tell
from workflow_do.engine.definition import define
from workflow_do.engine.facts import Raw, spec_of
from workflow_do.engine.freezing import NOTHING
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.uses import child_names

S = TypeVar("S", ActionStatus, WorkflowStatus)


def action_status(raw: Raw, now: datetime) -> ActionStatus:
    """The status of a raw Action: Ready, or what is wrong and where."""
    old = _written(ActionStatus, raw)
    findings = check_action(_name(raw), spec_of(raw))
    return old.model_copy(
        update=_ready(raw, old.conditions, findings, Reason.ACTION_NOT_READY, now)
    )


def workflow_status(
    raw: Raw,
    actions: Mapping[str, Raw],
    now: datetime,
    workflows: Mapping[str, Raw] = NOTHING,
) -> WorkflowStatus:
    """The status of a raw Workflow, given the raw Actions and the other raw Workflows that its runs
    may come to, by name.
    """
    old = _written(WorkflowStatus, raw)
    specs = {name: spec_of(action) for name, action in actions.items()}
    others = {name: spec_of(other) for name, other in workflows.items()}
    findings = check_workflow(_name(raw), spec_of(raw), specs, workflows=others)
    reason = _reason(raw, specs, others) if errors(findings) else Reason.WORKFLOW_NOT_READY
    return old.model_copy(update=_ready(raw, old.conditions, findings, reason, now))


def _reason(raw: Raw, actions: Mapping[str, Raw], workflows: Mapping[str, Raw]) -> Reason:
    """Why a Workflow is not Ready in a word, as its runs tell it."""
    if child_names(spec_of(raw)) - {_name(raw), *workflows}:
        return Reason.WORKFLOW_NOT_FOUND
    found = define(_name(raw), spec_of(raw), actions)
    return found.reason if isinstance(found, Problem) else Reason.WORKFLOW_NOT_READY


def _written(model: type[S], raw: Raw) -> S:
    """The status as last written; one that cannot be read is written anew."""
    try:
        return model.model_validate(raw.get("status") or {})
    except ValidationError:
        return model()


def _ready(
    raw: Raw,
    conditions: tuple[Condition, ...],
    findings: Sequence[Finding],
    reason: Reason,
    now: datetime,
) -> dict[str, Any]:
    """`Ready` with all findings; with an error also `Stalled`, for tools that read kstatus."""
    generation = (raw.get("metadata") or {}).get("generation")
    stopped = bool(errors(findings))

    def condition(type_: str, status: str) -> Condition:
        return Condition(
            type=type_,
            status=status,
            reason=(reason if stopped else Reason.READY).value,
            message=tell(findings),
            observed_generation=generation,
            last_transition_time=stamp(now),
        )

    rows = cond.put(conditions, condition(ConditionType.READY, "False" if stopped else "True"))
    if stopped:
        rows = cond.put(rows, condition(ConditionType.STALLED, "True"))
    else:
        rows = cond.drop(rows, ConditionType.STALLED)
    return {"observed_generation": generation, "conditions": rows}


def _name(raw: Raw) -> str:
    return str((raw.get("metadata") or {}).get("name", ""))
