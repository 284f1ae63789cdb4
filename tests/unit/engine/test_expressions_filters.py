"""Every filter and every test: what it gives, and how it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from workflow_do.engine.expressions import TemplateFailure, parse, render
from workflow_do.engine.expressions.listfilters import FILTERS
from workflow_do.engine.expressions.predicates import PREDICATES

SCOPE: dict[str, Any] = {
    "users": [
        {"name": "Kim", "age": 30, "tags": ["x"], "home": {"city": "Bonn"}},
        {"name": "Ada", "age": 20, "tags": [], "home": {"city": "Oslo"}},
        {"name": "Lee", "age": 30, "tags": ["y"], "home": None},
    ],
    "map": {"b": 2, "a": 1},
    "empty": [],
    "text": "Hello, World",
}

VALUES = {
    "lower": ("text | lower", "hello, world"),
    "upper": ("text | upper", "HELLO, WORLD"),
    "upper-grows": ("'ß' | upper", "SS"),
    "capitalize": ("'aBC dEF' | capitalize", "Abc def"),
    "title": ("'aBC dEF' | title", "Abc Def"),
    "trim": ("'  a ' | trim", "a"),
    "trim-chars": ("'--a-' | trim('-')", "a"),
    "replace": ("'a.b.c' | replace('.', '-')", "a-b-c"),
    "replace-count": ("'a.b.c' | replace('.', '-', 1)", "a-b.c"),
    "replace-empty": ("'ab' | replace('', '-')", "-a-b-"),
    "split": ("' a  b ' | split", ["a", "b"]),
    "split-by": ("'a,b,' | split(',')", ["a", "b", ""]),
    "truncate": ("'abcdef' | truncate(4)", "abc…"),
    "truncate-end": ("'abcdef' | truncate(4, end='')", "abcd"),
    "truncate-short": ("'abc' | truncate(3)", "abc"),
    "string-of-number": ("5 | string", "5"),
    "string-of-boolean": ("true | string", "true"),
    "string-of-list": ("[1, 'a'] | string", '[1,"a"]'),
    "tojson": ("{'a': [1, none, 'é', '\"']} | tojson", '{"a":[1,null,"é","\\""]}'),
    "tojson-of-text": ("'a' | tojson", '"a"'),
    "tojson-of-null": ("none | tojson", "null"),
    "fromjson": ("'{\"a\": [1, 2.5, null]}' | fromjson", {"a": [1, 2.5, None]}),
    "there-and-back": ("users | tojson | fromjson == users", True),
    "b64encode": ("'é' | b64encode", "w6k="),
    "b64decode": ("'w6k=' | b64decode", "é"),
    "urlencode": ("'a b/ü&' | urlencode", "a%20b/%C3%BC%26"),
    "urlencode-number": ("5 | urlencode", "5"),
    "urlencode-mapping": ("{'q': 'a b', 'n': 1} | urlencode", "q=a+b&n=1"),
    "int-of-text": ("' 42 ' | int", 42),
    "int-of-float": ("3.9 | int", 3),
    "int-default": ("'x' | int(0)", 0),
    "int-strict": ("'1_0' | int(-1)", -1),
    "int-of-other-digits": ("'١٢' | int(-1)", -1),
    "float-of-text": ("'2.5e1' | float", 25.0),
    "float-of-int": ("2 | float", 2.0),
    "float-default": ("'inf' | float(0.5)", 0.5),
    "float-of-nan": ("'nan' | float(0.5)", 0.5),
    "round": ("2.5 | round", 3),
    "round-negative": ("-2.5 | abs | round", 3),
    "round-places": ("2.675 | round(2)", 2.68),
    "round-up": ("2.1 | round(method='ceil')", 3),
    "round-down": ("2.99 | round(1, 'floor')", 2.9),
    "round-integer": ("7 | round(2)", 7),
    "round-huge": ("1e300 | round(2)", 1e300),
    "abs": ("-5 | abs", 5),
    "length-of-list": ("users | length", 3),
    "length-of-text": ("text | count", 12),
    "length-of-mapping": ("map | length", 2),
    "first": ("users | first == users[0]", True),
    "last-of-text": ("text | last", "d"),
    "reverse-list": ("[1, 2] | reverse", [2, 1]),
    "reverse-text": ("'ab' | reverse", "ba"),
    "join": ("['a', 1, true] | join('-')", "a-1-true"),
    "join-attribute": ("users | join(', ', attribute='name')", "Kim, Ada, Lee"),
    "join-nothing": ("empty | join('-')", ""),
    "list": ("users | map(attribute='age') | list", [30, 20, 30]),
    "keys": ("map | keys", ["b", "a"]),
    "values": ("map | values", [2, 1]),
    "items": ("map | items", [["b", 2], ["a", 1]]),
    "sort": ("[3, 1.5, 2] | sort", [1.5, 2, 3]),
    "sort-strings": ("['b', 'B', 'a'] | sort", ["B", "a", "b"]),
    "sort-reverse": ("[1, 3, 2] | sort(reverse=true)", [3, 2, 1]),
    "sort-attribute": (
        "users | sort(attribute='age') | map(attribute='name')",
        ["Ada", "Kim", "Lee"],
    ),
    "min": ("[3, 1, 2] | min", 1),
    "max-attribute": ("(users | max(attribute='age')).name", "Kim"),
    "sum": ("[1, 2.5] | sum", 3.5),
    "sum-attribute": ("users | sum(attribute='age')", 80),
    "sum-start": ("empty | sum(start=5)", 5),
    "sum-nothing": ("empty | sum", 0),
    "unique": ("[1, 1.0, true, '1', [1], [1.0]] | unique", [1, True, "1", [1]]),
    "unique-key-order": ("[{'a': 1, 'b': 2}, {'b': 2, 'a': 1}] | unique | length", 1),
    "unique-attribute": ("users | unique(attribute='age') | map(attribute='name')", ["Kim", "Ada"]),
    "map-filter": ("['a', 'b'] | map('upper')", ["A", "B"]),
    "map-filter-arguments": ("['a.b'] | map('replace', '.', '-')", ["a-b"]),
    "map-attribute-path": ("users[:2] | map(attribute='home.city')", ["Bonn", "Oslo"]),
    "map-attribute-index": ("[[1, 2], [3, 4]] | map(attribute='1')", [2, 4]),
    "map-default": ("users | map(attribute='home.city', default='-')", ["Bonn", "Oslo", "-"]),
    "select": ("[0, 1, '', 'a'] | select", [1, "a"]),
    "select-test": ("[1, 2, 3] | select('odd')", [1, 3]),
    "select-argument": ("[1, 2, 3] | select('>', 1)", [2, 3]),
    "select-in": ("['a', 'z'] | select('in', ['a'])", ["a"]),
    "reject": ("[0, 1] | reject", [0]),
    "reject-test": ("['ab', 'cd'] | reject('startswith', 'a')", ["cd"]),
    "selectattr": ("users | selectattr('tags') | map(attribute='name')", ["Kim", "Lee"]),
    "selectattr-equal": ("users | selectattr('age', '==', 20) | map(attribute='name')", ["Ada"]),
    "selectattr-path": ("users[:2] | selectattr('home.city', 'eq', 'Oslo') | length", 1),
    "selectattr-defined": ("users | selectattr('home.city', 'defined') | length", 2),
    "rejectattr": ("users | rejectattr('age', 'ge', 30) | map(attribute='name')", ["Ada"]),
    "rejectattr-undefined": ("users | rejectattr('nope', 'undefined') | length", 0),
    "is-defined": ("users is defined", True),
    "is-defined-null": ("users[2].home is defined", True),
    "is-not-defined": ("users[9].x is not defined", True),
    "is-undefined": ("nope is undefined", True),
    "is-none": ("users[2].home is none", True),
    "is-true": ("1 is true", False),
    "is-false": ("false is false", True),
    "is-boolean": ("0 is boolean", False),
    "is-number": ("1.5 is number", True),
    "is-number-boolean": ("true is number", False),
    "is-integer": ("1.0 is integer", False),
    "is-float": ("1.0 is float", True),
    "is-string": ("'a' is string", True),
    "is-mapping": ("map is mapping", True),
    "is-sequence": ("'a' is sequence", False),
    "is-sequence-list": ("empty is sequence", True),
    "is-even": ("4 is even", True),
    "is-odd": ("-3 is odd", True),
    "is-divisibleby": ("9 is divisibleby 3", True),
    "is-startswith": ("text is startswith 'Hello'", True),
    "is-endswith": ("text is endswith('x')", False),
    "is-in": ("'a' is in(map)", True),
    "is-not-in": ("'z' is not in map", True),
    "is-eq": ("1 is eq 1.0", True),
    "is-equalto": ("1 is equalto 2", False),
    "is-ne": ("1 is ne 2", True),
    "is-lt": ("1 is lt 2", True),
    "is-le": ("2 is le 2", True),
    "is-gt": ("1 is gt 2", False),
    "is-ge": ("2 is ge 2", True),
}


@pytest.mark.parametrize(("expression", "expected"), VALUES.values(), ids=VALUES)
def test_value(expression: str, expected: object) -> None:
    found = render(parse("{{ " + expression + " }}"), SCOPE)
    assert found == expected
    assert type(found) is type(expected)


FAILURES = {
    "upper-number": ("1 | upper", "`upper` needs a string, not a number"),
    "lower-null": ("none | lower", "`lower` needs a string, not null"),
    "replace-number": ("'a' | replace(1, 'b')", "`replace` needs a string"),
    "replace-count-text": ("'a' | replace('a', 'b', 'c')", "`replace` needs an integer"),
    "split-empty": ("'a' | split('')", "needs a separator that is not empty"),
    "trim-many": ("'a' | trim('x' * 200)", "100 characters at most"),
    "truncate-too-short": ("'abc' | truncate(0)", "at least that of its end"),
    "string-null": ("none | string", "null cannot stand in text"),
    "fromjson": ("'{' | fromjson", "`fromjson`: not JSON"),
    "fromjson-nan": ("'NaN' | fromjson", "NaN is not JSON"),
    "fromjson-twice": ('\'{"a":1,"a":2}\' | fromjson', "a key is there twice"),
    "b64decode": ("'%%' | b64decode", "needs the base64 of UTF-8 text"),
    "b64decode-binary": ("'/w==' | b64decode", "needs the base64 of UTF-8 text"),
    "b64decode-not-ascii": ("'é' | b64decode", "needs the base64 of UTF-8 text"),
    "b64encode-half": (r"'\ud800' | b64encode", "half of a surrogate pair"),
    "urlencode-null": ("{'a': none} | urlencode", "null cannot stand in text"),
    "int-text": ("'x' | int", "`int` cannot make an integer of a string"),
    "int-null": ("none | int", "of null like this; `int(0)`"),
    "int-boolean": ("true | int", "of a boolean"),
    "float-list": ("[] | float", "`float` cannot make a number of a list"),
    "float-huge": ("'1e400' | float", "`float` cannot make a number"),
    "round-text": ("'1' | round", "`round` needs a number"),
    "round-places": ("1.5 | round(99)", "precision from 0 to 15"),
    "round-method": ("1.5 | round(0, 'up')", "methods 'common', 'ceil' and 'floor'"),
    "abs-text": ("'1' | abs", "`abs` needs a number"),
    "length-number": ("5 | length", "`length` needs a string, a list or a mapping"),
    "first-empty": ("empty | first", "`first` of something empty; `| default(…)`"),
    "first-mapping": ("map | first", "`first` needs a list or a string, not a mapping"),
    "min-empty": ("empty | min", "`min` of something empty"),
    "min-mixed": ("[1, 'a'] | min", "`min` needs only numbers or only strings"),
    "sort-booleans": ("[true] | sort", "`sort` needs only numbers or only strings"),
    "sort-attribute-missing": ("users | sort(attribute='nope')", "an item of the list has no"),
    "join-null": ("[none] | join", "null cannot stand in text"),
    "join-separator": ("['a'] | join(1)", "`join` needs a string"),
    "join-text": ("'ab' | join('-')", "`join` needs a list, not a string"),
    "sum-text": ("['a'] | sum", "one item is a string"),
    "list-of-text": ("'ab' | list", "`list` needs a list"),
    "keys-list": ("users | keys", "`keys` needs a mapping, not a list"),
    "reverse-number": ("1 | reverse", "`reverse` needs a list"),
    "map-nothing": ("users | map", "`map` needs either the name of a filter or `attribute=`"),
    "map-both": ("users | map('upper', attribute='name')", "`map` needs either"),
    "map-unknown": ("['a'] | map('attr', '__class__')", "there is no filter of that name"),
    "map-not-a-name": ("['a'] | map(1)", "there is no filter of that name"),
    "map-arguments": ("['a'] | map('upper', 1)", "the filter does not take 1 arguments"),
    "map-missing": ("users | map(attribute='home.city')", "is null and has no `city`"),
    "map-attribute-number": ("users | map(attribute=1)", "`attribute` needs a string"),
    "map-attribute-long": ("users | map(attribute='a' ~ '.a' * 30)", "20 parts at most"),
    "select-unknown": ("[1] | select('callable')", "there is no test of that name"),
    "select-list": ("[1] | select([])", "there is no test of that name"),
    "select-arguments": ("[1] | select('odd', 1)", "the test does not take 1 arguments"),
    "selectattr-missing": ("users | selectattr('nope')", "has no `nope`"),
    "even-float": ("1.5 is even", "`even` needs an integer"),
    "divisibleby-zero": ("1 is divisibleby 0", "division by zero"),
    "startswith-number": ("1 is startswith 'a'", "`startswith` needs a string"),
}


@pytest.mark.parametrize(("expression", "expected"), FAILURES.values(), ids=FAILURES)
def test_failure(expression: str, expected: str) -> None:
    failure = render(parse("{{ " + expression + " }}"), SCOPE)
    assert isinstance(failure, TemplateFailure), failure
    assert expected in failure.message


def test_every_filter_and_test_stands_in_a_table_above() -> None:
    used = " ".join(expression for expression, _ in VALUES.values())
    missing = [name for name in FILTERS if not re.search(rf"\| {name}\b", used)]
    missing += [name for name in PREDICATES if not re.search(rf"is (not )?{name}\b", used)]
    assert missing == []


def test_every_filter_and_test_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs" / "expressions.md"
    text = page.read_text(encoding="utf-8")
    missing = [name for name in [*FILTERS, "default"] if f"`{name}" not in text]
    missing += [name for name in [*PREDICATES, "defined", "undefined"] if f"`{name}" not in text]
    assert missing == []


def test_filters_leave_their_values_as_they_were() -> None:
    scope = {"l": [3, 1, 2], "m": {"b": 1, "a": [2]}}
    before = repr(scope)
    for expression in (
        "l | sort",
        "l | reverse",
        "l | unique",
        "m | items",
        "l + [4]",
        "[m] | unique",
    ):
        assert not isinstance(render(parse("{{ " + expression + " }}"), scope), TemplateFailure)
    assert repr(scope) == before
