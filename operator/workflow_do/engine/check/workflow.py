"""Everything that can be known to be wrong with a Workflow and its Actions before any run.

Decides what is checked and in which scope, and gives all findings, not the first. Pure; knows no
run and no cluster. An Action that is not there is one finding, and its types stay silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflow_do.api.action import ActionSpec
from workflow_do.api.workflow import OnError, Step, WorkflowSpec
from workflow_do.engine.check import guards, scopes
from workflow_do.engine.check.children import Children, Told, by_name, family_findings
from workflow_do.engine.check.finding import Finding, Severity, errors
from workflow_do.engine.check.fit import fit
from workflow_do.engine.check.form import read_form, twice
from workflow_do.engine.check.places import Place, asked_by, expect
from workflow_do.engine.check.reader import read_schema
from workflow_do.engine.check.shape import (
    ANY,
    OBJECT,
    Field,
    Shape,
    list_of,
    meet,
    nullable,
    record,
)
from workflow_do.engine.definition import define, define_action
from workflow_do.engine.expressions.places import nearest
from workflow_do.engine.graph import Graph, GraphFault, build_graph
from workflow_do.engine.problem import Problem
from workflow_do.engine.reserved import reserved_variable
from workflow_do.engine.schemas import SchemaProblem, compile_schema
from workflow_do.engine.uses import used_names

Raw = Mapping[str, Any]


def check_action(name: str, raw_spec: Raw) -> tuple[Finding, ...]:
    """Everything wrong with an Action's raw spec."""
    spec, findings = read_form(ActionSpec, raw_spec)
    if spec is not None:
        taken, more = _schema(spec.input_schema, "inputSchema")
        findings += more
        given, more = _schema(spec.output_schema, "outputSchema")
        findings += more
        findings += _env(spec, meet(taken, OBJECT))
        findings += _undo(spec, meet(taken, OBJECT), meet(given, OBJECT))
    if not errors(findings):
        findings += _backstop(define_action(name, raw_spec))
    return tuple(findings)


def check_workflow(
    name: str,
    raw_spec: Raw,
    actions: Mapping[str, Raw],
    *,
    complete: bool = True,
    workflows: Mapping[str, Raw] | None = None,
) -> tuple[Finding, ...]:
    """Everything wrong with a raw Workflow spec and the raw specs of its Actions, by name.

    `workflows`: the raw specs of others that its steps may start runs of, by name. `complete`: all
    Actions and Workflows that exist are given, so that one that is not given is missing; else
    nothing is known of it.
    """

    def read(child: str, raw: Raw, others: Children) -> Told:
        found, given = _check(child, raw, actions, complete, others)
        return replace(by_name(raw), given=given, faults=errors(found))

    family = {**(workflows or {}), name: raw_spec}
    found, _ = _check(name, raw_spec, actions, complete, Children(family, name, read))
    return (*found, *family_findings(name, family))


def _check(
    name: str, raw_spec: Raw, actions: Mapping[str, Raw], complete: bool, children: Children
) -> tuple[tuple[Finding, ...], Shape]:
    """The findings, and what a run gives."""
    spec, findings = read_form(WorkflowSpec, raw_spec)
    if spec is None:
        return tuple(findings), by_name(raw_spec).given
    walk = _Walk(spec, actions, complete, children)
    findings += [*twice([(f"steps[{i}].id", s.id) for i, s in enumerate(spec.steps)])]
    findings += [*_reserved(spec), *_finals(spec)]
    graph = build_graph(spec.steps)
    if not isinstance(graph, GraphFault):
        findings += walk.findings(graph)
    elif graph.path.endswith("]"):  # of the ids it is told above
        findings.append(Finding(graph.path, Severity.ERROR, graph.message, graph.cure))
    if not errors(findings):
        unseen = frozenset() if complete else used_names(raw_spec, actions) - actions.keys()
        stubs = {action: {"image": "not-known-here"} for action in unseen}
        findings += _backstop(define(name, raw_spec, {**stubs, **actions}))
    return tuple(findings), walk.given


