"""What a template can see at a place, with what is known of it.

Decides the names and fields of a scope and where each comes from. Mirrors what a run puts there
(`engine/inputs.py`); the test of the scopes holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from workflow_do.api.run import StepState
from workflow_do.engine.check.shape import (
    INTEGER,
    NULL,
    OBJECT,
    STRING,
    Field,
    Openness,
    Shape,
    list_of,
    nullable,
    record,
    union,
)

Path = tuple[str | int, ...]

_STRINGS: Final = replace(OBJECT, openness=Openness.OPEN, extra=STRING)
_STRING_OR_NULL: Final = union([STRING, NULL])


@dataclass(frozen=True, slots=True)
class Scope:
    """The names at one place. `later`: steps that exist, but not surely before it."""

    roots: Mapping[str, Shape]
    origins: Mapping[Path, str] = field(default_factory=dict)
    """Whose schema describes what is under a path, for people."""
    ids: frozenset[str] = frozenset()
    """All steps, also those that are not surely before it."""


@dataclass(frozen=True, slots=True)
class Before:
    """A step as those after it see it."""

    output: Shape
    skipped: str = ""
    """Why its output may be null; empty: it surely has one."""
    states: tuple[str, ...] = ("Succeeded",)


def step_scope(
    body: Shape, before: Mapping[str, Field], ids: frozenset[str], origins: Mapping[Path, str]
) -> Scope:
    """What a step's input sees: `before` are the steps surely before it, of all those `ids`."""
    trigger = {"type": STRING, "body": body, "headers": _STRINGS, "id": _STRING_OR_NULL}
    roots = {
        "trigger": record(trigger),
        "run": record({"name": STRING, "namespace": STRING, "uid": STRING}),
        "workflow": record({"name": STRING, "revision": STRING}),
        "steps": replace(OBJECT, fields=before, openness=Openness.CLOSED),
    }
    return Scope(roots, origins, ids)


def start_scope(body: Shape) -> Scope:
    """What is seen before any step: by the key of `concurrency`."""
    whole = step_scope(body, {}, frozenset(), {("trigger", "body"): "trigger.bodySchema"})
    return replace(whole, roots={n: s for n, s in whole.roots.items() if n != "steps"})


def with_roots(scope: Scope, more: Mapping[str, Shape]) -> Scope:
    """The scope with more names."""
    return replace(scope, roots={**scope.roots, **more})


def item_scope(scope: Scope, item: Shape) -> Scope:
    """What the input of a step with `forEach` sees besides."""
    return with_roots(scope, {"item": item, "index": INTEGER})


def failure() -> Shape:
    """What a handler is told of the first failure."""
    texts = ("step", "action", "reason", "message", "logsTail")
    return record(
        {
            **dict.fromkeys(texts, STRING),
            "exitCode": nullable(INTEGER, "only a program that has ended has an exit code"),
            "attempt": INTEGER,
            "compensated": list_of(_undo()),
        }
    )


def _undo() -> Shape:
    """One undo, as handlers are told of it; with the item where it is that of an item."""
    told = record({"step": STRING, "state": STRING, "reason": _STRING_OR_NULL})
    return replace(told, fields={**told.fields, "item": Field(INTEGER, required=False)})


def undone(taken: Shape, given: Shape) -> dict[str, Shape]:
    """What an undo sees of what it undoes.

    Where the outcome is unknown there is no output; that ends the undo as OutcomeUnknown, which
    `default` could only hide.
    """
    return {"input": taken, "output": given}


def undo_scope(taken: Shape, given: Shape) -> Scope:
    """What the default compensation of an Action sees, whatever Workflow it stands in."""
    roots = {
        **undone(taken, given),
        "run": record({"name": STRING, "namespace": STRING, "uid": STRING}),
        "workflow": record({"name": STRING, "revision": STRING}),
    }
    return Scope(roots, {("input",): "inputSchema", ("output",): "outputSchema"})


def env_scope(taken: Shape) -> Scope:
    """What the environment of an Action sees."""
    return Scope({"input": taken}, {("input",): "inputSchema"})


def step_field(seen: Before) -> Field:
    """A step as a field of `steps`."""
    output = nullable(seen.output, seen.skipped) if seen.skipped else seen.output
    states = Shape(frozenset({"string"}), values=seen.states)
    shape = record({"output": output, "state": states, "reason": _STRING_OR_NULL})
    return Field(shape, required=True)


def before(id_: str, given: Shape, *, skips: bool, lenient: bool) -> Before:
    """A step as those after it see it: it has ended, and maybe not well."""
    if lenient:
        many = given.kinds == {"array"}
        how = "could not read its list" if many else "has failed"
        why = f"`steps.{id_}.output` is null when that step {how}"
        given = _items_perhaps(id_, given)
        ended = tuple(state.value for state in StepState if state.terminal)
        return Before(given, why, ended if skips else tuple(s for s in ended if s != "Skipped"))
    if skips:
        why = f"`steps.{id_}.output` is null when that step was skipped"
        return Before(given, why, ("Succeeded", "Skipped"))
    return Before(given)


def maybe_not_run(id_: str, seen: Before) -> Before:
    """A step as a handler sees it: it may have failed, or never have begun."""
    return replace(
        seen,
        output=_items_perhaps(id_, seen.output),
        skipped=f"`steps.{id_}.output` is null when that step has not succeeded",
        states=tuple(state.value for state in StepState),
    )


def _items_perhaps(id_: str, output: Shape) -> Shape:
    """The list of what items gave, where one may have failed; any other output as it is."""
    if output.kinds != {"array"} or output.items is None:
        return output
    why = f"an item of `steps.{id_}.output` is null when it has failed"
    return replace(output, items=nullable(output.items, why))
