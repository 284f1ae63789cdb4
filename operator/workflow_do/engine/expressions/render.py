"""Parses whole JSON values and renders them: the interface of the package.

Decides what is rendered (strings, but not keys), in which order, and that whatever happens while
rendering comes out as a value. Nothing that an expression gives is ever parsed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_do.api.names import MAX_TEMPLATE_CHARS
from workflow_do.engine.expressions.builder import clip
from workflow_do.engine.expressions.compiler import compile_expression
from workflow_do.engine.expressions.context import Context, Failed, Json
from workflow_do.engine.expressions.model import (
    MAX_TREE_DEPTH,
    Expression,
    Fields,
    Items,
    Literal,
    Node,
    Reference,
    Template,
    TemplateFailure,
    TemplateProblem,
    Tree,
    shorten,
)
from workflow_do.engine.expressions.scanner import Piece, ScanError, refuse_statements, split
from workflow_do.engine.expressions.syntax import join_text
from workflow_do.engine.expressions.values import encodable, measure, text


def parse(value: Json, path: str = "", *, as_text: bool = False) -> Tree:
    """The value with every string that holds `{{ … }}` parsed. Raises TemplateProblem.

    `path` names the place of the value in messages: `steps[1].input`. With `as_text` every
    template gives a string, also one that is a single expression (for environment variables).
    """
    found: set[Reference] = set()
    root = _parse_value(value, path, 0, as_text, found)
    return Tree(root, frozenset(found))


def references(tree: Tree) -> frozenset[Reference]:
    """Every name that the templates read, with the constant path after it."""
    return tree.references


def render(tree: Tree, scope: Mapping[str, Json]) -> Any | TemplateFailure:
    """The value of the tree in this scope, or why it has none. Total: never raises.

    The result may share lists and mappings with the scope and the tree: change none of them.
    """
    ctx = Context(scope)
    try:
        return _fill(tree.root, ctx)
    except Failed as failure:
        return _failure(ctx, failure.describe())
    except RecursionError:
        return _failure(ctx, "an expression or a value is nested too deeply")
    except Exception as error:
        # The scope may hold anything; a bug here must end one step, not the operator.
        return _failure(ctx, f"unexpected {type(error).__name__} while rendering")


def _failure(ctx: Context, message: str) -> TemplateFailure:
    place = f", in `{clip(ctx.source)}`" if ctx.source else ""
    return TemplateFailure(ctx.path, shorten(message + place))


def _parse_value(value: Json, path: str, depth: int, as_text: bool, found: set[Reference]) -> Node:
    if depth > MAX_TREE_DEPTH:
        raise TemplateProblem(path, f"the value is nested more than {MAX_TREE_DEPTH} deep")
    if isinstance(value, str):
        return _parse_text(value, path, as_text, found)
    if isinstance(value, list):
        return _parse_list(value, path, depth, as_text, found)
    if isinstance(value, dict):
        return _parse_mapping(value, path, depth, as_text, found)
    try:
        measure(Context({}), value)
    except Failed as failure:
        raise TemplateProblem(path, failure.describe()) from None
    return Literal(value)


def _parse_list(
    value: list[Json], path: str, depth: int, as_text: bool, found: set[Reference]
) -> Node:
    items = tuple(
        _parse_value(item, f"{path}[{index}]", depth + 1, as_text, found)
        for index, item in enumerate(value)
    )
    if all(isinstance(item, Literal) for item in items):
        return Literal(value)
    return Items(items)


def _parse_mapping(
    value: dict[Any, Json], path: str, depth: int, as_text: bool, found: set[Reference]
) -> Node:
    fields = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise TemplateProblem(path, "a key is not a string")
        fields.append((key, _parse_value(item, _under(path, key), depth + 1, as_text, found)))
    if all(isinstance(item, Literal) for _, item in fields):
        return Literal(value)
    return Fields(tuple(fields))


def _under(path: str, key: str) -> str:
    shown = key if len(key) <= 64 else key[:63] + "…"
    return f"{path}.{shown}" if path else shown


def _parse_text(value: str, path: str, as_text: bool, found: set[Reference]) -> Node:
    try:
        if "{{" not in value:
            refuse_statements(value)
            return Literal(value)
        if len(value) > MAX_TEMPLATE_CHARS:
            raise TemplateProblem(path, f"a template is over {MAX_TEMPLATE_CHARS:,} characters")
        pieces = _without_margin(list(split(value)))
    except ScanError as error:
        raise TemplateProblem(path, str(error)) from None
    parts: list[str | Expression] = []
    for piece in pieces:
        if piece.is_expression:
            expression, used = compile_expression(piece.text, path)
            found |= used
            parts.append(expression)
        else:
            parts.append(piece.text)
    return Template(path, tuple(parts), whole=len(parts) == 1 and not as_text)


def _without_margin(pieces: list[Piece]) -> list[Piece]:
    """A single expression with only white space around it stands alone.

    YAML's block scalars (`>`, `|`) add a line end that nobody sees, and that must not turn a
    number into a string.
    """
    telling = [piece for piece in pieces if piece.is_expression or piece.text.strip()]
    return telling if len(telling) == 1 else pieces


def _fill(node: Node, ctx: Context) -> Json:
    if isinstance(node, Template):
        return _render_template(node, ctx)
    if isinstance(node, Fields):
        return {key: _fill(item, ctx) for key, item in node.fields}
    if isinstance(node, Items):
        return [_fill(item, ctx) for item in node.items]
    return node.value


def _render_template(template: Template, ctx: Context) -> Json:
    ctx.path = template.path
    if not template.whole:
        joined = join_text(ctx, [_render_part(part, ctx) for part in template.parts])
        encodable(joined)
        return joined
    value = _evaluate(template.parts[0], ctx)
    measure(ctx, value)
    return value


def _render_part(part: str | Expression, ctx: Context) -> str:
    return part if isinstance(part, str) else text(ctx, _evaluate(part, ctx))


def _evaluate(part: str | Expression, ctx: Context) -> Json:
    if isinstance(part, str):
        return part
    ctx.source = part.source
    return part.evaluate(ctx)