def _backstop(found: object) -> list[Finding]:
    """Whatever stops a run stands among the findings, also what no check above speaks of."""
    return [Finding("", Severity.ERROR, found.message)] if isinstance(found, Problem) else []


def _reserved(spec: WorkflowSpec) -> Iterator[Finding]:
    for at, step in enumerate(spec.steps):
        if step.id == "trigger":
            message = "the step id `trigger` is reserved: it stands for what started the run"
            yield Finding(f"steps[{at}].id", Severity.ERROR, message, "choose another")


def _finals(spec: WorkflowSpec) -> Iterator[Finding]:
    taken = {step.id for step in spec.steps} | {"trigger"}
    for at, final in enumerate(spec.finally_):
        if final.id in taken:
            message = f"the id `{final.id}` is taken"
            yield Finding(f"finally[{at}].id", Severity.ERROR, message, "give it one of its own")
        taken.add(final.id)


def _schema(schema: Raw | None, path: str) -> tuple[Shape, list[Finding]]:
    if schema is None:
        return ANY, []
    compiled = compile_schema(dict(schema), path)
    if isinstance(compiled, SchemaProblem):
        place, _, message = compiled.message.partition(": ")
        return ANY, [Finding(place, Severity.ERROR, message)]
    return read_schema(dict(schema)), []


def _env(spec: ActionSpec, taken: Shape) -> Iterator[Finding]:
    for at, var in enumerate(spec.env or ()):
        if reserved_variable(var.name):
            message = f"`{var.name}` is reserved: the operator sets such names"
            yield Finding(f"env[{at}].name", Severity.ERROR, message, "choose another")
        if var.value is not None:
            place = Place(scopes.env_scope(taken))
            place.text(var.value, f"env[{at}].value")
            yield from place.findings


def _undo(spec: ActionSpec, taken: Shape, given: Shape) -> Iterator[Finding]:
    if spec.compensate is not None:
        place = Place(scopes.undo_scope(taken, given))
        place.shape(dict(spec.compensate.input), "compensate.input")
        yield from place.findings


@dataclass(frozen=True, slots=True)
class _Verb:
    """What is known of an Action: what it takes, what it gives."""

    taken: Shape
    given: Shape


