"""Parses one expression with Jinja2's parser and compiles it to our own functions.

Decides which syntax exists, in one table. Jinja2 only parses here: it never compiles, optimizes
or evaluates anything, because its constant folding alone can hang (`9**(9**8)`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from workflow_do.engine.expressions import calls, operators, syntax
from workflow_do.engine.expressions.builder import Builder, BuildNode, clip
from workflow_do.engine.expressions.model import Expression, Reference, TemplateProblem

_GRAMMAR: Final = Environment(optimized=False, autoescape=False)
_REMEMBERED: Final = 512
"""So many expressions are remembered: a Workflow is read when it is checked, when it is stored, and
by each run that is pinned to it."""
_REMEMBERED_CHARS: Final = 256
"""Of what is longer nothing is remembered: memory must not depend on what people write."""

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
    known = len(source) + len(path) <= _REMEMBERED_CHARS
    return (_compile_once if known else _compile)(source, path)


def _compile(source: str, path: str) -> tuple[Expression, frozenset[Reference]]:
    builder = Builder(source, path, _ALLOWED, _REFUSED)
    try:
        evaluate = builder.build(parse_expression(source, path), 0)
    except RecursionError:
        raise TemplateProblem(path, "an expression is nested too deeply") from None
    return Expression(source.strip(), evaluate), frozenset(builder.references)


def parse_expression(source: str, path: str) -> nodes.Expr:
    """The expression as Jinja2's nodes, of which not all are allowed. Raises TemplateProblem."""
    bare = source.strip()
    if not bare:
        raise TemplateProblem(path, "`{{ }}` holds no expression")
    try:
        parsed = _parse_once(bare) if len(bare) <= _REMEMBERED_CHARS else _parse(bare)
    except TemplateSyntaxError as error:
        message = (error.message or "a syntax error")[:150]
        raise TemplateProblem(path, f"{message}, in `{clip(source)}`") from None
    except ValueError:
        raise TemplateProblem(path, "a number in an expression has too many digits") from None
    if parsed is None:
        raise TemplateProblem(path, f"text after the expression, in `{clip(source)}`")
    return parsed


def _parse(source: str) -> nodes.Expr | None:
    """The nodes, which nobody changes; None where text follows. Raises what Jinja2 raises."""
    parser = Parser(_GRAMMAR, source, state="variable")
    parsed = parser.parse_expression()
    return parsed if parser.stream.eos else None


_compile_once = lru_cache(maxsize=_REMEMBERED)(_compile)
_parse_once = lru_cache(maxsize=_REMEMBERED)(_parse)
