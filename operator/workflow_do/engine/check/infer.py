"""What an expression gives, and what must or may go wrong in it, from the shapes of its names.

Decides what each piece of syntax makes of shapes, beside `engine/expressions`, which decides what
it makes of values. Where a shape cannot be known there is no finding. Total.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from jinja2 import nodes

from workflow_do.engine.check import filters, guards
from workflow_do.engine.check.finding import Severity
from workflow_do.engine.check.guards import flat_path
from workflow_do.engine.check.lookup import DEFAULT, Issue, Lookup
from workflow_do.engine.check.scopes import Scope
from workflow_do.engine.check.shape import (
    ANY,
    BOOLEAN,
    FLOAT,
    NUMBER,
    STRING,
    Openness,
    Shape,
    kind_of,
    list_of,
    narrowed,
    not_null,
    of_value,
    record,
    union,
    words,
    written_list,
)

_MAX_NAMED: Final = 8


def infer(
    node: nodes.Expr, scope: Scope, known: guards.Guards = guards.NONE
) -> tuple[Shape, list[Issue]]:
    """The shape of what the expression gives, and the issues in it.

    `known`: what a condition outside (`when`) has asked about before.
    """
    inference = Inference(scope, guards.of(node) | known)
    return inference.shape(node), inference.issues


class Inference:
    """One walk through one expression."""

    def __init__(self, scope: Scope, asked: guards.Guards) -> None:
        self.issues: list[Issue] = []
        self._scope = scope
        self._asked = asked

    def shape(self, node: nodes.Node | None) -> Shape:
        """The shape of a node; its issues are gathered."""
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else ANY

    def fail(self, message: str, cure: str = "") -> None:
        """What cannot go well."""
        self.issues.append(Issue(Severity.ERROR, message, cure))

    def need(self, shape: Shape, kinds: frozenset[str], user: str, wanted: str) -> None:
        """Note that the user (an operator, a filter) cannot take what it gets."""
        if shape.impossible:
            return
        if not shape.kinds & kinds:
            self.fail(f"`{user}` needs {wanted}, not {words(shape)}")
        elif "null" in shape.kinds and "null" not in kinds and not shape.unknown:
            why = shape.note or "it may be null"
            self.issues.append(
                Issue(Severity.WARNING, f"{why}, and `{user}` needs {wanted}", DEFAULT)
            )

    def path(self, node: Any) -> Shape:
        """`a.b[0].c`"""
        base, keys = flat_path(node)
        lookup = Lookup(self._scope, self._asked, self.issues)
        if isinstance(base, nodes.Name):
            return lookup.root(base.name, keys)
        return lookup.inside(self.shape(base), keys)

    def computed(self, node: nodes.Getitem) -> Shape:
        """`a[expression]`, `a[1:2]`."""
        subject = self.shape(node.node)
        if isinstance(node.arg, nodes.Slice):
            self.need(subject, frozenset({"string", "array"}), "[a:b]", "a list or a string")
            return replace(subject, values=None, elements=None, rules=())
        self.shape(node.arg)
        if not subject.kinds & {"object", "array"} and not subject.impossible:
            message = f"{words(subject)} has no items and no fields"
            self.issues.append(Issue(Severity.ERROR, message, missing=True, sure=True))
        return subject.items if subject.kinds == {"array"} and subject.items else ANY

    def guarded(self, node: nodes.Node | None) -> tuple[Shape, bool]:
        """The shape of what `default` or `is defined` looks at, and whether it is ever there."""
        outside, self.issues = self.issues, []
        shape = self.shape(node)
        inside, self.issues = self.issues, outside
        absent = False
        for issue in inside:
            if not issue.missing:
                self.issues.append(issue)
            elif issue.sure:
                absent = True
                if issue.severity is Severity.ERROR:
                    soft = replace(issue, severity=Severity.WARNING, cure="it is never there")
                    self.issues.append(soft)
        return shape, absent


Handler = Callable[[Inference, Any], Shape]


def _getitem(inference: Inference, node: nodes.Getitem) -> Shape:
    base, keys = flat_path(node)
    return inference.path(node) if keys and base is not node else inference.computed(node)


def _literal_list(inference: Inference, node: Any) -> Shape:
    return written_list([inference.shape(item) for item in node.items])


def _literal_mapping(inference: Inference, node: nodes.Dict) -> Shape:
    fields = {}
    computed = False
    for pair in node.items:
        if isinstance(pair.key, nodes.Const) and isinstance(pair.key.value, str):
            fields[pair.key.value] = inference.shape(pair.value)
        else:
            computed = True
            inference.need(inference.shape(pair.key), STRING.kinds, "{…}", "strings as keys")
            inference.shape(pair.value)
    made = record(fields)
    return replace(made, openness=Openness.OPEN) if computed else made


def _boolean(inference: Inference, node: Any) -> Shape:
    """`not`; comparisons."""
    for child in node.iter_child_nodes():
        operand = child.expr if isinstance(child, nodes.Operand) else child
        inference.shape(operand)
    return BOOLEAN


def _compare(inference: Inference, node: nodes.Compare) -> Shape:
    left = inference.shape(node.expr)
    for operand in node.ops:
        right = inference.shape(operand.expr)
        _compare_pair(inference, operand.op, left, right)
        left = right
    return BOOLEAN


_ORDER: Final = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}


def _compare_pair(inference: Inference, op: str, left: Shape, right: Shape) -> None:
    if left.impossible or right.impossible:
        return
    if op in ("in", "notin"):
        inference.need(
            right, frozenset({"array", "object", "string"}), "in", "a list, a mapping or a string"
        )
    elif op in _ORDER:
        wanted = NUMBER | STRING.kinds
        for side in (left, right):
            inference.need(side, wanted, _ORDER[op], "numbers or strings")
        both = (left.kinds & wanted, right.kinds & wanted)
        if both in ((both[0] & NUMBER, STRING.kinds), (STRING.kinds, both[1] & NUMBER)):
            inference.fail(f"`{_ORDER[op]}` cannot compare {words(left)} with {words(right)}")
    elif _never_equal(left, right):
        verdict = "never" if op == "eq" else "always"
        inference.issues.append(
            Issue(
                Severity.WARNING,
                f"the comparison is {verdict} true: {_of(left)} is no {_of(right)}",
            )
        )


def _never_equal(left: Shape, right: Shape) -> bool:
    """Whether a comparison with a constant cannot be true. Two open sides may always be equal.

    Null is asked about to be safe, also where it cannot be.
    """
    if {"null"} in (left.kinds, right.kinds):
        return False
    kinds = [s.kinds | (NUMBER if s.kinds & NUMBER else frozenset()) for s in (left, right)]
    if not kinds[0] & kinds[1]:
        return True
    if left.values is None or right.values is None:
        return False
    return not any(kind_of(a) == kind_of(b) and a == b for a in left.values for b in right.values)


def _of(shape: Shape) -> str:
    if shape.values is not None and len(shape.values) <= _MAX_NAMED:
        return " or ".join(repr(v) for v in shape.values)[:100]
    return words(shape)


def _both(inference: Inference, node: Any) -> Shape:
    return union([inference.shape(node.left), inference.shape(node.right)])


def _choice(inference: Inference, node: nodes.CondExpr) -> Shape:
    inference.shape(node.test)
    yes = inference.shape(node.expr1)
    return yes if node.expr2 is None else union([yes, inference.shape(node.expr2)])


def _joined(inference: Inference, node: nodes.Concat) -> Shape:
    for part in node.nodes:
        inference.need(inference.shape(part), ANY.kinds - {"null"}, "~", "something with text")
    return STRING


def _sign(inference: Inference, node: Any) -> Shape:
    inner = inference.shape(node.node)
    inference.need(inner, NUMBER, "-" if isinstance(node, nodes.Neg) else "+", "a number")
    if inner.values is not None and isinstance(node, nodes.Neg):
        return of_value(-inner.values[0]) if _is_number(inner) else FLOAT
    return replace(narrowed(inner, NUMBER), rules=()) if inner.kinds & NUMBER else FLOAT


def _is_number(shape: Shape) -> bool:
    return shape.values is not None and len(shape.values) == 1 and shape.kinds <= NUMBER


def _arithmetic(symbol: str, whole: bool) -> Handler:
    """`whole`: two integers give an integer."""

    def handle(inference: Inference, node: Any) -> Shape:
        left, right = inference.shape(node.left), inference.shape(node.right)
        for side in (left, right):
            inference.need(side, NUMBER, symbol, "two numbers")
        kinds = (left.kinds | right.kinds) & NUMBER
        exact = whole and kinds == {"integer"} and not (left.unknown or right.unknown)
        return Shape(kinds=frozenset({"integer"})) if exact else FLOAT

    return handle


def _add(inference: Inference, node: nodes.Add) -> Shape:
    left, right = inference.shape(node.left), inference.shape(node.right)
    families = [f for f in (NUMBER, STRING.kinds, frozenset({"array"}))]
    both = [f for f in families if left.kinds & f and right.kinds & f]
    if not both and not (left.impossible or right.impossible):
        inference.fail(
            "`+` needs two numbers, two strings or two lists, "
            f"not {words(left)} and {words(right)}",
            "`~` joins values as text",
        )
        return ANY
    kinds = (left.kinds | right.kinds) & frozenset().union(*both)
    if kinds == {"array"}:
        known = left.items is not None and right.items is not None
        return list_of(union([left.items or ANY, right.items or ANY]) if known else None)
    if left.unknown or right.unknown:
        kinds = frozenset().union(*both)
    return Shape(kinds=kinds)


def _multiply(inference: Inference, node: nodes.Mul) -> Shape:
    left, right = inference.shape(node.left), inference.shape(node.right)
    takes = NUMBER | {"string", "array"}
    for side in (left, right):
        inference.need(side, takes, "*", "two numbers")
    kinds = (left.kinds | right.kinds) & takes
    return Shape(kinds=kinds) if kinds <= NUMBER else ANY


def _filter(inference: Inference, node: nodes.Filter) -> Shape:
    if node.name in ("default", "d"):
        return _default(inference, node)
    subject = inference.shape(node.node)
    given = [inference.shape(argument) for argument in node.args]
    named = {str(pair.key): inference.shape(pair.value) for pair in node.kwargs}
    found = filters.apply(node.name, subject, given, named)
    for message in found.faults:
        inference.fail(message)
    if found.needs is not None:
        inference.need(subject, found.needs, node.name, found.wanted)
    return found.shape


def _default(inference: Inference, node: nodes.Filter) -> Shape:
    subject, absent = inference.guarded(node.node)
    instead = [inference.shape(a) for a in node.args[:1]]
    instead += [inference.shape(p.value) for p in node.kwargs if p.key == "default_value"]
    if absent:
        return union(instead)
    if subject.unknown:
        return ANY
    return union([not_null(subject), *instead])


def _test(inference: Inference, node: nodes.Test) -> Shape:
    for argument in node.args:
        inference.shape(argument)
    if node.name in ("defined", "undefined"):
        inference.guarded(node.node)
    else:
        inference.shape(node.node)
    return BOOLEAN


_HANDLERS: Final[dict[type, Handler]] = {
    nodes.Const: lambda _inference, node: of_value(node.value),
    nodes.Name: Inference.path,
    nodes.Getattr: Inference.path,
    nodes.Getitem: _getitem,
    nodes.List: _literal_list,
    nodes.Tuple: _literal_list,
    nodes.Dict: _literal_mapping,
    nodes.CondExpr: _choice,
    nodes.And: _both,
    nodes.Or: _both,
    nodes.Not: _boolean,
    nodes.Compare: _compare,
    nodes.Concat: _joined,
    nodes.Neg: _sign,
    nodes.Pos: _sign,
    nodes.Add: _add,
    nodes.Sub: _arithmetic("-", True),
    nodes.Mul: _multiply,
    nodes.Div: _arithmetic("/", False),
    nodes.FloorDiv: _arithmetic("//", True),
    nodes.Mod: _arithmetic("%", True),
    nodes.Pow: _arithmetic("**", False),
    nodes.Filter: _filter,
    nodes.Test: _test,
}