class _Walk:
    """One walk over a Workflow, from what starts it to its handler."""

    def __init__(
        self,
        spec: WorkflowSpec,
        actions: Mapping[str, Raw],
        complete: bool,
        children: Children,
    ) -> None:
        self.given: Shape = record({})
        """What a run gives: its outputs."""
        self._children = children
        self._spec = spec
        self._actions = actions
        self._complete = complete
        self._verbs: dict[str, _Verb | None] = {}
        self._called: dict[str, _Verb | None] = {}
        self._found: list[Finding] = []
        self._undone: set[str] = set()
        """Actions whose own compensation has been checked."""
        self._late: dict[str, Field] = {}
        """The steps as handlers see them."""
        self._origins: dict[scopes.Path, str] = {("trigger", "body"): "trigger.bodySchema"}

    def findings(self, graph: Graph) -> list[Finding]:
        """All of them, in the order of the Workflow."""
        body, found = _schema(self._spec.trigger.body_schema, "trigger.bodySchema")
        self._found += found
        self._key(body)
        ids = frozenset(step.id for step in self._spec.steps)
        done: dict[str, Field] = {}
        for at, step in enumerate(self._spec.steps):
            before = {id_: done[id_] for id_ in graph.before(at)}
            scope = scopes.step_scope(body, before, ids, self._origins)
            seen = self._step(step, f"steps[{at}]", scope)
            done[step.id] = scopes.step_field(seen)
            self._late[step.id] = scopes.step_field(scopes.maybe_not_run(step.id, seen))
        self._at_the_end(scopes.step_scope(body, self._late, ids, self._origins))
        self._outputs(scopes.step_scope(body, done, ids, self._origins))
        return self._found

    def _compensation(self, step: Step, path: str, scope: scopes.Scope, verb: _Verb | None) -> None:
        """The step's own, else that of its Action."""
        own = step.compensate
        if own is None and step.action is not None:
            self._default_undo(step.action, f"{path}.action", verb)
        if own is None or own.action is None:
            return
        taken, given = (verb.taken, verb.given) if verb is not None else (OBJECT, OBJECT)
        more = {**scopes.undone(taken, given), "failure": scopes.failure()}
        undo = self._verb(own.action, f"{path}.compensate.action")
        told = scopes.with_roots(scope, more)
        taker = f"inputSchema of {own.action}"
        self._input(own.input or {}, f"{path}.compensate.input", told, taker, undo)

    def _default_undo(self, name: str, path: str, verb: _Verb | None) -> None:
        """Whether the compensation of an Action fits the Action that it names; told once."""
        undo = self._actions.get(name, {}).get("compensate")
        if verb is None or not isinstance(undo, Mapping) or name in self._undone:
            return
        self._undone.add(name)
        action = str(undo.get("action"))
        other = self._verb(action, path)
        if other is None:
            return
        value = undo.get("input")
        # What is wrong in its templates is told with the Action.
        place = Place(scopes.undo_scope(verb.taken, verb.given))
        given = place.shape(dict(value) if isinstance(value, Mapping) else {}, "compensate.input")
        for found in fit(given, other.taken, "compensate.input", f"inputSchema of {action}"):
            message = f"in the Action `{name}`, {found.path}: {found.message}"
            self._found.append(Finding(path, found.severity, message, found.cure))

    def _step(self, step: Step, path: str, scope: scopes.Scope) -> scopes.Before:
        """What is wrong with a step goes among the findings; gives it as those after it see it."""
        known = guards.NONE
        if step.when is not None:
            self._single(step.when, f"{path}.when", scope, "boolean", "true or false")
            known = asked_by(step.when)
        within = scope
        if step.for_each is not None:
            place = f"{path}.forEach.items"
            found = self._single(step.for_each.items, place, scope, "array", "a list", known)
            within = scopes.item_scope(scope, found.items if found.items is not None else ANY)
        given = self._does(step, step.action, path, within, known)
        return scopes.before(
            step.id,
            list_of(given) if step.for_each is not None else given,
            skips=step.when is not None,
            lenient=step.on_error is OnError.CONTINUE,
        )

    def _does(
        self, step: Step, action: str | None, path: str, scope: scopes.Scope, known: guards.Guards
    ) -> Shape:
        """What the step gives."""
        if action is None and step.workflow is None:
            return self._waits(step, path, scope, known)
        name = action or step.workflow or ""
        if action is None:
            verb, taker = self._child(name, f"{path}.workflow"), f"bodySchema of {name}"
            origin = f"the outputs of {name}"
        else:
            verb, taker = self._verb(name, f"{path}.action"), f"inputSchema of {name}"
            origin = f"outputSchema of {name}"
        self._input(step.input, f"{path}.input", scope, taker, verb, known)
        self._compensation(step, path, scope, verb)
        self._origins["steps", step.id, "output"] = origin
        return verb.given if verb is not None else OBJECT

    def _child(self, name: str, path: str) -> _Verb | None:
        """What is known of the Workflow that a step starts; what is wrong with it is told once."""
        if name in self._called:
            return self._called[name]
        told = self._children.find(name)
        self._called[name] = None
        if told is None:
            if self._complete:
                message = f"there is no Workflow `{name}`{nearest(name, self._children.names)}"
                self._found.append(Finding(path, Severity.ERROR, message, "apply it"))
            return None
        if told.faults:
            more = f" (and {len(told.faults) - 1} more)" if len(told.faults) > 1 else ""
            message = f"the Workflow `{name}` cannot be used: {told.faults[0]}{more}"
            self._found.append(Finding(path, Severity.ERROR, message))
            return None
        self._called[name] = _Verb(told.taken, told.given)
        return self._called[name]

    def _waits(self, step: Step, path: str, scope: scopes.Scope, known: guards.Guards) -> Shape:
        """Of a wait nothing; of an approval the data of whoever approves last."""
        place, given = Place(scope, known), record({})
        if step.wait is not None and step.wait.until is not None:
            place.text(step.wait.until, f"{path}.wait.until")
        if step.approval is not None:
            place.text(step.approval.message or "", f"{path}.approval.message")
            schema = f"{path}.approval.dataSchema"
            taken, found = _schema(step.approval.data_schema, schema)
            given = meet(taken, OBJECT)
            self._found += found
            self._origins["steps", step.id, "output"] = schema
        self._found += place.findings
        return given

    def _single(
        self,
        text: str,
        path: str,
        scope: scopes.Scope,
        kind: str,
        word: str,
        known: guards.Guards = guards.NONE,
    ) -> Shape:
        """A template of one expression that must give a certain kind."""
        place = Place(scope, known)
        shape = place.shape(text, path)
        self._found += place.findings
        if not errors(place.findings):
            self._found += expect(shape, frozenset({kind}), word, path)
        return shape

    def _at_the_end(self, scope: scopes.Scope) -> None:
        """Handlers, which see every step, whatever became of it, and the failure."""
        handler = self._spec.on_failure
        if handler is not None:
            told = scopes.with_roots(scope, {"failure": scopes.failure()})
            verb = self._verb(handler.action, "onFailure.action")
            taker = f"inputSchema of {handler.action}"
            self._input(handler.input, "onFailure.input", told, taker, verb)
        for at, final in enumerate(self._spec.finally_):
            perhaps = nullable(scopes.failure(), "`failure` is null where nothing failed")
            told = scopes.with_roots(scope, {"failure": perhaps})
            verb = self._verb(final.action, f"finally[{at}].action")
            taker = f"inputSchema of {final.action}"
            self._input(final.input, f"finally[{at}].input", told, taker, verb)

    def _key(self, body: Shape) -> None:
        """The key of `concurrency`, rendered before any step."""
        asked = self._spec.concurrency
        if asked is not None and asked.key is not None:
            place = Place(scopes.start_scope(body))
            place.text(asked.key, "concurrency.key")
            self._found += place.findings

    def _outputs(self, scope: scopes.Scope) -> None:
        """Rendered when every step has ended well, was skipped, or failed and was continued."""
        if self._spec.outputs is not None:
            place = Place(scope)
            self.given = place.shape(dict(self._spec.outputs), "outputs")
            self._found += place.findings

    def _input(
        self,
        value: Raw,
        path: str,
        scope: scopes.Scope,
        taker: str,
        verb: _Verb | None,
        known: guards.Guards = guards.NONE,
    ) -> None:
        place = Place(scope, known)
        given = place.shape(dict(value), path)
        self._found += place.findings
        if verb is not None:
            self._found += fit(given, verb.taken, path, taker)

    def _verb(self, name: str, path: str) -> _Verb | None:
        """What is known of the Action; what is wrong with it is told once."""
        if name in self._verbs:
            return self._verbs[name]
        raw = self._actions.get(name)
        self._verbs[name] = None
        if raw is None:
            if self._complete:
                message = f"there is no Action `{name}`{nearest(name, self._actions)}"
                self._found.append(Finding(path, Severity.ERROR, message, "apply it"))
            return None
        faults = errors(check_action(name, raw))
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            message = f"the Action `{name}` cannot be used: {faults[0]}{more}"
            self._found.append(Finding(path, Severity.ERROR, message))
            return None
        self._verbs[name] = _Verb(
            taken=meet(read_schema(raw.get("inputSchema", True)), OBJECT),
            given=meet(read_schema(raw.get("outputSchema", True)), OBJECT),
        )
        return self._verbs[name]
