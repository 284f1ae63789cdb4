"""The checker never accuses what works: its shapes hold every value that rendering gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.shapes import holds
from workflow_do.engine.check.filters import _RULES
from workflow_do.engine.check.finding import Severity
from workflow_do.engine.check.fit import fit
from workflow_do.engine.check.infer import infer
from workflow_do.engine.check.reader import read_schema
from workflow_do.engine.check.scopes import Scope
from workflow_do.engine.check.shape import of_value, union
from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render
from workflow_do.engine.expressions.compiler import parse_expression
from workflow_do.engine.expressions.listfilters import FILTERS
from workflow_do.engine.schemas import Validator, compile_schema

QUICK = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)

SCOPE: dict[str, Any] = {
    "n": 7,
    "x": 2.5,
    "t": "Hello World",
    "b": True,
    "z": None,
    "l": [3, 1, 2],
    "w": ["b", "a"],
    "m": {"a": 1, "b": "two"},
    "r": [{"a": 1, "k": "x"}, {"a": 2, "k": "y"}],
    "e": [],
}
# What the names are declared to be is wider than what they are, as schemas are.
DECLARED = {name: union([of_value(value)]) for name, value in SCOPE.items()} | {
    "n": read_schema({"type": "integer"}),
    "x": read_schema({"type": ["number", "null"]}),
    "t": read_schema({"type": "string"}),
    "m": read_schema({"type": "object", "properties": {"a": {"type": "integer"}, "b": True}}),
}

_names = st.sampled_from(sorted(SCOPE))
_literals = st.sampled_from(["1", "2.5", "'a'", "'a,b'", "none", "true", "[]", "[1, 'x']", "{}"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "in"])
    filters = st.sampled_from(sorted(FILTERS))
    return st.one_of(
        st.tuples(inner, operators, inner).map("({0[0]} {0[1]} {0[2]})".format),
        inner.map("(not {})".format),
        inner.map("(-{})".format),
        st.tuples(inner, st.sampled_from(["a", "b", "k", "q"])).map("({0[0]}).{0[1]}".format),
        st.tuples(inner, inner).map("({0[0]})[{0[1]}]".format),
        inner.map("({})[:2]".format),
        st.tuples(inner, filters).map("({0[0]} | {0[1]})".format),
        st.tuples(inner, filters, inner).map("({0[0]} | {0[1]}({0[2]}))".format),
        inner.map("({} | map(attribute='a'))".format),
        # What stands in a branch that is not taken is checked too, so it is kept simple here.
        st.tuples(inner, _literals).map("({0[0]} | default({0[1]}))".format),
        inner.map("({} | map('string'))".format),
        st.tuples(inner, inner).map("[{0[0]}, {0[1]}]".format),
        st.tuples(inner, inner).map("{{'a': {0[0]}, 'b': {0[1]}}}".format),
    )


expressions = st.recursive(_names | _literals, _grow, max_leaves=6)


@QUICK
@given(expressions)
def test_what_an_expression_gives_is_in_its_shape(expression: str) -> None:
    try:
        value = render(parse("{{ " + expression + " }}"), SCOPE)
    except TemplateProblem:
        return
    shape, issues = infer(parse_expression(expression, ""), Scope(DECLARED))
    if isinstance(value, TemplateFailure):
        return
    assert [i for i in issues if i.severity is Severity.ERROR and not i.missing] == []
    assert holds(shape, value), (shape, value)


def test_every_filter_has_a_rule() -> None:
    assert _RULES.keys() == FILTERS.keys()


_scalars = st.sampled_from([None, True, 0, 1, 5, 2.5, "", "a", "abc", "a@example.com"])
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
_types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = {
        "type": _types | st.lists(_types, min_size=1, max_size=2, unique=True),
        "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        "required": st.lists(st.sampled_from("ab"), unique=True, max_size=2),
        "additionalProperties": inner,
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "if": inner,
        "then": inner,
        "enum": st.lists(_scalars, min_size=1, max_size=3, unique_by=repr),
        "const": _scalars,
        "minLength": st.integers(0, 2),
        "maximum": st.integers(0, 3),
        "patternProperties": st.dictionaries(st.just("^a"), inner, max_size=1),
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
    }
    return st.lists(st.sampled_from(sorted(parts)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: parts[name] for name in names})
    )


schemas = st.recursive(
    st.booleans() | _types.map(lambda t: {"type": t}), _schemas, max_leaves=4
).filter(lambda s: isinstance(s, dict))


@QUICK
@given(schemas, _values)
def test_what_fits_a_schema_is_in_its_shape(schema: Any, value: Any) -> None:
    validator = compile_schema(schema, "")
    if isinstance(validator, Validator) and validator.check(value, "") is None:
        assert holds(read_schema(schema), value)


@QUICK
@given(schemas, schemas, _values)
def test_an_error_means_that_nothing_fits(given: Any, taken: Any, value: Any) -> None:
    """A value that both schemas allow: no error may stand between them."""
    both = [compile_schema(schema, "") for schema in (given, taken)]
    if any(not isinstance(v, Validator) or v.check(value, "") is not None for v in both):
        return
    found = fit(read_schema(given), read_schema(taken), "x", "taken")
    # Below the top an error speaks of one field, which another value may not have.
    assert [f for f in found if f.severity is Severity.ERROR and f.path == "x"] == []


@pytest.mark.parametrize("value", [{}, {"a": 1}, [1, "a"], None, 1.0, "x"], ids=repr)
def test_a_literal_fits_itself(value: Any) -> None:
    shape = of_value(value)
    assert list(fit(shape, shape, "x", "itself")) == []
    assert holds(shape, value)
