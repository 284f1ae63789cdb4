"""What expressions mean: types, text, paths, operators, and the words of every failure."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render

SCOPE: dict[str, Any] = {
    "trigger": {
        "body": {
            "email": "user@example.com",
            "name": "Alex",
            "age": 41,
            "score": 2.5,
            "admin": False,
            "note": None,
            "items": ["a", "b", "c"],
            "keys": {"x": 1},
            "users": [{"name": "Kim", "age": 30}, {"name": "Lee", "age": 20}],
            "odd key": "spaced",
            "hostile": "{{ 7*7 }} $(SECRET) ${x} {% raw %}",
        }
    },
    "steps": {
        "createUser": {"output": {"userId": "u-1", "count": 3}, "state": "Succeeded"},
        "skipped": {"output": None, "state": "Skipped"},
    },
}


def value_of(template: Any) -> Any:
    """The rendered value; a failure shows as its own text."""
    result = render(parse({"v": template}, "input"), SCOPE)
    return str(result) if isinstance(result, TemplateFailure) else result["v"]


def failure_of(template: str) -> str:
    result = render(parse({"v": template}, "input"), SCOPE)
    assert isinstance(result, TemplateFailure), result
    assert result.path == "input.v"
    assert 0 < len(result.message) <= 300
    return result.message


def problem_of(template: Any) -> str:
    with pytest.raises(TemplateProblem) as caught:
        parse({"v": template}, "input")
    assert caught.value.path.startswith("input.v")
    assert 0 < len(caught.value.message) <= 300
    assert str(caught.value) == f"{caught.value.path}: {caught.value.message}"
    return caught.value.message


VALUES = {
    "string": ("{{ trigger.body.email }}", "user@example.com"),
    "integer-keeps-type": ("{{ trigger.body.age }}", 41),
    "float-keeps-type": ("{{ trigger.body.score }}", 2.5),
    "boolean-keeps-type": ("{{ trigger.body.admin }}", False),
    "null-keeps-type": ("{{ trigger.body.note }}", None),
    "list-keeps-type": ("{{ trigger.body.items }}", ["a", "b", "c"]),
    "mapping-keeps-type": ("{{ trigger.body.keys }}", {"x": 1}),
    "margin-of-a-yaml-block": ("  {{ trigger.body.age }}\n", 41),
    "no-spaces": ("{{trigger.body.age}}", 41),
    "over-lines": ("{{\n  trigger.body.age\n  + 1\n}}", 42),
    "text-around": ("<{{ trigger.body.name }}>", "<Alex>"),
    "two-expressions": ("{{ 1 }}{{ 2 }}", "12"),
    "two-expressions-with-space": ("{{ 1 }} {{ 2 }}", "1 2"),
    "number-in-text": ("n={{ trigger.body.age }}", "n=41"),
    "float-in-text": ("n={{ 0.1 }}", "n=0.1"),
    "boolean-in-text": ("b={{ trigger.body.admin }}/{{ true }}", "b=false/true"),
    "list-in-text": ("l={{ trigger.body.items }}", 'l=["a","b","c"]'),
    "mapping-in-text": ("m={{ trigger.body.keys }}", 'm={"x":1}'),
    "text-line-ends": ("a\r\n{{ 1 }}\r\nb\n", "a\r\n1\r\nb\n"),
    "key-named-like-a-method": ("{{ trigger.body.items[0] }}", "a"),
    "key-named-keys": ("{{ trigger.body.keys }}", {"x": 1}),
    "subscript": ("{{ trigger['body']['odd key'] }}", "spaced"),
    "index": ("{{ trigger.body.users[1].name }}", "Lee"),
    "negative-index": ("{{ trigger.body.users[-1].name }}", "Lee"),
    "dotted-index": ("{{ trigger.body.users.0.name }}", "Kim"),
    "computed-key": ("{{ trigger.body['na' ~ 'me'] }}", "Alex"),
    "computed-index": ("{{ trigger.body.items[1 + 1] }}", "c"),
    "path-after-parentheses": ("{{ (trigger.body.users | first).name }}", "Kim"),
    "slice-list": ("{{ trigger.body.items[1:] }}", ["b", "c"]),
    "slice-text": ("{{ trigger.body.name[:2] }}", "Al"),
    "slice-backwards": ("{{ trigger.body.items[::-1] }}", ["c", "b", "a"]),
    "literal-list": ("{{ [1, 'a', none] }}", [1, "a", None]),
    "literal-tuple-is-list": ("{{ (1, 2) }}", [1, 2]),
    "literal-mapping": ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
    "literal-mapping-at-the-end": ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
    "braces-in-a-string": ("{{ '}}' }}", "}}"),
    "opening-as-text": ("{{ '{{' }} x }}", "{{ x }}"),
    "statement-as-text": ("{{ '{%' }} if %}", "{% if %}"),
    "escapes": (r"{{ 'a\n\t\\\'\u00e9' }}", "a\n\t\\'é"),
    "closing-braces-as-text": ('{"a":{"b":{{ 1 }}}}', '{"a":{"b":1}}'),
    "add": ("{{ 1 + 2 }}", 3),
    "add-strings": ("{{ 'a' + 'b' }}", "ab"),
    "add-lists": ("{{ [1] + [2] }}", [1, 2]),
    "subtract": ("{{ 5 - 7 }}", -2),
    "multiply": ("{{ 3 * 1.5 }}", 4.5),
    "repeat": ("{{ 'ab' * 2 }}", "abab"),
    "repeat-turned-round": ("{{ 2 * [0] }}", [0, 0]),
    "divide-gives-a-float": ("{{ 4 / 2 }}", 2.0),
    "floor-divide": ("{{ 7 // 2 }}", 3),
    "modulo": ("{{ -9 % 5 }}", 1),
    "power": ("{{ 2 ** 10 }}", 1024),
    "power-negative": ("{{ 2 ** -1 }}", 0.5),
    "minus": ("{{ -trigger.body.age }}", -41),
    "plus": ("{{ +3 }}", 3),
    "largest-integer": ("{{ 2 ** 63 - 1 }}", 2**63 - 1),
    "smallest-integer": ("{{ -(2 ** 63) }}", -(2**63)),
    "join-as-text": ("{{ 'a' ~ 1 ~ true ~ [2] }}", "a1true[2]"),
    "compare-numbers": ("{{ 1 < 2 <= 2 < 3 }}", True),
    "compare-chain-false": ("{{ 1 < 2 > 2 }}", False),
    "compare-strings": ("{{ 'a' < 'b' }}", True),
    "equal": ("{{ 1 == 1.0 }}", True),
    "true-is-not-one": ("{{ true == 1 }}", False),
    "string-is-not-number": ("{{ '1' == 1 }}", False),
    "equal-deeply": ("{{ {'a': [1, {'b': 2}]} == {'a': [1.0, {'b': 2}]} }}", True),
    "unequal-deeply": ("{{ {'a': [1]} != {'a': [2]} }}", True),
    "in-list": ("{{ 'b' in trigger.body.items }}", True),
    "not-in-list": ("{{ 'z' not in trigger.body.items }}", True),
    "one-is-not-in-a-list-of-true": ("{{ 1 in [true] }}", False),
    "in-mapping": ("{{ 'email' in trigger.body }}", True),
    "in-text": ("{{ '@' in trigger.body.email }}", True),
    "and-gives-an-operand": ("{{ 0 and 1 }}", 0),
    "or-gives-an-operand": ("{{ '' or 'x' }}", "x"),
    "or-does-not-look-further": ("{{ true or missing }}", True),
    "not": ("{{ not trigger.body.admin }}", True),
    "inline-if": ("{{ 'a' if trigger.body.admin else 'b' }}", "b"),
    "inline-if-leaves-the-other-side": ("{{ 1 if true else missing.x }}", 1),
    "default-of-missing": ("{{ trigger.body.nope | default('x') }}", "x"),
    "default-of-missing-deeply": ("{{ trigger.body.nope.a.b[0] | default('x') }}", "x"),
    "default-of-null": ("{{ trigger.body.note | default('x') }}", "x"),
    "default-of-a-field-of-null": ("{{ steps.skipped.output.userId | default('x') }}", "x"),
    "default-of-undefined": ("{{ nope | default('x') }}", "x"),
    "default-of-something-falsy": ("{{ '' | default('x') }}", ""),
    "default-boolean": ("{{ '' | default('x', true) }}", "x"),
    "default-by-name": ("{{ '' | d(default_value='x', boolean=true) }}", "x"),
    "default-after-a-filter": ("{{ trigger.body.nope | upper | default('x') }}", "x"),
    "default-of-an-empty-list": ("{{ [] | first | default('x') }}", "x"),
    "default-null": ("{{ trigger.body.nope | default(none) }}", None),
    "data-is-not-rendered": ("{{ trigger.body.hostile }}", SCOPE["trigger"]["body"]["hostile"]),
    "data-in-text-is-not-rendered": (
        "<{{ trigger.body.hostile }}>",
        f"<{SCOPE['trigger']['body']['hostile']}>",
    ),
    "string-that-looks-like-a-template": ("{{ '{{ 1 }}' }}", "{{ 1 }}"),
}


@pytest.mark.parametrize(("template", "expected"), VALUES.values(), ids=VALUES)
def test_value(template: str, expected: object) -> None:
    found = value_of(template)
    assert found == expected
    assert type(found) is type(expected)


FAILURES = {
    "undefined": ("{{ nope }}", "`nope` is not defined here; defined: `steps`, `trigger`"),
    "undefined-near": ("{{ triger.body }}", "(did you mean `trigger`?)"),
    "missing-key": ("{{ trigger.body.nope }}", "`trigger.body` has no `nope`"),
    "missing-key-cure": ("{{ trigger.body.nope }}", "| default(…)"),
    "missing-key-near": ("{{ trigger.body.emial }}", "(did you mean `email`?)"),
    "missing-shows-expression": ("{{ trigger.body.nope }}", "in `trigger.body.nope`"),
    "missing-index": ("{{ trigger.body.items[3] }}", "has no item 3: its length is 3"),
    "missing-computed-key": ("{{ trigger.body['a' ~ 'b'] }}", "without the computed key"),
    "boolean-index": ("{{ trigger.body.items[true] }}", "without the computed key (a boolean)"),
    "field-of-null": (
        "{{ steps.skipped.output.userId }}",
        "`steps.skipped.output` is null and has no `userId`; `| default(…)`",
    ),
    "field-of-a-list": ("{{ trigger.body.users.name }}", "is a list and has no `name`; take an"),
    "field-of-a-string": ("{{ trigger.body.name.first }}", "is a string and has no `first`"),
    "index-of-a-string": ("{{ trigger.body.name[0] }}", "is a string and has no item 0"),
    "field-of-a-number": ("{{ trigger.body.age.real }}", "is a number and has no `real`"),
    "null-by-another-name": ("{{ null }}", "`null` is written `none`"),
    "null-in-text": ("<{{ trigger.body.note }}>", "null cannot stand in text; `| default(…)`"),
    "null-joined": ("{{ 'a' ~ none }}", "null cannot stand in text"),
    "add-kinds": ("{{ 'a' + 1 }}", "not a string and a number; `~` joins"),
    "add-booleans": ("{{ true + 1 }}", "not a boolean and a number"),
    "format-by-percent": ("{{ '%d' % 1 }}", "`%` needs two numbers"),
    "compare-kinds": ("{{ 1 < 'a' }}", "`<` needs two numbers or two strings"),
    "compare-lists": ("{{ [1] < [2] }}", "not a list and a list"),
    "compare-null": ("{{ none >= 1 }}", "not null and a number"),
    "in-a-number": ("{{ 1 in 2 }}", "`in` needs a list, a mapping or a string"),
    "number-in-text": ("{{ 1 in 'a' }}", "`in` needs a string, not a number"),
    "minus-a-string": ("{{ -'a' }}", "`-` needs a number, not a string"),
    "divide-by-zero": ("{{ 1 / 0 }}", "division by zero"),
    "modulo-zero": ("{{ 1 % 0 }}", "division by zero"),
    "floor-divide-float-zero": ("{{ 1 // 0.0 }}", "division by zero"),
    "zero-to-a-negative-power": ("{{ 0 ** -1 }}", "division by zero"),
    "infinite": ("{{ 1e308 * 10 }}", "not a finite number"),
    "float-overflow": ("{{ 2.0 ** 5000 }}", "too large a number"),
    "complex": ("{{ (-8) ** 0.5 }}", "not a real number"),
    "beyond-64-bits": ("{{ 2 ** 63 }}", "an integer beyond 64 bits"),
    "beyond-64-bits-inside": ("{{ [{'a': 2 ** 63}] }}", "an integer beyond 64 bits"),
    "half-surrogate": (r"{{ '\ud800' }}", "half of a surrogate pair"),
    "half-surrogate-in-text": (r"a{{ '\ud800' }}", "half of a surrogate pair"),
    "inline-if-without-else": ("{{ 1 if false }}", "there is no `else`"),
    "key-not-a-string": ("{{ {1: 2} }}", "the keys of a mapping must be strings"),
    "slice-of-a-number": ("{{ 5[1:] }}", "only a list or a string can be sliced"),
    "slice-step-zero": ("{{ [1][::0] }}", "cannot be 0"),
    "slice-by-text": ("{{ [1]['a':] }}", "a slice needs integers"),
    "or-does-not-hide-missing": ("{{ trigger.body.nope or 'x' }}", "has no `nope`"),
    "default-does-not-hide-errors": ("{{ (1 / 0) | default('x') }}", "division by zero"),
}


@pytest.mark.parametrize(("template", "expected"), FAILURES.values(), ids=FAILURES)
def test_failure(template: str, expected: str) -> None:
    assert expected in failure_of(template)


PROBLEMS = {
    "empty": ("{{ }}", "holds no expression"),
    "not-closed": ("a {{ b", "`{{` without `}}`"),
    "quote-not-closed": ("{{ 'a }}", "a quoted string in an expression is not closed"),
    "statement": ("{% if x %}a{% endif %}", "`{%` is not supported: only {{ expressions }}"),
    "statement-beside-expression": ("{{ 1 }}{% x %}", "to write it as text: {{ '{%' }}"),
    "comment": ("a {# b #}", "`{#` is not supported"),
    "whitespace-control-open": ("{{- 1 }}", "whitespace control"),
    "whitespace-control-close": ("{{ 1 -}}", "whitespace control"),
    "call": ("{{ range(3) }}", "functions and methods cannot be called; use a filter"),
    "method": ("{{ trigger.items() }}", "functions and methods cannot be called"),
    "unknown-filter": ("{{ 1 | attr('x') }}", "there is no filter `attr`"),
    "unknown-filter-near": ("{{ 'a' | uper }}", "(did you mean `upper`?)"),
    "unknown-test": ("{{ 1 is callable }}", "there is no test `callable`"),
    "filter-arguments": ("{{ 'a' | upper(1) }}", "`upper` does not take these arguments"),
    "filter-argument-name": ("{{ 'a' | replace('a', 'b', how=1) }}", "does not take these"),
    "filter-argument-twice": ("{{ 1 | int(default=1, default=2) }}", "given an argument twice"),
    "filter-internal-argument": ("{{ 'a' | upper(_ctx=1) }}", "does not take these arguments"),
    "filter-star": ("{{ 'a' | replace(*x) }}", "`*` and `**` before an argument"),
    "default-without-value": ("{{ x | default }}", "`default` does not take these arguments"),
    "test-arguments": ("{{ 1 is defined(2) }}", "`defined` does not take these arguments"),
    "two-expressions-in-one": ("{{ 1 2 }}", "text after the expression"),
    "comma": ("{{ 1, 2 }}", "text after the expression"),
    "assignment": ("{{ a = 1 }}", "text after the expression"),
    "operator-missing": ("{{ 1 + }}", "unexpected"),
    "bracket-missing": ("{{ [1 }}", "the brackets in an expression do not match"),
    "bracket-wrong": ("{{ (1] }}", "the brackets in an expression do not match"),
    "single-brace": ("{{ 1 } }}", "the brackets in an expression do not match"),
    "bad-escape": (r"{{ 'a\d' }}", r"a backslash is written `\\`"),
    "octal-escape": (r"{{ '\101' }}", "unknown escape"),
    "named-escape": (r"{{ '\N{DIGIT ONE}' }}", "unknown escape"),
    "bad-character": ("{{ a ? b }}", "unexpected char '?'"),
    "slice-twice": ("{{ x[1:2, 3:4] }}", "a slice has one place"),
    "long-number": ("{{ " + "9" * 400 + " }}", "too many digits"),
    "very-long-number": ("{{ " + "9" * 5000 + " }}", "too many digits"),
    "large-float": ("{{ 1e999 }}", "too large"),
    "too-long": ("{{ 1 }}" + "x" * 16384, "a template is over 16,384 characters"),
    "not-json": ({1, 2}, "not JSON"),
    "nan": (float("nan"), "not a finite number"),
    "large-integer": (2**64, "beyond 64 bits"),
    "key-is-a-number": ({1: "a"}, "a key is not a string"),
}


@pytest.mark.parametrize(("template", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_problem(template: Any, expected: str) -> None:
    assert expected in problem_of(template)
