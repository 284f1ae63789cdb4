"""The input of a unit: what its templates may see, rendered once and checked.

Rendering again always gives the same: a step sees the trigger and the steps surely before it,
whose outputs never change. A handler sees every step and the first failure. What a caller or
a program gave is data and is never rendered itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from workflow_do.api import names
from workflow_do.api.base import Json
from workflow_do.api.reasons import Reason
from workflow_do.api.run import StepState, StepStatus
from workflow_do.engine import expressions as ex
from workflow_do.engine import saga
from workflow_do.engine.definition import ActionDef, Definition, UnitDef
from workflow_do.engine.facts import Run
from workflow_do.engine.graph import bits
from workflow_do.engine.identity import Role
from workflow_do.engine.jobs import encode_input, escape
from workflow_do.engine.ledger import Ledger, unit_of
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size


@dataclass(frozen=True, slots=True)
class Rendered:
    """A checked input and the Action's rendered environment variables."""

    input: Json
    env: Mapping[str, str]


def render(unit: UnitDef, scope: Mapping[str, Json]) -> Rendered | Problem:
    """The unit's input; Problems: InvalidTemplate, InputInvalid, InputTooLarge."""
    value = ex.render(unit.input, scope)
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    fault = unit.action.input.check(value, "input") if unit.action.input is not None else None
    if fault is not None:
        return Problem(Reason.INPUT_INVALID, fault)
    size = len(encode_input(value).encode())
    if size > names.MAX_FILE_INPUT_BYTES:
        limit = names.MAX_FILE_INPUT_BYTES
        return Problem(Reason.INPUT_TOO_LARGE, f"the input is {size:,} bytes, over {limit:,}")
    env = _render_env(unit.action, value)
    if isinstance(env, Problem):
        return env
    by_variable = {"ACTION_INPUT": encode_input(value)} if size <= names.MAX_INPUT_BYTES else {}
    return _too_large(unit.action, {**env, **by_variable}) or Rendered(value, env)


def _too_large(action: ActionDef, env: Mapping[str, str]) -> Problem | None:
    """Whether Linux or the store would refuse the variables. As they are stored: each `$` twice."""
    total = 0
    for name, text in env.items():
        stored = escape(text)
        size = len(name) + len(stored.encode()) + 2
        if size > names.MAX_VARIABLE_BYTES:
            return _over(f"Action {action.name}, env {name}", size, names.MAX_VARIABLE_BYTES)
        total += len(name) + stored_size(stored)
    if total > names.MAX_ENV_BYTES:
        return _over(f"Action {action.name}, all env together", total, names.MAX_ENV_BYTES)
    return None


def _over(where: str, size: int, most: int) -> Problem:
    message = f"{where}: {size:,} bytes, and {most:,} is the most; pass a reference instead"
    return Problem(Reason.INPUT_TOO_LARGE, message)


def decide(unit: UnitDef, scope: Mapping[str, Json]) -> bool | Problem:
    """What `when` says of the step; true where it has none. Problem: InvalidTemplate."""
    if unit.when is None:
        return True
    value = ex.render(unit.when, scope)
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    if not isinstance(value, bool):
        message = f"when: it gives {ex.kind(value)}, not true or false; compare it with something"
        return Problem(Reason.INVALID_TEMPLATE, message)
    return value


def list_items(unit: UnitDef, scope: Mapping[str, Json]) -> list[Json] | Problem:
    """The list of a forEach. Problems: InvalidTemplate, TooManyItems."""
    value = ex.render(unit.items, scope) if unit.items is not None else []
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    if not isinstance(value, list | tuple):
        message = f"forEach.items: it gives {ex.kind(value)}, not a list"
        return Problem(Reason.INVALID_TEMPLATE, message)
    if len(value) > names.MAX_ITEMS:
        message = (
            f"forEach.items: {len(value):,} items, and {names.MAX_ITEMS:,} is the most; "
            "give a list of batches"
        )
        return Problem(Reason.TOO_MANY_ITEMS, message)
    return list(value)


