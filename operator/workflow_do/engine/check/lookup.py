"""What a path reads of a scope: `steps.a.output.b`, key by key.

Decides what is not there, what may be absent or null, and the words for it: the nearest name, and
whose schema says so. Mirrors `engine/expressions/places.py`, which does it with values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from workflow_do.engine.check.finding import Severity
from workflow_do.engine.check.guards import Guards
from workflow_do.engine.check.scopes import Path, Scope
from workflow_do.engine.check.shape import ANY, NEVER, Openness, Shape, not_null, words
from workflow_do.engine.expressions.places import nearest

_MAX_NAMED: Final = 8
DEFAULT: Final = "`| default(…)` covers what may be absent"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong in an expression. `missing`: `default` would catch it; `sure`: and always."""

    severity: Severity
    message: str
    cure: str = ""
    missing: bool = False
    sure: bool = False


class Lookup:
    """Reads of one expression. `issues` fills up."""

    def __init__(self, scope: Scope, asked: Guards, issues: list[Issue]) -> None:
        self.issues = issues
        self._scope = scope
        self._asked = asked

    def root(self, name: str, keys: Sequence[str | int]) -> Shape:
        """What stands under a name of the scope and the keys after it."""
        shape = self._scope.roots.get(name)
        if shape is None:
            self._no_root(name)
            return ANY
        if name == "steps" and keys and keys[0] not in shape.fields and isinstance(keys[0], str):
            self._no_step(keys[0], shape)
            return ANY
        found = self.inside(shape, keys, (name,))
        return not_null(found) if self._asked.covers((name, *keys)) else found

    def inside(self, shape: Shape, keys: Sequence[str | int], at: Path = ()) -> Shape:
        """What stands under the keys of a shape; `at` is its own path, if it has one."""
        for key in keys:
            shape = self._child(shape, key, at)
            at = (*at, key) if at else ()
        return shape

    def _fail(self, message: str, cure: str = "") -> None:
        self.issues.append(Issue(Severity.ERROR, message, cure))

    def _child(self, shape: Shape, key: str | int, at: Path) -> Shape:
        wanted = "object" if isinstance(key, str) else "array"
        label = path_text(at)
        if shape.impossible:
            return NEVER
        if wanted not in shape.kinds:
            self._not_inside(shape, key, label)
            return ANY
        if "null" in shape.kinds and (shape.note or not shape.unknown):
            self._maybe_null(shape, at)
        if isinstance(key, int):
            return shape.items if shape.items is not None else ANY
        return self._field(shape, key, at)

    def _field(self, shape: Shape, key: str, at: Path) -> Shape:
        held = shape.fields.get(key)
        here = (*at, key)
        if held is None:
            if shape.openness in (Openness.CLOSED, Openness.DECLARED):
                self._no_field(shape, key, at)
                return ANY
            return shape.extra if shape.extra is not None else ANY
        if not held.required and not self._asked.covers(here):
            by = f" by {self._origin(at)}" if self._origin(at) else ""
            self.issues.append(
                Issue(
                    Severity.WARNING,
                    f"`{path_text(here)}` may be absent: it is not required{by}",
                    "require it there, or add `| default(…)`",
                    missing=True,
                )
            )
        return held.shape

    def _maybe_null(self, shape: Shape, at: Path) -> None:
        if self._asked.covers(at):
            return
        why = shape.note or f"`{path_text(at)}` may be null"
        self.issues.append(Issue(Severity.WARNING, why, DEFAULT, missing=True))

    def _not_inside(self, shape: Shape, key: str | int, label: str) -> None:
        what = f"item {key}" if isinstance(key, int) else f"`{key}`"
        cure = ""
        if "array" in shape.kinds and isinstance(key, str):
            cure = "take an item (`[0]`) or `| map(attribute=…)`"
        message = f"`{label}` is {words(shape)} and has no {what}"
        if shape.kinds == {"null"} and shape.note:
            message = shape.note
        self.issues.append(Issue(Severity.ERROR, message, cure, missing=True, sure=True))

    def _no_field(self, shape: Shape, key: str, at: Path) -> None:
        close = nearest(key, shape.fields)
        origin = self._origin(at)
        known = ", ".join(f"`{name}`" for name in list(shape.fields)[:_MAX_NAMED])
        has = f"it has {known}" if known else "it has no fields"
        if origin:
            has += f", by {origin}"
        cure = has
        sure = True
        if shape.openness is Openness.DECLARED:
            cure = f"{has}; `additionalProperties: true` there says that there are others"
            # Beside `default` a field that is not declared may be meant; a near miss hardly is.
            sure = bool(close)
        if self._asked.covers((*at, key)) and shape.openness is Openness.DECLARED:
            return
        self.issues.append(
            Issue(
                Severity.ERROR,
                f"`{path_text(at)}` has no `{key}`{close}",
                cure,
                missing=True,
                sure=sure,
            )
        )

    def _no_root(self, name: str) -> None:
        if name == "null":
            self._fail("`null` is written `none`")
            return
        known = ", ".join(f"`{root}`" for root in sorted(self._scope.roots))
        close = nearest(name, self._scope.roots)
        self._fail(f"`{name}` is not defined here{close}", f"there are {known}")

    def _no_step(self, id_: str, steps: Shape) -> None:
        if id_ in self._scope.ids:
            self._fail(
                f"the step `{id_}` does not come before this one",
                "add it to `needs` if it stands above, or move it up",
            )
            return
        known = ", ".join(f"`{name}`" for name in list(steps.fields)[:_MAX_NAMED])
        more = ", …" if len(steps.fields) > _MAX_NAMED else ""
        close = nearest(id_, sorted(self._scope.ids))
        cure = f"there are {known}{more}" if known else "there is none before it"
        self._fail(f"there is no step `{id_}` before this one{close}", cure)

    def _origin(self, at: Path) -> str:
        for length in range(len(at), 0, -1):
            if at[:length] in self._scope.origins:
                return self._scope.origins[at[:length]]
        return ""


def path_text(at: Iterable[str | int]) -> str:
    """`steps.a.output[0].b`, as it is written."""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the value"
