"""Definitions made ready to run: schemas compiled, templates parsed, names checked.

Decides whether a Workflow with its Actions can be run at all, from their specs alone. Knows no
run, no cluster and no time. The first fault found is the Problem returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from workflow_do.api.action import ActionSpec
from workflow_do.api.names import MAX_REVISION_BYTES
from workflow_do.api.reasons import Reason
from workflow_do.api.retry import Retry
from workflow_do.api.revision import RevisionSpec
from workflow_do.api.workflow import WorkflowSpec
from workflow_do.engine import expressions as ex
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.problem import Problem, describe
from workflow_do.engine.schemas import SchemaProblem, Validator, compile_schema
from workflow_do.engine.sizes import stored_size

Raw = Mapping[str, Any]

_COMMON: Final = frozenset({"trigger", "run", "workflow", "steps"})
_STEP_FIELDS: Final = frozenset({"output", "state", "reason"})
_FAILURE_FIELDS: Final = frozenset(
    {"step", "action", "reason", "message", "exitCode", "attempt", "logsTail", "compensated"}
)
_OF_THE_UNDONE: Final = frozenset({"input", "output"})
"""What an undo sees of the unit that it undoes."""
_UNDO_OF_ACTION: Final = _OF_THE_UNDONE | {"run", "workflow"}
"""An Action knows no Workflow, so the trigger and other steps are none of its business."""


@dataclass(frozen=True, slots=True)
class ActionDef:
    """An Action ready to run. `env` holds the variables with a literal or templated value,
    `undo_input` what the Action that undoes it is given by default.
    """

    name: str
    spec: ActionSpec
    input: Validator | None
    output: Validator | None
    env: Mapping[str, ex.Tree]
    undo_input: ex.Tree | None = None


@dataclass(frozen=True, slots=True)
class UnitDef:
    """A step, its undo or the handler: what it runs, with which input. `deadline` is in seconds."""

    unit: Unit
    action: ActionDef
    input: ex.Tree
    title: str
    retry: Retry
    deadline: int | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A Workflow with all its Actions, as one run sees them. `undos` are by the step's id."""

    revision_name: str
    workflow_name: str
    spec: WorkflowSpec
    steps: tuple[UnitDef, ...]
    handler: UnitDef | None
    body: Validator | None
    undos: Mapping[str, UnitDef] = field(default_factory=dict)


def action_names(workflow_spec: Raw) -> frozenset[str]:
    """The names of the Actions that a raw Workflow spec names; total, whatever it holds."""
    steps = _mappings(workflow_spec.get("steps"))
    users = [*steps, workflow_spec.get("onFailure"), *(s.get("compensate") for s in steps)]
    return _named_by(users)


def undo_names(workflow_spec: Raw, actions: Mapping[str, Raw]) -> frozenset[str]:
    """The names of the Actions that the Actions of steps (raw specs by name) name to undo them.

    Only where the step does not say otherwise. Total, whatever the specs hold.
    """
    steps = (s for s in _mappings(workflow_spec.get("steps")) if s.get("compensate") is None)
    used = (actions.get(name) for name in _named_by(list(steps)))
    return _named_by([spec.get("compensate") for spec in used if spec is not None])


def _mappings(value: Any) -> list[Raw]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _named_by(users: list[Any]) -> frozenset[str]:
    found = (u.get("action") for u in users if isinstance(u, Mapping))
    return frozenset(name for name in found if isinstance(name, str))


def define(
    workflow_name: str, workflow_spec: Raw, actions: Mapping[str, Raw], revision_name: str = ""
) -> Definition | Problem:
    """The definition of a raw Workflow spec and raw Action specs (name → spec).

    Problems: WorkflowNotReady, ActionNotFound, ActionNotReady, each with the place in it.
    """
    size = stored_size({"workflow": dict(workflow_spec), "actions": dict(actions)})
    if size > MAX_REVISION_BYTES:
        return Problem(
            Reason.WORKFLOW_NOT_READY,
            f"with its Actions it is {size:,} bytes, and {MAX_REVISION_BYTES:,} is the most that a "
            "revision holds; split the Workflow",
        )
    try:
        spec = WorkflowSpec.model_validate(workflow_spec)
    except ValidationError as error:
        return Problem(Reason.WORKFLOW_NOT_READY, describe(error))
    found = _actions(workflow_spec, actions)
    if isinstance(found, Problem):
        return found
    try:
        return _define(workflow_name, spec, found, revision_name)
    except _Fault as fault:
        return Problem(Reason.WORKFLOW_NOT_READY, str(fault))