def render_outputs(
    definition: Definition, run: Run, ledger: Ledger
) -> dict[str, Json] | Problem | None:
    """The outputs of the run; None where the Workflow names none. Problem: InvalidTemplate."""
    if definition.outputs is None:
        return None
    value = ex.render(definition.outputs, _roots(definition, run, ledger.steps))
    if isinstance(value, ex.TemplateFailure):
        return invalid(value)
    return dict(value)


def scope(definition: Definition, unit: UnitDef, run: Run, ledger: Ledger) -> dict[str, Json]:
    """What the unit's templates see, but for `item` and `index`."""
    role = unit.unit.role
    if role in (Role.DO, Role.UNDO):
        graph = definition.graph
        before = bits(graph.ancestors[graph.places[unit.unit.step]])
        roots = _roots(definition, run, (ledger.steps[at] for at in before))
    else:
        roots = _roots(definition, run, ledger.steps)
    if role is not Role.DO:
        well = ledger.first_failure() is None and not saga.cut_short(run, ledger)
        roots["failure"] = None if well else failure(definition, ledger)
    if role is Role.UNDO:
        roots |= _of_the_undone(definition, unit, run, ledger)
    return roots


def start_scope(definition: Definition, run: Run) -> dict[str, Json]:
    """What is seen before the first step: what started the run, the run itself, its Workflow."""
    trigger = run.spec.trigger
    return {
        "trigger": {
            "type": trigger.type,
            "body": trigger.body,
            "headers": trigger.headers or {},
            "id": trigger.id,
        },
        "run": {"name": run.name, "namespace": run.namespace, "uid": run.uid},
        "workflow": {"name": definition.workflow_name, "revision": definition.revision_name},
    }


def _roots(definition: Definition, run: Run, seen: Iterable[StepStatus]) -> dict[str, Json]:
    return {**start_scope(definition, run), "steps": {s.id: _step(s) for s in seen}}


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


def _of_the_undone(
    definition: Definition, undo: UnitDef, run: Run, ledger: Ledger
) -> dict[str, Json]:
    """The input that the unit had (rendered again, it is the same), and its output or null; of an
    item also the item itself.
    """
    done = unit_of(definition, replace(undo.unit, role=Role.DO))
    record = ledger.find(replace(undo.unit, role=Role.DO))
    if done is None or record is None:  # no undo without what it undoes
        return {"input": None, "output": None}
    seen = scope(definition, done, run, ledger)
    of_item = item_scope(done, seen)
    value = ex.render(done.input, {**seen, **of_item})
    return {
        **of_item,
        "input": None if isinstance(value, ex.TemplateFailure) else value,
        "output": record.output,
    }


def item_scope(unit: UnitDef, seen: Mapping[str, Json]) -> dict[str, Json]:
    """`item` and `index` of an item's unit; empty for any other, and without such an item."""
    at, items = unit.unit.item, list_items(unit, seen)
    if at is None or isinstance(items, Problem) or at >= len(items):
        return {}
    return {"item": items[at], "index": at}


def _step(record: StepStatus) -> dict[str, Json]:
    return {"output": _output(record), "state": record.state.value, "reason": record.reason}


def _output(record: StepStatus) -> Json:
    """What the step gave: a list for one with forEach, in which an item that failed is null."""
    if record.items is not None and record.state.terminal and record.state is not StepState.SKIPPED:
        return [i.output if i.state is StepState.SUCCEEDED else None for i in record.items]
    return record.output if record.state is StepState.SUCCEEDED else None


def invalid(failure: ex.TemplateFailure) -> Problem:
    """A template that could not be rendered, and where it stands: InvalidTemplate."""
    return Problem(Reason.INVALID_TEMPLATE, f"{failure.path}: {failure.message}")


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
