"""Parses one expression with Jinja2's parser and compiles it to our own functions.

Decides which syntax exists, in one table. Jinja2 only parses here: it never compiles, optimizes
or evaluates anything, because its constant folding alone can hang (`9**(9**8)`).
"""

from __future__ import annotations

from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from workflow_do.engine.expressions import calls, operators, syntax
from workflow_do.engine.expressions.builder import Builder, BuildNode, clip
from workflow_do.engine.expressions.model import Expression, Reference, TemplateProblem

_GRAMMAR: Final = Environment(optimized=False, autoescape=False)

_ALLOWED: Final[dict[type[nodes.Expr], BuildNode]] = {
    nodes.Const: syntax.constant,
    nodes.Name: syntax.path,
    nodes.Getattr: syntax.path,
    nodes.Getitem: syntax.subscript,
    nodes.List: syntax.sequence,
    nodes.Tuple: syntax.sequence,
    nodes.Dict: syntax.mapping,
    nodes.CondExpr: syntax.choice,
    nodes.And: syntax.both,
    nodes.Or: syntax.either,
    nodes.Not: syntax.opposite,
    nodes.Compare: syntax.comparison,
    nodes.Concat: syntax.joined,
    nodes.Neg: syntax.sign,
    nodes.Pos: syntax.sign,
    nodes.Add: syntax.binary(operators.add),
    nodes.Sub: syntax.binary(operators.subtract),
    nodes.Mul: syntax.binary(operators.multiply),
    nodes.Div: syntax.binary(operators.divide),
    nodes.FloorDiv: syntax.binary(operators.floor_divide),
    nodes.Mod: syntax.binary(operators.modulo),
    nodes.Pow: syntax.binary(operators.power),
    nodes.Filter: calls.filtered,
    nodes.Test: calls.tested,
}
_REFUSED: Final[dict[type[nodes.Expr], str]] = {
    nodes.Call: "functions and methods cannot be called; use a filter: `value | length`",
    nodes.Slice: "a slice has one place: `value[start:stop]`",
}


def compile_expression(source: str, path: str) -> tuple[Expression, frozenset[Reference]]:
    """The expression, and all that it refers to. Raises TemplateProblem."""
    builder = Builder(source, path, _ALLOWED, _REFUSED)
    try:
        evaluate = builder.build(parse_expression(source, path), 0)
    except RecursionError:
        raise TemplateProblem(path, "an expression is nested too deeply") from None
    return Expression(source.strip(), evaluate), frozenset(builder.references)


def parse_expression(source: str, path: str) -> nodes.Expr:
    """The expression as Jinja2's nodes, of which not all are allowed. Raises TemplateProblem."""
    if not source.strip():
        raise TemplateProblem(path, "`{{ }}` holds no expression")
    try:
        parser = Parser(_GRAMMAR, source, state="variable")
        parsed = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateProblem(path, f"text after the expression, in `{clip(source)}`")
    except TemplateSyntaxError as error:
        message = (error.message or "a syntax error")[:150]
        raise TemplateProblem(path, f"{message}, in `{clip(source)}`") from None
    except ValueError:
        raise TemplateProblem(path, "a number in an expression has too many digits") from None
    return parsed
