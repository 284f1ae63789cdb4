"""Definitions made ready to run: schemas compiled, templates parsed, names checked.

Decides whether a Workflow with its Actions can be run at all, from their specs alone. Knows no
run, no cluster and no time. The first fault found is the Problem returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from workflow_do.api.action import ActionSpec
from workflow_do.api.names import MAX_REVISION_BYTES
from workflow_do.api.reasons import Reason
from workflow_do.api.retry import Retry
from workflow_do.api.revision import RevisionSpec
from workflow_do.api.workflow import OnError, Step, WorkflowSpec
from workflow_do.engine import expressions as ex
from workflow_do.engine.graph import TRIGGER, Graph, GraphFault, build_graph
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.problem import Problem, describe
from workflow_do.engine.references import (
    COMMON,
    OF_ITEMS,
    Check,
    action_undo_check,
    end_check,
    env_check,
    start_check,
    step_check,
    undo_check,
)
from workflow_do.engine.reserved import reserved_variable, reserved_volume
from workflow_do.engine.schemas import SchemaProblem, Validator, compile_schema
from workflow_do.engine.sizes import stored_size
from workflow_do.engine.uses import action_names, named_to_undo, used_names
from workflow_do.engine.waitdef import WaitingDef, build_waits

Raw = Mapping[str, Any]


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


NO_ACTION: Final = ActionDef("", ActionSpec(image="none"), None, None, {})
"""What a step without an Action runs: nothing. It is asked whether it `waits`, or starts a `child`,
before anything starts."""


@dataclass(frozen=True, slots=True)
class ChildDef:
    """The Workflow that a step starts a run of; which revision of it the run's own one names."""

    name: str


@dataclass(frozen=True, slots=True)
class UnitDef:
    """A step, an item of one, an undo or a handler: what it runs, with which input.

    `deadline` is in seconds; `when` and `items` are templates of one expression, `items` with at
    most `max_parallel` running; `lenient`: the run goes on when it fails.
    """

    unit: Unit
    action: ActionDef
    input: ex.Tree
    title: str
    retry: Retry
    deadline: int | None = None
    when: ex.Tree | None = None
    items: ex.Tree | None = None
    max_parallel: int = 1
    lenient: bool = False
    waits: WaitingDef | None = None
    child: ChildDef | None = None

    def of_item(self, item: int) -> UnitDef:
        """The same for one item of the step's list."""
        return replace(self, unit=Unit(self.unit.role, self.unit.step, item))


@dataclass(frozen=True, slots=True)
class Definition:
    """A Workflow with all its Actions, as one run sees them. `finals` are those of `finally`,
    `undos` are by the step's id, `children` are the revisions of the Workflows that its runs start.
    """

    revision_name: str
    workflow_name: str
    spec: WorkflowSpec
    steps: tuple[UnitDef, ...]
    graph: Graph
    handler: UnitDef | None
    finals: tuple[UnitDef, ...]
    outputs: ex.Tree | None
    body: Validator | None
    undos: Mapping[str, UnitDef] = field(default_factory=dict)
    concurrency_key: ex.Tree | None = None
    children: Mapping[str, str] = field(default_factory=dict)

    def step(self, id_: str) -> UnitDef | None:
        """The step with this id."""
        at = self.graph.places.get(id_)
        return self.steps[at] if at is not None else None


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
    taken = reserved_volume(spec)
    if taken is not None:
        return Problem(Reason.ACTION_NOT_READY, taken)
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
    """A stored WorkflowRevision as a definition. Problem: RevisionUnreadable."""
    name = str((raw.get("metadata") or {}).get("name", ""))
    try:
        spec = RevisionSpec.model_validate(raw.get("spec"))
    except ValidationError as error:
        return _unreadable(name, describe(error))
    body = raw["spec"]
    found = define(spec.workflow_name, body["workflow"], body["actions"], name)
    if isinstance(found, Problem):
        return _unreadable(name, found.message)
    return replace(found, children=spec.children or {})


def _unreadable(name: str, why: str) -> Problem:
    """It was usable when it was made, and never changes; so another version can read it."""
    return Problem(
        Reason.REVISION_UNREADABLE,
        f"this version of the operator cannot read the WorkflowRevision {name!r}: {why}",
    )


class _Fault(Exception):
    """A fault in a definition on its way to a Problem; never leaves this module."""


def _actions(workflow_spec: Raw, actions: Mapping[str, Raw]) -> dict[str, ActionDef] | Problem:
    ready = {}
    for name in sorted(used_names(workflow_spec, actions)):
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
    undone = (n for n in sorted(actions) if named_to_undo(actions[n]) == {name})
    return next(undone, None)


def _define(
    workflow_name: str, spec: WorkflowSpec, actions: Mapping[str, ActionDef], revision_name: str
) -> Definition:
    graph = build_graph(spec.steps)
    if isinstance(graph, GraphFault):
        raise _Fault(str(graph))
    return Definition(
        revision_name=revision_name,
        workflow_name=workflow_name,
        spec=spec,
        steps=tuple(_step(spec.steps[at], at, graph, actions) for at in range(len(spec.steps))),
        graph=graph,
        handler=_handler(spec, actions, graph),
        finals=_finals(spec, actions, graph),
        outputs=_outputs(spec, graph),
        body=_schema(spec.trigger.body_schema, "trigger.bodySchema"),
        undos=_undos(spec, actions, graph),
        concurrency_key=_concurrency_key(spec),
    )


