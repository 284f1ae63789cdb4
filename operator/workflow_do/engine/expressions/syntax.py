"""What each piece of syntax does: names and paths, operators, literals, choices.

Decides the meaning of every allowed node but filters and tests. Each function returns the
function that evaluates the node; that one counts its steps and may raise `Failed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from jinja2 import nodes

from workflow_do.engine.expressions import operators, places
from workflow_do.engine.expressions.builder import MAX_DEPTH, Builder, BuildNode
from workflow_do.engine.expressions.context import (
    MAX_INTEGER_BITS,
    Context,
    Failed,
    Json,
    Missing,
)
from workflow_do.engine.expressions.model import Evaluate, Reference
from workflow_do.engine.expressions.operators import Binary
from workflow_do.engine.expressions.values import finite, text

_ANONYMOUS = "the value"


def constant(builder: Builder, node: nodes.Const, _depth: int) -> Evaluate:
    """A number, a string, true, false or none."""
    value = node.value
    if type(value) is int and value.bit_length() > MAX_INTEGER_BITS:
        builder.refuse("a number in an expression has too many digits")
    if type(value) is float:
        try:
            finite(value)
        except Failed:
            builder.refuse("a number in an expression is too large")
    return lambda _ctx: value


def path(builder: Builder, node: nodes.Expr, depth: int) -> Evaluate:
    """`a`, `a.b`, `a.b[0].c`: constant keys and indexes are read in one go."""
    keys: list[str | int] = []
    while (key := constant_key(node)) is not None:
        keys.append(key)
        node = node.node  # type: ignore[attr-defined]
    keys.reverse()
    if len(keys) > MAX_DEPTH:
        builder.refuse("an expression is nested too deeply")
    if not isinstance(node, nodes.Name):
        return _read(builder.build(node, depth), keys, _labels(None, keys))
    name = node.name
    builder.references.add(Reference((name, *keys), builder.path))

    def read_root(ctx: Context) -> Json:
        return places.root(ctx.scope, name)

    return _read(read_root, keys, _labels(name, keys))


def subscript(builder: Builder, node: nodes.Getitem, depth: int) -> Evaluate:
    """`a[0]`, `a["b"]`, `a[expression]`, `a[1:3]`."""
    if constant_key(node) is not None:
        return path(builder, node, depth)
    subject = builder.build(node.node, depth)
    if isinstance(node.arg, nodes.Slice):
        return _slice(builder, subject, node.arg, depth)
    key = builder.build(node.arg, depth)

    def read(ctx: Context) -> Json:
        ctx.step()
        return places.computed_child(subject(ctx), key(ctx), _ANONYMOUS)

    return read


def _slice(builder: Builder, subject: Evaluate, node: nodes.Slice, depth: int) -> Evaluate:
    start, stop, step = (
        _nothing if bound is None else builder.build(bound, depth)
        for bound in (node.start, node.stop, node.step)
    )

    def read(ctx: Context) -> Json:
        ctx.step()
        return operators.cut(ctx, subject(ctx), start(ctx), stop(ctx), step(ctx))

    return read


def binary(operation: Binary) -> BuildNode:
    """An operator between two values."""

    def build(builder: Builder, node: Any, depth: int) -> Evaluate:
        left, right = builder.build(node.left, depth), builder.build(node.right, depth)

        def compute(ctx: Context) -> Json:
            ctx.step()
            return operation(ctx, left(ctx), right(ctx))

        return compute

    return build


def both(builder: Builder, node: nodes.And, depth: int) -> Evaluate:
    """`and`: the first value if it is falsy, else the second, which may then be missing."""
    left, right = builder.build(node.left, depth), builder.build(node.right, depth)

    def decide(ctx: Context) -> Json:
        ctx.step()
        return left(ctx) and right(ctx)

    return decide


def either(builder: Builder, node: nodes.Or, depth: int) -> Evaluate:
    """`or`: the first value unless it is falsy, else the second."""
    left, right = builder.build(node.left, depth), builder.build(node.right, depth)

    def decide(ctx: Context) -> Json:
        ctx.step()
        return left(ctx) or right(ctx)

    return decide


def opposite(builder: Builder, node: nodes.Not, depth: int) -> Evaluate:
    """`not`: always true or false."""
    inner = builder.build(node.node, depth)

    def decide(ctx: Context) -> Json:
        ctx.step()
        return not inner(ctx)

    return decide


def sign(builder: Builder, node: nodes.Neg | nodes.Pos, depth: int) -> Evaluate:
    """`-x` and `+x`."""
    inner = builder.build(node.node, depth)
    apply = operators.negative if isinstance(node, nodes.Neg) else operators.positive

    def compute(ctx: Context) -> Json:
        ctx.step()
        return apply(ctx, inner(ctx))

    return compute


def comparison(builder: Builder, node: nodes.Compare, depth: int) -> Evaluate:
    """`a < b <= c`: each value is taken once, and the first false one ends it."""
    first = builder.build(node.expr, depth)
    rest = [(operators.COMPARISONS[op.op], builder.build(op.expr, depth)) for op in node.ops]

    def compare(ctx: Context) -> Json:
        left = first(ctx)
        for operation, operand in rest:
            ctx.step()
            right = operand(ctx)
            if not operation(ctx, left, right):
                return False
            left = right
        return True

    return compare


def joined(builder: Builder, node: nodes.Concat, depth: int) -> Evaluate:
    """`a ~ b`: both as text."""
    parts = builder.build_all(node.nodes, depth)

    def join(ctx: Context) -> Json:
        ctx.step(len(parts))
        return join_text(ctx, [text(ctx, part(ctx)) for part in parts])

    return join


def join_text(ctx: Context, words: Sequence[str]) -> str:
    """The words one after the other, paid for."""
    for word in words:
        ctx.charge_text(word)
    return "".join(words)


def choice(builder: Builder, node: nodes.CondExpr, depth: int) -> Evaluate:
    """`a if test else b`: only the chosen side is evaluated."""
    test, yes = builder.build(node.test, depth), builder.build(node.expr1, depth)
    no = _no_else if node.expr2 is None else builder.build(node.expr2, depth)

    def choose(ctx: Context) -> Json:
        ctx.step()
        return yes(ctx) if test(ctx) else no(ctx)

    return choose


def sequence(builder: Builder, node: nodes.List | nodes.Tuple, depth: int) -> Evaluate:
    """`[a, b]`, and `(a, b)` which is a list too."""
    items = builder.build_all(node.items, depth)

    def gather(ctx: Context) -> Json:
        ctx.charge_list(len(items))
        return [item(ctx) for item in items]

    return gather


def mapping(builder: Builder, node: nodes.Dict, depth: int) -> Evaluate:
    """`{"a": b}`."""
    pairs = [(builder.build(p.key, depth), builder.build(p.value, depth)) for p in node.items]

    def gather(ctx: Context) -> Json:
        ctx.charge_mapping(len(pairs))
        found = {}
        for key, value in pairs:
            name = key(ctx)
            if not isinstance(name, str):
                raise Failed("the keys of a mapping must be strings")
            found[name] = value(ctx)
        return found

    return gather


def constant_key(node: nodes.Expr) -> str | int | None:
    """The key or index of `a.b`, `a["b"]`, `a[0]`, `a[-1]`; None when it has to be computed."""
    if isinstance(node, nodes.Getattr):
        return str(node.attr)
    if not isinstance(node, nodes.Getitem):
        return None
    argument: Any = node.arg
    if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
        return argument.value
    negated = isinstance(argument, nodes.Neg)
    value = getattr(argument.node if negated else argument, "value", None)
    if type(value) is int and value.bit_length() <= 32:
        return -value if negated else value
    return None


def _labels(name: str | None, keys: Sequence[str | int]) -> list[str]:
    """What to call the value before each key is read: `trigger`, `trigger.body`, …"""
    labels = []
    label = name
    for key in keys:
        labels.append(_ANONYMOUS if label is None else f"`{label[-100:]}`")
        if label is not None:
            label = f"{label}[{key}]" if type(key) is int else f"{label}.{key}"
    return labels


def _read(subject: Evaluate, keys: Sequence[str | int], labels: Sequence[str]) -> Evaluate:
    pairs = tuple(zip(keys, labels, strict=True))
    cost = 1 + len(pairs)

    def read(ctx: Context) -> Json:
        ctx.step(cost)
        value = subject(ctx)
        for key, label in pairs:
            value = places.child(value, key, label)
        return value

    return read


def _nothing(_ctx: Context) -> Json:
    return None


def _no_else(_ctx: Context) -> NoReturn:
    raise Missing(lambda: "the condition is false and there is no `else`")
