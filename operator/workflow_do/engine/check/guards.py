"""What an expression asks about before it uses it: `x is defined`, `steps.a.state == …`.

Decides which paths need no `default` because a condition has looked at them. Generous: a guard
counts in the whole expression, since a warning too many costs more trust than one too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import nodes

from workflow_do.engine.expressions.syntax import constant_key

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Guards:
    """Paths that were asked about; what is inside them is covered too."""

    paths: frozenset[Path] = frozenset()

    def covers(self, path: Path) -> bool:
        """Whether it, or what holds it, was asked about."""
        return any(path[:length] in self.paths for length in range(1, len(path) + 1))

    def __or__(self, other: Guards) -> Guards:
        return Guards(self.paths | other.paths)


NONE: Final = Guards()


def of(node: nodes.Node) -> Guards:
    """Everything that an expression asks about."""
    asked: set[Path] = set()
    for test in _every(node, nodes.Test):
        asked |= _paths(test.node)
    for compared in _every(node, nodes.Compare):
        asked |= _membership(compared)
    for condition in _conditions(node):
        asked |= {p[:2] for p in _paths(condition) if p[:1] == ("steps",) and p[2:3] != ("output",)}
        asked |= _null_checks(condition)
    return Guards(frozenset(asked))


def flat_path(node: Any) -> tuple[Any, list[str | int]]:
    """`a.b[0].c` as the node that it begins with, and its constant keys."""
    keys: list[str | int] = []
    while (key := constant_key(node)) is not None:
        keys.append(key)
        node = node.node
    keys.reverse()
    return node, keys


def _conditions(node: nodes.Node) -> Iterator[nodes.Node]:
    """What decides: the test of a choice, the first side of `and` and `or`, each as a whole."""
    if isinstance(node, nodes.Compare | nodes.Not):
        # A condition on its own (`when`) guards what comes after it.
        yield node
    elif isinstance(node, nodes.And | nodes.Or):
        yield node.left
        yield from _conditions(node.right)
    else:
        if isinstance(node, nodes.CondExpr):
            yield node.test
        for child in node.iter_child_nodes():
            yield from _conditions(child)


def _null_checks(condition: nodes.Node) -> set[Path]:
    """`x != none`, or `x` alone as the condition, of something that is there but may be null."""
    asked: set[Path] = set()
    for compared in _every(condition, nodes.Compare):
        sides = [compared.expr, *(op.expr for op in compared.ops)]
        if any(isinstance(side, nodes.Const) and side.value is None for side in sides):
            asked |= {p for side in sides for p in _paths(side)}
    return asked


def _membership(compared: nodes.Compare) -> set[Path]:
    """`'name' in trigger.body` asks about `trigger.body.name`."""
    if not (isinstance(compared.expr, nodes.Const) and isinstance(compared.expr.value, str)):
        return set()
    containers = [op.expr for op in compared.ops if op.op in ("in", "notin")]
    return {(*p, compared.expr.value) for c in containers for p in _paths(c)}


def _paths(node: nodes.Node) -> set[Path]:
    base, keys = flat_path(node)
    if isinstance(base, nodes.Name):
        return {(base.name, *keys)}
    return {p for child in node.iter_child_nodes() for p in _paths(child)}


def _every(node: nodes.Node, kind: Any) -> list[Any]:
    own = [node] if isinstance(node, kind) else []
    return [*own, *node.find_all(kind)]