def _step(step: Step, at: int, graph: Graph, actions: Mapping[str, ActionDef]) -> UnitDef:
    path, each = f"steps[{at}]", step.for_each
    action = actions[step.action] if step.action is not None else NO_ACTION
    check = step_check(graph, at)
    within = step_check(graph, at, COMMON | OF_ITEMS) if each is not None else check
    return UnitDef(
        unit=Unit(Role.DO, step.id),
        action=action,
        input=_tree(step.input, f"{path}.input", within),
        title=step.title or step.id,
        retry=step.retry or action.spec.retry,
        deadline=step.active_deadline_seconds,
        when=_single(step.when, f"{path}.when", check) if step.when is not None else None,
        items=_single(each.items, f"{path}.forEach.items", check) if each is not None else None,
        max_parallel=each.max_parallel if each is not None else 1,
        lenient=step.on_error is OnError.CONTINUE,
        waits=_waits(step, path, within),
        child=ChildDef(step.workflow) if step.workflow is not None else None,
    )


def _waits(step: Step, path: str, check: Check) -> WaitingDef | None:
    found = build_waits(step, path, lambda value, place: _tree(value, place, check), _schema)
    if isinstance(found, str):
        raise _Fault(found)
    return found


def _undos(
    spec: WorkflowSpec, actions: Mapping[str, ActionDef], graph: Graph
) -> dict[str, UnitDef]:
    """What undoes each step that can be undone: as the step says, else as its Action says."""
    found = {}
    for at, step in enumerate(spec.steps):
        action = actions[step.action] if step.action is not None else NO_ACTION
        own, default = step.compensate, action.spec.compensate
        if own is not None and own.action is not None:
            path = f"steps[{at}].compensate.input"
            roots = COMMON | OF_ITEMS if step.for_each is not None else COMMON
            tree = _tree(own.input or {}, path, undo_check(graph, at, roots))
            found[step.id] = _undo(step.id, actions[own.action], tree)
            continue
        given = action.undo_input
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


def _handler(spec: WorkflowSpec, actions: Mapping[str, ActionDef], graph: Graph) -> UnitDef | None:
    if spec.on_failure is None:
        return None
    return UnitDef(
        unit=Unit(Role.ON_FAILURE),
        action=actions[spec.on_failure.action],
        input=_tree(spec.on_failure.input, "onFailure.input", end_check(graph, "failure")),
        title="onFailure",
        retry=actions[spec.on_failure.action].spec.retry,
    )


def _finals(
    spec: WorkflowSpec, actions: Mapping[str, ActionDef], graph: Graph
) -> tuple[UnitDef, ...]:
    taken, check, made = {*graph.ids, TRIGGER}, end_check(graph, "failure"), []
    for at, final in enumerate(spec.finally_):
        made.append(
            UnitDef(
                unit=Unit(Role.FINALLY, final.id),
                action=actions[final.action],
                input=_tree(final.input, f"finally[{at}].input", check),
                title=final.id,
                retry=actions[final.action].spec.retry,
            )
        )
        if final.id in taken:
            raise _Fault(f"finally[{at}].id: {final.id!r} is taken: give it an id of its own")
        taken.add(final.id)
    return tuple(made)


def _outputs(spec: WorkflowSpec, graph: Graph) -> ex.Tree | None:
    if spec.outputs is None:
        return None
    return _tree(spec.outputs, "outputs", end_check(graph))


def _concurrency_key(spec: WorkflowSpec) -> ex.Tree | None:
    asked = spec.concurrency
    if asked is None or asked.key is None:
        return None
    return _tree(asked.key, "concurrency.key", start_check)


def _single(text: str, path: str, check: Check) -> ex.Tree:
    """A template that is one expression, so that its value keeps its type."""
    tree = _tree(text, path, check)
    if not (isinstance(tree.root, ex.Template) and tree.root.whole):
        raise _Fault(f"{path}: it must be one {{{{ … }}}} and nothing else")
    return tree


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


def _env(spec: ActionSpec) -> dict[str, ex.Tree]:
    trees = {}
    for at, var in enumerate(spec.env or ()):
        path = f"env[{at}].value"
        if reserved_variable(var.name):
            raise _Fault(f"env[{at}].name: {var.name!r} is reserved")
        if var.value is not None:
            trees[var.name] = _tree(var.value, path, env_check)
    return trees


def _action_undo(spec: ActionSpec) -> ex.Tree | None:
    if spec.compensate is None:
        return None
    return _tree(spec.compensate.input, "compensate.input", action_undo_check)


def _schema(schema: Raw | None, path: str) -> Validator | None:
    if schema is None:
        return None
    compiled = compile_schema(dict(schema), path)
    if isinstance(compiled, SchemaProblem):
        raise _Fault(compiled.message)
    return compiled