def define_action(name: str, raw_spec: Raw) -> ActionDef | Problem:
    """An Action's raw spec made ready; the Problem's reason is ActionNotReady."""
    try:
        spec = ActionSpec.model_validate(raw_spec)
    except ValidationError as error:
        return Problem(Reason.ACTION_NOT_READY, describe(error))
    try:
        return ActionDef(
            name=name,
            spec=spec,
            input=_schema(spec.input_schema, "inputSchema"),
            output=_schema(spec.output_schema, "outputSchema"),
            env=_env(spec),
            undo_input=_action_undo(spec),
        )
    except _Fault as fault:
        return Problem(Reason.ACTION_NOT_READY, str(fault))


def parse_revision(raw: Raw) -> Definition | Problem:
    """A stored WorkflowRevision as a definition."""
    meta = raw.get("metadata") or {}
    try:
        spec = RevisionSpec.model_validate(raw.get("spec"))
    except ValidationError as error:
        return Problem(Reason.REVISION_LOST, f"the revision is not usable: {describe(error)}")
    body = raw["spec"]
    return define(spec.workflow_name, body["workflow"], body["actions"], str(meta.get("name", "")))


class _Fault(Exception):
    """A fault in a definition on its way to a Problem; never leaves this module."""


def _actions(workflow_spec: Raw, actions: Mapping[str, Raw]) -> dict[str, ActionDef] | Problem:
    ready = {}
    for name in sorted(action_names(workflow_spec) | undo_names(workflow_spec, actions)):
        if name not in actions:
            undone = _undone_by(workflow_spec, actions, name)
            what = f", which undoes the Action {undone!r}" if undone is not None else ""
            return Problem(Reason.ACTION_NOT_FOUND, f"there is no Action {name!r}{what}: apply it")
        action = define_action(name, actions[name])
        if isinstance(action, Problem):
            return Problem(action.reason, f"Action {name!r}: {action.message}")
        ready[name] = action
    return ready


def _undone_by(workflow_spec: Raw, actions: Mapping[str, Raw], name: str) -> str | None:
    """The Action of a step that is undone by that one, where only an Action names it."""
    if name in action_names(workflow_spec):
        return None
    undone = (n for n in sorted(actions) if _named_by([actions[n].get("compensate")]) == {name})
    return next(undone, None)


def _define(
    workflow_name: str, spec: WorkflowSpec, actions: Mapping[str, ActionDef], revision_name: str
) -> Definition:
    ids = [s.id for s in spec.steps]
    twice = next((i for i in ids if ids.count(i) > 1), None) if len(set(ids)) < len(ids) else None
    if twice is not None:
        raise _Fault(f"steps: the id {twice!r} stands twice")
    steps = tuple(
        UnitDef(
            unit=Unit(Role.DO, step.id),
            action=actions[step.action],
            input=_tree(step.input, f"steps[{at}].input", _step_check(ids, at)),
            title=step.title or step.id,
            retry=step.retry or actions[step.action].spec.retry,
            deadline=step.active_deadline_seconds,
        )
        for at, step in enumerate(spec.steps)
    )
    return Definition(
        revision_name=revision_name,
        workflow_name=workflow_name,
        spec=spec,
        steps=steps,
        handler=_handler(spec, actions, ids),
        body=_schema(spec.trigger.body_schema, "trigger.bodySchema"),
        undos=_undos(spec, actions, ids),
    )


def _undos(
    spec: WorkflowSpec, actions: Mapping[str, ActionDef], ids: list[str]
) -> dict[str, UnitDef]:
    """What undoes each step that can be undone: as the step says, else as its Action says."""
    found = {}
    for at, step in enumerate(spec.steps):
        own, default = step.compensate, actions[step.action].spec.compensate
        if own is not None and own.action is not None:
            path = f"steps[{at}].compensate.input"
            tree = _tree(own.input or {}, path, _undo_check(ids, at))
            found[step.id] = _undo(step.id, actions[own.action], tree)
            continue
        given = actions[step.action].undo_input
        if own is None and default is not None and given is not None:
            found[step.id] = _undo(step.id, actions[default.action], given)
    return found


def _undo(step: str, action: ActionDef, tree: ex.Tree) -> UnitDef:
    return UnitDef(
        unit=Unit(Role.UNDO, step),
        action=action,
        input=tree,
        title=f"undo {step}",
        retry=action.spec.retry,
    )


