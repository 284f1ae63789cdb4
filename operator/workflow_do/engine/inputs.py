"""The input of a unit: what its templates may see, rendered once and checked.

Rendering again always gives the same: a step sees the trigger and the steps surely before it,
whose outputs never change. The handler sees every step and the first failure. What a caller or
a program gave is data and is never rendered itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow_do.api import names
from workflow_do.api.base import Json
from workflow_do.api.reasons import Reason
from workflow_do.api.run import StepStatus
from workflow_do.engine import expressions as ex
from workflow_do.engine import saga
from workflow_do.engine.definition import ActionDef, Definition, UnitDef
from workflow_do.engine.facts import Run
from workflow_do.engine.identity import Role
from workflow_do.engine.jobs import encode_input
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size


@dataclass(frozen=True, slots=True)
class Rendered:
    """A checked input and the Action's rendered environment variables."""

    input: Json
    env: Mapping[str, str]


def render(definition: Definition, unit: UnitDef, run: Run, ledger: Ledger) -> Rendered | Problem:
    """The unit's input; Problems: InvalidTemplate, InputInvalid, InputTooLarge."""
    value = ex.render(unit.input, scope(definition, unit, run, ledger))
    if isinstance(value, ex.TemplateFailure):
        return Problem(Reason.INVALID_TEMPLATE, f"{value.path}: {value.message}")
    fault = unit.action.input.check(value, "input") if unit.action.input is not None else None
    if fault is not None:
        return Problem(Reason.INPUT_INVALID, fault)
    size = len(encode_input(value).encode())
    if size > names.MAX_INPUT_BYTES:
        limit = names.MAX_INPUT_BYTES
        return Problem(Reason.INPUT_TOO_LARGE, f"the input is {size} bytes of JSON, over {limit}")
    env = _render_env(unit.action, value)
    return env if isinstance(env, Problem) else Rendered(value, env)


def scope(definition: Definition, unit: UnitDef, run: Run, ledger: Ledger) -> dict[str, Json]:
    """What the unit's templates see."""
    role = unit.unit.role
    seen = ledger.steps if role is Role.ON_FAILURE else _before(ledger, unit.unit.step)
    trigger = run.spec.trigger
    roots: dict[str, Json] = {
        "trigger": {
            "type": trigger.type,
            "body": trigger.body,
            "headers": trigger.headers or {},
            "id": trigger.id,
        },
        "run": {"name": run.name, "namespace": run.namespace, "uid": run.uid},
        "workflow": {"name": definition.workflow_name, "revision": definition.revision_name},
        "steps": {s.id: _step(s) for s in seen},
    }
    if role is not Role.DO:
        roots["failure"] = failure(definition, ledger)
    if role is Role.UNDO:
        roots |= _of_the_undone(definition, unit, run, ledger)
    return roots


def failure(definition: Definition, ledger: Ledger) -> dict[str, Json]:
    """What handlers and undos are told of the first failure, or of a cancel."""
    first = ledger.first_failure()
    compensated = saga.compensated(definition, ledger)
    if first is None:
        cancelled = {"reason": Reason.CANCELLED.value, "message": "the run was cancelled"}
        gaps = dict.fromkeys(("step", "action", "exitCode", "attempt"))
        return {**gaps, **cancelled, "logsTail": "", "compensated": compensated}
    return {
        "step": first.id,
        "action": first.action,
        "reason": first.reason,
        "message": first.message,
        "exitCode": first.exit_code,
        "attempt": first.attempts,
        "logsTail": first.logs_tail or "",
        "compensated": compensated,
    }


def check_trigger(definition: Definition, run: Run) -> Problem | None:
    """Whether the run's trigger may start it: its size, and the body by bodySchema."""
    size = stored_size(run.spec.trigger.model_dump(mode="json"))
    if size > names.MAX_TRIGGER_BYTES:
        limit = names.MAX_TRIGGER_BYTES
        return Problem(Reason.TRIGGER_TOO_LARGE, f"spec.trigger is {size} bytes, over {limit}")
    if definition.body is None:
        return None
    fault = definition.body.check(run.spec.trigger.body, "trigger.body")
    return Problem(Reason.BODY_INVALID, fault) if fault is not None else None


def _before(ledger: Ledger, step: str) -> tuple[StepStatus, ...]:
    at = next(i for i, s in enumerate(ledger.steps) if s.id == step)
    return ledger.steps[:at]


def _of_the_undone(
    definition: Definition, undo: UnitDef, run: Run, ledger: Ledger
) -> dict[str, Json]:
    """The input that the unit had (rendered again, it is the same), and its output or null."""
    done = next(u for u in definition.steps if u.unit.step == undo.unit.step)
    value = ex.render(done.input, scope(definition, done, run, ledger))
    record = next(s for s in ledger.steps if s.id == undo.unit.step)
    return {
        "input": None if isinstance(value, ex.TemplateFailure) else value,
        "output": record.output,
    }


def _step(record: StepStatus) -> dict[str, Json]:
    return {"output": record.output, "state": record.state.value, "reason": record.reason}


def _render_env(action: ActionDef, value: Json) -> dict[str, str] | Problem:
    rendered = {}
    for name, tree in action.env.items():
        result = ex.render(tree, {"input": value})
        if isinstance(result, ex.TemplateFailure):
            where = f"Action {action.name}, env {name}"
            return Problem(Reason.INVALID_TEMPLATE, f"{where}: {result.message}")
        text = result if isinstance(result, str) else encode_input(result)
        if "\0" in text:
            return Problem(Reason.INPUT_INVALID, f"env {name}: a NUL cannot be in a variable")
        rendered[name] = text
    return rendered
