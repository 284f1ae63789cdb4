"""Whole values: what is rendered where, which place a failure names, what a tree refers to."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_do.engine.expressions import (
    Reference,
    TemplateFailure,
    TemplateProblem,
    parse,
    references,
    render,
)


def test_values_of_every_kind_come_back_as_they_are() -> None:
    value = {"a": [1, 2.5, None, True, "text", {"b": []}], "{{ key }}": "keys are literal"}
    assert render(parse(value), {}) == value


def test_a_long_text_without_expressions_is_no_template() -> None:
    text = "x" * 100_000 + "}} { % $(A)"
    assert render(parse(text), {}) == text


def test_path_of_a_failure_deep_inside() -> None:
    tree = parse({"users": [{"email": "ok"}, {"odd": "{{ nope }}"}]}, "steps[1].input")
    failure = render(tree, {"trigger": {}})
    assert isinstance(failure, TemplateFailure)
    assert failure.path == "steps[1].input.users[1].odd"
    assert str(failure).startswith("steps[1].input.users[1].odd: `nope` is not defined here")


def test_path_without_a_start() -> None:
    failure = render(parse({"a": ["{{ nope }}"]}), {})
    assert isinstance(failure, TemplateFailure)
    assert failure.path == "a[0]"
    assert str(render(parse("{{ nope }}"), {})).startswith("`nope` is not defined here")


def test_a_long_key_is_cut_in_the_path() -> None:
    failure = render(parse({"k" * 1000: "{{ nope }}"}, "input"), {})
    assert isinstance(failure, TemplateFailure)
    assert len(failure.path) < 80


def test_deep_values_are_refused_while_parsing() -> None:
    value: Any = "{{ 1 }}"
    for _ in range(65):
        value = [value]
    with pytest.raises(TemplateProblem, match="nested more than 64 deep"):
        parse(value, "input")


def test_as_text_gives_a_string_for_one_expression() -> None:
    tree = parse({"count": "{{ input.count }}", "on": " {{ input.on }}"}, as_text=True)
    assert render(tree, {"input": {"count": 5, "on": True}}) == {"count": "5", "on": "true"}
    failure = render(tree, {"input": {"count": None, "on": True}})
    assert isinstance(failure, TemplateFailure)
    assert failure.path == "count"


def test_string_subclasses_are_strings() -> None:
    class Word(str):
        pass

    scope = {"a": Word("x"), "b": {"x": 1}}
    tree = parse(["{{ a }}", "{{ a == 'x' }}", "{{ a | upper }}", "{{ b[a] }}", "{{ [a] }}"])
    assert render(tree, scope) == ["x", True, "X", 1, ["x"]]


def test_what_is_not_json_in_the_scope_is_a_failure() -> None:
    scope = {"odd": {"a": {1, 2}, "n": float("nan")}}
    for template in ("{{ odd.a }}", "{{ odd }}", "<{{ odd.a }}>", "{{ odd.n }}", "{{ odd.n + 1 }}"):
        assert isinstance(render(parse(template), scope), TemplateFailure), template


def test_a_scope_that_breaks_is_a_failure_too() -> None:
    class Broken(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise OSError("lost")

    failure = render(parse("{{ a }}"), Broken(a=1))
    assert isinstance(failure, TemplateFailure)
    assert failure.message == "unexpected OSError while rendering, in `a`"


REFERENCES = {
    "path": ("{{ steps.createUser.output.userId }}", {("steps", "createUser", "output", "userId")}),
    "subscripts": ("{{ a['b'].c[0][-1] }}", {("a", "b", "c", 0, -1)}),
    "computed-subscript-ends-it": ("{{ a.b[c.d].e }}", {("a", "b"), ("c", "d")}),
    "slice-ends-it": ("{{ a.b[c:d] }}", {("a", "b"), ("c",), ("d",)}),
    "everywhere": (
        "x{{ a + -b }}{{ [c, {'k': d}] }}{{ e if f else g }}{{ not h and i or j }}",
        {(name,) for name in "abcdefghij"},
    ),
    "arguments": ("{{ a | default(b) | replace(c, new=d) }}", {("a",), ("b",), ("c",), ("d",)}),
    "tests": ("{{ a is defined and b is divisibleby(c) }}", {("a",), ("b",), ("c",)}),
    "comparison": ("{{ a < b in c ~ d }}", {("a",), ("b",), ("c",), ("d",)}),
    "after-a-filter": ("{{ (a.b | first).c }}", {("a", "b")}),
    "none": ("{{ 1 + 2 }}", set()),
    "literal": ("plain", set()),
}


@pytest.mark.parametrize(("template", "expected"), REFERENCES.values(), ids=REFERENCES)
def test_references(template: str, expected: set[tuple[str | int, ...]]) -> None:
    found = references(parse({"x": [template]}, "input"))
    assert {reference.parts for reference in found} == expected
    assert {reference.path for reference in found} <= {"input.x[0]"}
    assert all(reference.root == reference.parts[0] for reference in found)


def test_references_say_where_each_stands() -> None:
    tree = parse({"a": "{{ x.y }}", "b": {"c": "{{ x.y }}"}}, "input")
    assert references(tree) == {
        Reference(("x", "y"), "input.a"),
        Reference(("x", "y"), "input.b.c"),
    }


def test_trees_compare_by_what_was_written() -> None:
    assert parse({"a": "{{ x }} y"}) == parse({"a": "{{ x }} y"})
    assert parse({"a": "{{ x }}"}) != parse({"a": "{{ y }}"})


def test_no_failure_shows_a_value() -> None:
    secret = "hunter2-canary"  # what a failure must not show, not a credential
    scope = {"a": {"s": secret, "n": 13371337, "l": [secret], "m": {"k": secret}}}
    for template in (
        "{{ a.s.x }}",
        "{{ a.s + 1 }}",
        "{{ a.s < 1 }}",
        "{{ a.s | int }}",
        "{{ a.s | fromjson }}",
        "{{ a.s | b64decode }}",
        "{{ a[a.s] }}",
        "{{ a.l[a.n] }}",
        "{{ a.m[a.s] }}",
        "{{ a.l | sum }}",
        "{{ a.l | map(a.s) }}",
        "{{ a.l | select(a.s) }}",
        "{{ a.l | map(attribute=a.m) }}",
        "{{ {a.n: 1} }}",
        "{{ a.n in a.s }}",
    ):
        failure = render(parse(template), scope)
        assert isinstance(failure, TemplateFailure), template
        assert secret not in failure.message, template
        assert "13371337" not in failure.message, template
        assert "unexpected" not in failure.message, template
