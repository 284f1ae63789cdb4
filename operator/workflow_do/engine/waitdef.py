"""What a step without a Job waits for, made ready: templates parsed, the schema compiled.

Decides whether a step is one of the four kinds of steps, and whether what it waits for can be.
Knows no run and no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api.waiting import Approval, OnExpiry, Wait
from workflow_do.api.workflow import Step
from workflow_do.engine import expressions as ex
from workflow_do.engine.schemas import Validator
from workflow_do.engine.timestamps import parse_time

NO_TIME: Final = "wait.until: it is no time of RFC 3339 with a zone, like 2026-01-31T08:00:00Z"


@dataclass(frozen=True, slots=True)
class WaitDef:
    """A wait; `until` is there where it is until a time."""

    spec: Wait
    until: ex.Tree | None = None


@dataclass(frozen=True, slots=True)
class ApprovalDef:
    """An approval; `data` checks what approvers add."""

    spec: Approval
    message: ex.Tree | None = None
    data: Validator | None = None


WaitingDef = WaitDef | ApprovalDef
Parse = Callable[[Any, str], ex.Tree]
Compile = Callable[[Mapping[str, Any] | None, str], Validator | None]


def build_waits(step: Step, path: str, parse: Parse, compile_: Compile) -> WaitingDef | str | None:
    """What the step waits for; None for one that works, else what is wrong and where.

    `parse` makes a template of a value at a path, `compile_` a validator of a schema.
    """
    if [step.action, step.workflow, step.wait, step.approval].count(None) != 3:
        return f"{path}: exactly one of action, workflow, wait and approval must be given"
    if step.wait is not None and step.for_each is not None:
        return f"{path}.forEach: only a step with an action, a workflow or an approval can have it"
    if step.workflow is not None and step.retry is not None:
        return f"{path}.retry: the steps of a child run have their own: leave it out"
    if step.approval is not None:
        return _approval(step.approval, f"{path}.approval", parse, compile_)
    return _wait(step.wait, path, parse) if step.wait is not None else None


def _wait(spec: Wait, path: str, parse: Parse) -> WaitDef | str:
    if (spec.seconds is None) == (spec.until is None):
        return f"{path}.wait: exactly one of seconds and until must be given"
    if spec.until is None:
        return WaitDef(spec)
    tree = parse(spec.until, f"{path}.wait.until")
    if "{{" not in spec.until and parse_time(spec.until) is None:
        return f"{path}.{NO_TIME}"
    return WaitDef(spec, tree)


def _approval(spec: Approval, path: str, parse: Parse, compile_: Compile) -> ApprovalDef | str:
    data = compile_(spec.data_schema, f"{path}.dataSchema")
    if spec.on_expiry is OnExpiry.APPROVE and data is not None and data.check({}, "output"):
        return f"{path}.onExpiry: silence gives {{}} as output, which dataSchema does not allow"
    message = parse(spec.message, f"{path}.message") if spec.message else None
    return ApprovalDef(spec, message, data)
