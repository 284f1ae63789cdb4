"""Which names a template may use where it stands: checked once, when a definition is made ready.

Decides what is in scope at each place: a step sees the steps that are surely before it, a handler
all of them. What stands there when a run renders is `inputs`' to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from workflow_do.engine import expressions as ex
from workflow_do.engine.graph import Graph

Check = Callable[[ex.Reference], str | None]
"""What is wrong with a name; None where it may be used."""

COMMON: Final = frozenset({"trigger", "run", "workflow", "steps"})
_AT_THE_START: Final = COMMON - {"steps"}
OF_ITEMS: Final = frozenset({"item", "index"})
"""What the input of a step with `forEach` sees besides."""
_STEP_FIELDS: Final = frozenset({"output", "state", "reason"})
_FAILURE_FIELDS: Final = frozenset(
    {"step", "action", "reason", "message", "exitCode", "attempt", "logsTail", "compensated"}
)
_OF_THE_UNDONE: Final = frozenset({"input", "output"})
"""What an undo sees of the unit that it undoes."""
_UNDO_OF_ACTION: Final = _OF_THE_UNDONE | {"run", "workflow"}
"""An Action knows no Workflow, so the trigger and other steps are none of its business."""


def step_check(graph: Graph, at: int, roots: frozenset[str] = COMMON) -> Check:
    """A step may use the steps that are surely before it."""
    before, ids = frozenset(graph.before(at)), graph.ids

    def check(ref: ex.Reference) -> str | None:
        parts = ref.parts
        if parts[0] not in roots:
            return _unknown_root(parts[0], roots)
        if parts[0] != "steps" or len(parts) < 2 or parts[1] in before:
            return _check_fields(parts)
        if parts[1] in ids[at:]:
            return f"the step {parts[1]!r} does not come before this one"
        if parts[1] in ids:
            return f"the step {parts[1]!r} is not surely before this one: add it to `needs`"
        return f"there is no step {parts[1]!r} before this one" + _known(before)

    return check


def start_check(ref: ex.Reference) -> str | None:
    """What is asked before the first step sees what started the run, and no step."""
    root = ref.parts[0]
    return None if root in _AT_THE_START else _unknown_root(root, _AT_THE_START)


def undo_check(graph: Graph, at: int, roots: frozenset[str] = COMMON) -> Check:
    """An undo sees what its step sees, besides what it undoes and why."""
    return step_check(graph, at, roots | _OF_THE_UNDONE | {"failure"})


def action_undo_check(ref: ex.Reference) -> str | None:
    """The undo that an Action names sees what it undoes, and no Workflow."""
    root = ref.parts[0]
    return None if root in _UNDO_OF_ACTION else _unknown_root(root, _UNDO_OF_ACTION)


def env_check(ref: ex.Reference) -> str | None:
    """The environment of an Action sees its input."""
    return None if ref.parts[0] == "input" else _unknown_root(ref.parts[0], frozenset({"input"}))


def end_check(graph: Graph, *more: str) -> Check:
    """What runs at the end may use every step (of which some have no output), and `more`."""
    known, roots = frozenset(graph.ids), COMMON | set(more)

    def check(ref: ex.Reference) -> str | None:
        parts = ref.parts
        if parts[0] not in roots:
            return _unknown_root(parts[0], roots)
        if parts[0] == "steps" and len(parts) > 1 and parts[1] not in known:
            return f"there is no step {parts[1]!r}" + _known(known)
        return _check_fields(parts)

    return check


def _check_fields(parts: tuple[Any, ...]) -> str | None:
    if parts[0] == "failure" and len(parts) > 1 and parts[1] not in _FAILURE_FIELDS:
        return f"failure has no {parts[1]!r}, only {_list(_FAILURE_FIELDS)}"
    if parts[0] == "steps" and len(parts) > 2 and parts[2] not in _STEP_FIELDS:
        return f"steps.{parts[1]} has no {parts[2]!r}, only {_list(_STEP_FIELDS)}"
    return None


def _unknown_root(root: object, roots: Iterable[str]) -> str:
    return f"{root!r} is not defined here; there are {_list(roots)}"


def _known(before: frozenset[str]) -> str:
    return f"; there are {_list(before)}" if before else "; it is the first"


def _list(words: Iterable[str]) -> str:
    rows = sorted(words)
    return ", ".join(rows[:8]) + (", …" if len(rows) > 8 else "")
