"""Properties of expressions over random templates and random data."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_do.engine.expressions import (
    TemplateFailure,
    TemplateProblem,
    parse,
    references,
    render,
)
from workflow_do.engine.expressions.listfilters import FILTERS
from workflow_do.engine.expressions.predicates import PREDICATES

FAST = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["a", "b", "c", "items", "x"])
scopes = st.dictionaries(names, values, max_size=5)

_literals = st.sampled_from(
    ["1", "-2", "0", "2.5", "10**9", "'a'", "''", "true", "false", "none", "[]", "{}", "[1, 'b']"]
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    symbols = "+ - * / // % ** ~ == != < <= > >= in and or"
    operators = st.sampled_from([*symbols.split(), "not in"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        inner.map("({})".format),
        inner.map("not {}".format),
        inner.map("-{}".format),
        st.tuples(inner, names).map(".".join),
        st.tuples(inner, inner).map("{0[0]}[{0[1]}]".format),
        st.tuples(inner, inner, inner).map("{0[0]}[{0[1]}:{0[2]}]".format),
        st.tuples(inner, inner, inner).map("{0[0]} if {0[1]} else {0[2]}".format),
        st.tuples(inner, st.sampled_from([*FILTERS, "default"])).map(" | ".join),
        st.tuples(inner, st.sampled_from([*FILTERS, "default"]), inner).map(
            "{0[0]} | {0[1]}({0[2]})".format
        ),
        st.tuples(inner, st.sampled_from([*FILTERS]), inner, inner).map(
            "{0[0]} | {0[1]}({0[2]}, {0[3]})".format
        ),
        st.tuples(inner, st.sampled_from([*PREDICATES, "defined"])).map(" is ".join),
        st.tuples(inner, st.sampled_from([*PREDICATES]), inner).map(
            "{0[0]} is {0[1]}({0[2]})".format
        ),
        st.tuples(inner, inner).map("[{0[0]}, {0[1]}]".format),
        st.tuples(inner, inner).map("{{{0[0]}: {0[1]}}}".format),
    )


expressions = st.recursive(_literals | names, _grow, max_leaves=8)
templates = st.one_of(
    expressions.map("{{{{ {} }}}}".format),
    st.tuples(texts, expressions, texts).map("{0[0]}{{{{ {0[1]} }}}}{0[2]}".format),
)
noise = st.text(st.sampled_from("{}%#|.()[]'\"\\ \nab0~*-+<=!:,é"), max_size=40)


def _outcome(template: Any, scope: dict[str, Any]) -> Any:
    """The rendered value, or the failure or problem, as something that compares."""
    try:
        return render(parse(template, "input"), scope)
    except TemplateProblem as problem:
        return ("problem", problem.path, problem.message)


@FAST
@given(templates, scopes)
def test_rendering_is_total_and_gives_json(template: str, scope: dict[str, Any]) -> None:
    before = repr(scope)
    outcome = _outcome(template, scope)
    if isinstance(outcome, TemplateFailure):
        assert len(outcome.message) <= 300
        assert "unexpected" not in outcome.message
    else:
        json.dumps(outcome, allow_nan=False, ensure_ascii=False).encode()
    assert repr(scope) == before


@FAST
@given(st.one_of(noise, noise.map("{{{{{}}}}}".format)), scopes)
def test_noise_is_total(template: str, scope: dict[str, Any]) -> None:
    outcome = _outcome({"a": [template]}, scope)
    if isinstance(outcome, tuple):
        assert len(outcome[2]) <= 300
    if isinstance(outcome, TemplateFailure):
        assert "unexpected" not in outcome.message


@settings(FAST, max_examples=40)
@given(st.one_of(templates, noise), scopes)
def test_the_same_always_gives_the_same(template: str, scope: dict[str, Any]) -> None:
    assert repr(_outcome(template, scope)) == repr(_outcome(template, scope))
    try:
        assert references(parse(template)) == references(parse(template))
    except TemplateProblem:
        return


@FAST
@given(values.filter(lambda v: not any(mark in json.dumps(v) for mark in ("{{", "{%", "{#"))))
def test_what_holds_no_expression_comes_back(value: Any) -> None:
    assert repr(render(parse(value), {})) == repr(value)


@FAST
@given(values, texts, texts)
def test_data_is_only_data(value: Any, left: str, right: str) -> None:
    assert repr(render(parse("{{ x }}"), {"x": value})) == repr(value)
    if isinstance(value, str) and not any(m in t for t in (left, right) for m in "{}"):
        assert render(parse(f"{left}{{{{ x }}}}{right}"), {"x": value}) in (
            left + value + right,
            value,  # white space around a single expression does not count
        )


@settings(FAST, max_examples=40)
@given(values, values)
def test_equality_is_that_of_json(one: Any, other: Any) -> None:
    scope = {"a": one, "b": other, "c": json.loads(json.dumps(one))}
    assert render(parse("{{ a == c }}"), scope) is True
    assert render(parse("{{ (a == b) == (b == a) }}"), scope) is True
    assert render(parse("{{ [a] | unique == [a, c] | unique }}"), scope) is True
