"""Expressions against Jinja2 itself: where both give a value, it is the same value.

Jinja2 evaluates in its sandbox, with undefined names as errors. The language here is a subset
with stricter rules, so that it may fail where Jinja2 gives something; what it may not do is to
give something else. The few differences in meaning are documented, and left out of what is drawn.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render

QUICK = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
JINJA = SandboxedEnvironment(undefined=StrictUndefined)

SCOPE: dict[str, Any] = {
    "n": 7,
    "m": -3,
    "x": 2.5,
    "t": "Hello World",
    "s": "a,b,,c",
    "yes": True,
    "nil": None,
    "l": [3, 1, 2],
    "w": ["b", "a", "b"],
    "d": {"a": 1, "b": "two", "c": [1, {"e": None}]},
    "r": [{"k": "x", "v": 1}, {"k": "y", "v": 2.5}, {"k": "x", "v": 1}],
    "e": [],
}

# What means the same in both: no conversion in silence, and no difference of the documented list.
_numbers = st.sampled_from(["n", "m", "x", "0", "2", "10", "1.5"])
_texts = st.sampled_from(["t", "s", "'a'", "''", "'Hello'", "d.b", "d['b']", "w[0]", "t[1:3]"])
_lists = st.sampled_from(["l", "w", "e", "[1, 2]", "['a']", "d.c", "l[1:]", "w[::-1]", "r"])
_others = st.sampled_from(["d", "nil", "none", "d.c[1]", "{'a': 1}"])
_paths = st.sampled_from(["d.a", "d.c[0]", "d.c[1].e", "r[0].k", "r[-1]['v']", "d.zz", "l[9]"])

_BINARY = ["+", "-", "*", "/", "//", "%", "**"]
_COMPARED = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
_TEXT_FILTERS = [
    "upper",
    "lower",
    "capitalize",
    "trim",
    "trim('d')",
    "length",
    "count",
    "first",
    "last",
    "replace('a', 'b')",
    "replace('l', '-', 1)",
    "default('z')",
    "string",
    "int(5)",
]
_LIST_FILTERS = [
    "length",
    "first",
    "last",
    "min",
    "max",
    "sum",
    "sort",
    "sort(reverse=true)",
    "join('-')",
    "unique | list",
    "reverse | list",
    "list",
    "select | list",
    "reject | list",
    "select('odd') | list",
    "select('>', 1) | list",
    "map('upper') | list",
    "map('string') | list",
    "map(attribute='k') | list",
    "map(attribute='k') | join(',')",
    "map(attribute='zz', default='-') | list",
    "selectattr('k', '==', 'x') | list",
    "rejectattr('v', 'gt', 1) | map(attribute='k') | list",
    "sum(attribute='v')",
    "sort(attribute='v') | first",
    "max(attribute='v')",
]
_NUMBER_FILTERS = ["abs", "int", "float", "string", "round(1)", "int(0)"]
_TESTS = ["none", "number", "string", "mapping", "boolean", "integer", "float", "true", "false"]
_NUMBER_TESTS = ["even", "odd", "divisibleby(3)", "gt(1)", "le(2)", "eq(7)", "in([7, 2])"]


def _piped(subject: st.SearchStrategy[str], filters: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(subject, st.sampled_from(filters)).map("({0[0]} | {0[1]})".format)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(_BINARY), inner).map("({0[0]} {0[1]} {0[2]})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
        st.tuples(inner, inner).map("[{0[0]}, {0[1]}]".format),
        st.tuples(inner, inner).map("{{'p': {0[0]}, 'q': {0[1]}}}".format),
    )


_atoms = st.one_of(
    _numbers,
    _texts,
    _lists,
    _others,
    _paths,
    _piped(_texts, _TEXT_FILTERS),
    _piped(_lists, _LIST_FILTERS),
    _piped(_numbers, _NUMBER_FILTERS),
    # Of what may be null `default` is another here; see the page.
    _piped(st.sampled_from(["d.zz", "zz", "l[9]", "d.a", "r[0].k"]), ["default('z')"]),
    _piped(_lists, ["default([1], true)"]),
    st.tuples(_texts, _texts).map("({0[0]} ~ {0[1]})".format),
)
_values = st.recursive(_atoms, _grow, max_leaves=4)
# A boolean is no number here, so that none stands where Jinja2 takes it for one.
_conditions = st.recursive(
    st.one_of(
        st.tuples(_values, st.sampled_from(_COMPARED), _values).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
        st.tuples(_values, st.sampled_from(_TESTS)).map("({0[0]} is {0[1]})".format),
        st.tuples(_numbers, st.sampled_from(_NUMBER_TESTS)).map("({0[0]} is {0[1]})".format),
        st.sampled_from([*SCOPE, "zz"]).map("({} is defined)".format),
        st.sampled_from(["yes", "true", "false"]),
    ),
    lambda inner: st.one_of(
        inner.map("(not {})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
    ),
    max_leaves=3,
)
expressions = st.one_of(
    _values,
    _conditions,
    st.tuples(_values, _conditions, _values).map("({0[0]} if {0[1]} else {0[2]})".format),
)


def ours(expression: str) -> Any:
    try:
        return render(parse("{{ " + expression + " }}"), SCOPE)
    except TemplateProblem as problem:
        return TemplateFailure(problem.path, problem.message)


def theirs(expression: str) -> Any:
    """Jinja2's value; its `undefined` and every error come out as Undefined."""
    try:
        value = JINJA.compile_expression(expression, undefined_to_none=False)(**SCOPE)
    except Exception:
        return Undefined()
    return Undefined() if holds_undefined(value) else value


def holds_undefined(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_undefined(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(holds_undefined(item) for item in value)
    return isinstance(value, Undefined)


def equal(left: Any, right: Any) -> bool:
    """The same JSON: 1 and true are two things."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    return type(left) is type(right) and bool(left == right)


@QUICK
@given(expressions)
def test_what_both_give_is_the_same(expression: str) -> None:
    mine, other = ours(expression), theirs(expression)
    if isinstance(mine, TemplateFailure) or isinstance(other, Undefined):
        return
    assert equal(mine, other), (expression, mine, other)


@pytest.mark.parametrize("kind", ["value", "failure"])
def test_the_comparison_compares_something(kind: str) -> None:
    """Of what is drawn, both give a value often enough."""
    counted = {"value": 0, "failure": 0}

    @settings(max_examples=100, database=None, derandomize=True, deadline=None)
    @given(expressions)
    def count(expression: str) -> None:
        failed = isinstance(ours(expression), TemplateFailure)
        counted["failure" if failed else "value"] += 1

    count()
    assert counted[kind] >= 20
