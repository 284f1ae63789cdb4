"""Filters and tests inside an expression: which exist, and how they are called.

Decides that names and arguments are checked once, when a template is parsed. `default`,
`is defined` and `is undefined` are here because they look at whether there is a value at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from workflow_do.engine.expressions.builder import Builder
from workflow_do.engine.expressions.context import Context, Json, Missing
from workflow_do.engine.expressions.listfilters import FILTERS, accepts
from workflow_do.engine.expressions.model import Evaluate
from workflow_do.engine.expressions.predicates import PREDICATES

_DEFAULT = ("default", "d")
_EXISTENCE = ("defined", "undefined")


class _Arguments:
    """The arguments of one filter or test, as functions of the context."""

    def __init__(self, builder: Builder, node: nodes.Filter | nodes.Test, depth: int) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            builder.refuse("`*` and `**` before an argument are not allowed")
        self.positional = builder.build_all(node.args, depth)
        self.named: dict[str, Evaluate] = {
            str(pair.key): builder.build(pair.value, depth) for pair in node.kwargs
        }
        if len(self.named) != len(node.kwargs):
            builder.refuse(f"`{node.name}` is given an argument twice")

    def check(self, builder: Builder, function: Callable[..., Any], name: str) -> None:
        """Refuse a call that the function cannot take."""
        if not accepts(function, len(self.positional), tuple(self.named)):
            builder.refuse(f"`{name}` does not take these arguments")


def filtered(builder: Builder, node: nodes.Filter, depth: int) -> Evaluate:
    """`value | name(arguments)`."""
    subject = builder.build(node.node, depth)
    arguments = _Arguments(builder, node, depth)
    if node.name in _DEFAULT:
        return _default(builder, subject, arguments)
    function = FILTERS.get(node.name)
    if function is None:
        builder.refuse_name("filter", node.name, [*FILTERS, *_DEFAULT])
    arguments.check(builder, function, node.name)
    return _call(function, subject, arguments)


def tested(builder: Builder, node: nodes.Test, depth: int) -> Evaluate:
    """`value is name(arguments)`."""
    subject = builder.build(node.node, depth)
    arguments = _Arguments(builder, node, depth)
    if node.name in _EXISTENCE:
        arguments.check(builder, _takes_nothing, node.name)
        return _existence(subject, node.name == "defined")
    predicate = PREDICATES.get(node.name)
    if predicate is None:
        builder.refuse_name("test", node.name, [*PREDICATES, *_EXISTENCE])
    arguments.check(builder, predicate, node.name)
    return _call(predicate, subject, arguments)


def _call(function: Callable[..., Json], subject: Evaluate, arguments: _Arguments) -> Evaluate:
    positional, named = arguments.positional, tuple(arguments.named.items())

    def apply(ctx: Context) -> Json:
        ctx.step()
        value = subject(ctx)
        given = [argument(ctx) for argument in positional]
        return function(ctx, value, *given, **{name: part(ctx) for name, part in named})

    def apply_plain(ctx: Context) -> Json:
        ctx.step()
        return function(ctx, subject(ctx))

    return apply if positional or named else apply_plain


def _default(builder: Builder, subject: Evaluate, arguments: _Arguments) -> Evaluate:
    """What to take instead of something missing or null, or (boolean) of anything falsy."""
    arguments.check(builder, _takes_default, "default")
    given = dict(zip(("default_value", "boolean"), arguments.positional, strict=False))
    given.update(arguments.named)
    instead, boolean = given["default_value"], given.get("boolean")

    def choose(ctx: Context) -> Json:
        ctx.step()
        try:
            value = subject(ctx)
        except Missing:
            return instead(ctx)
        if value is None or (not value and boolean is not None and boolean(ctx)):
            return instead(ctx)
        return value

    return choose


def _existence(subject: Evaluate, wanted: bool) -> Evaluate:
    def decide(ctx: Context) -> Json:
        ctx.step()
        try:
            subject(ctx)
        except Missing:
            return not wanted
        return wanted

    return decide


def _takes_default(
    _ctx: Context, value: Json, default_value: Json, boolean: Json = False
) -> Json:  # only its signature is used
    raise NotImplementedError(value, default_value, boolean)


def _takes_nothing(_ctx: Context, value: Json) -> Json:  # only its signature is used
    raise NotImplementedError(value)