def _handler(
    spec: WorkflowSpec, actions: Mapping[str, ActionDef], ids: list[str]
) -> UnitDef | None:
    if spec.on_failure is None:
        return None
    return UnitDef(
        unit=Unit(Role.ON_FAILURE),
        action=actions[spec.on_failure.action],
        input=_tree(spec.on_failure.input, "onFailure.input", _handler_check(ids)),
        title="onFailure",
        retry=actions[spec.on_failure.action].spec.retry,
    )


Check = Callable[[ex.Reference], str | None]


def _step_check(ids: list[str], at: int) -> Check:
    """A step may use the steps that are surely before it."""
    before, later = frozenset(ids[:at]), frozenset(ids[at:])

    def check(ref: ex.Reference) -> str | None:
        if ref.parts[0] not in _COMMON:
            return _unknown_root(ref.parts[0], _COMMON)
        return _check_step(ref.parts, before, later)

    return check


def _undo_check(ids: list[str], at: int) -> Check:
    """An undo sees what its step sees, besides what it undoes and why."""
    roots = _COMMON | _OF_THE_UNDONE | {"failure"}
    before, later = frozenset(ids[:at]), frozenset(ids[at:])

    def check(ref: ex.Reference) -> str | None:
        if ref.parts[0] not in roots:
            return _unknown_root(ref.parts[0], roots)
        return _check_failure(ref.parts) or _check_step(ref.parts, before, later)

    return check


def _action_undo_check(ref: ex.Reference) -> str | None:
    root = ref.parts[0]
    return None if root in _UNDO_OF_ACTION else _unknown_root(root, _UNDO_OF_ACTION)


def _check_failure(parts: tuple[Any, ...]) -> str | None:
    if parts[0] == "failure" and len(parts) > 1 and parts[1] not in _FAILURE_FIELDS:
        return f"failure has no {parts[1]!r}, only {_list(_FAILURE_FIELDS)}"
    return None


def _handler_check(ids: list[str]) -> Check:
    """The handler may use every step (of which some have no output) and the failure."""
    roots, known = _COMMON | {"failure"}, frozenset(ids)

    def check(ref: ex.Reference) -> str | None:
        parts = ref.parts
        if parts[0] not in roots:
            return _unknown_root(parts[0], roots)
        return _check_failure(parts) or _check_step(parts, known, frozenset())

    return check


def _check_step(
    parts: tuple[Any, ...], before: frozenset[str], later: frozenset[str]
) -> str | None:
    if parts[0] != "steps" or len(parts) < 2:
        return None
    step = parts[1]
    if step in later:
        return f"the step {step!r} does not come before this one"
    if step not in before:
        return f"there is no step {step!r} before this one" + _known(before)
    if len(parts) > 2 and parts[2] not in _STEP_FIELDS:
        return f"steps.{step} has no {parts[2]!r}, only {_list(_STEP_FIELDS)}"
    return None


def _tree(value: Any, path: str, check: Check) -> ex.Tree:
    try:
        tree = ex.parse(value, path)
    except ex.TemplateProblem as problem:
        raise _Fault(f"{problem.path}: {problem.message}") from None
    for ref in sorted(ex.references(tree), key=lambda r: r.path):
        fault = check(ref)
        if fault is not None:
            raise _Fault(f"{ref.path}: {fault}")
    return tree


def _action_undo(spec: ActionSpec) -> ex.Tree | None:
    if spec.compensate is None:
        return None
    return _tree(spec.compensate.input, "compensate.input", _action_undo_check)


def _env(spec: ActionSpec) -> dict[str, ex.Tree]:
    trees = {}
    for at, var in enumerate(spec.env or ()):
        path = f"env[{at}].value"
        if var.name.startswith(("ACTION_", "WORKFLOW_")):
            raise _Fault(f"env[{at}].name: {var.name!r} is reserved")
        if var.value is not None:
            trees[var.name] = _tree(var.value, path, _env_check)
    return trees


def _env_check(ref: ex.Reference) -> str | None:
    return None if ref.parts[0] == "input" else _unknown_root(ref.parts[0], frozenset({"input"}))


def _schema(schema: Raw | None, path: str) -> Validator | None:
    if schema is None:
        return None
    compiled = compile_schema(dict(schema), path)
    if isinstance(compiled, SchemaProblem):
        raise _Fault(compiled.message)
    return compiled


def _unknown_root(root: object, roots: Iterable[str]) -> str:
    return f"{root!r} is not defined here; there are {_list(roots)}"


def _known(before: frozenset[str]) -> str:
    return f"; there are {_list(before)}" if before else "; it is the first"


def _list(words: Iterable[str]) -> str:
    rows = sorted(words)
    return ", ".join(rows[:8]) + (", …" if len(rows) > 8 else "")
