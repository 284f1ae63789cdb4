"""Turns a node into a function by an allow-list, and gathers what the expression refers to.

Decides that what is not in the table is refused, so that a future Jinja2 cannot add syntax by
itself. Does not know the meaning of any node: that is in `syntax` and `calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from jinja2 import nodes

from workflow_do.engine.expressions import places
from workflow_do.engine.expressions.model import Evaluate, Reference, TemplateProblem

MAX_DEPTH: Final = 100
"""Nested nodes of one expression; the evaluation recurses about two frames for each."""

BuildNode: TypeAlias = Callable[["Builder", Any, int], Evaluate]
"""Makes the function of one kind of node; the int is the depth of its children."""


class Builder:
    """Builds the functions of one expression; `references` fills up while it does."""

    def __init__(
        self,
        source: str,
        path: str,
        allowed: Mapping[type[nodes.Expr], BuildNode],
        refused: Mapping[type[nodes.Expr], str],
    ) -> None:
        self.path = path
        self.references: set[Reference] = set()
        self._source = source
        self._allowed = allowed
        self._refused = refused

    def build(self, node: nodes.Expr | None, depth: int) -> Evaluate:
        """The function of a node. Raises TemplateProblem for what is not allowed."""
        if depth > MAX_DEPTH:
            self.refuse("an expression is nested too deeply")
        if node is None:
            self.refuse("a value is missing")
        build_node = self._allowed.get(type(node))
        if build_node is None:
            name = type(node).__name__
            self.refuse(self._refused.get(type(node), f"{name} is not allowed in an expression"))
        return build_node(self, node, depth + 1)

    def build_all(self, parts: Sequence[nodes.Expr], depth: int) -> list[Evaluate]:
        """The functions of several nodes."""
        return [self.build(part, depth) for part in parts]

    def refuse(self, message: str) -> NoReturn:
        """End with a TemplateProblem that shows the expression."""
        raise TemplateProblem(self.path, f"{message}, in `{clip(self._source)}`")

    def refuse_name(self, what: str, name: str, known: Sequence[str]) -> NoReturn:
        """End with a TemplateProblem for a filter or test that does not exist."""
        self.refuse(f"there is no {what} `{name[:64]}`{places.nearest(name, known)}")


def clip(source: str) -> str:
    """The text of an expression, short enough for a message."""
    flat = " ".join(source.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"
