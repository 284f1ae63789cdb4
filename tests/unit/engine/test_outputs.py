"""What an action may write, and how a refusal reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_do.api.names import MAX_OUTPUT_BYTES
from workflow_do.api.reasons import Reason
from workflow_do.engine.outputs import OutputProblem, parse_output
from workflow_do.engine.strictjson import NotStrictJson, read_json

GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("", {}),
    "white-space": (" \n\t\r ", {}),
    "empty-object": ("{}", {}),
    "object": ('{"userId": "u-1"}', {"userId": "u-1"}),
    "line-end": ('{"a": 1}\n', {"a": 1}),
    "every-kind": (
        '{"a": [1, -2.5e3, true, false, null, "é", {}]}',
        {"a": [1, -2500.0, True, False, None, "é", {}]},
    ),
    "escapes": (r'{"a": "\u00e9\n\ud83d\ude00"}', {"a": "é\n😀"}),
    "nul-is-text": (r'{"a": "\u0000"}', {"a": "\0"}),
    "largest-integer": ('{"a": 9223372036854775807}', {"a": 2**63 - 1}),
    "smallest-integer": ('{"a": -9223372036854775808}', {"a": -(2**63)}),
    "large-float": ('{"a": 1e308}', {"a": 1e308}),
    "tiny-float-is-zero": ('{"a": 1e-999}', {"a": 0.0}),
    "template-is-data": ('{"a": "{{ 7*7 }} $(X)"}', {"a": "{{ 7*7 }} $(X)"}),
    "proto": ('{"__proto__": {"x": 1}}', {"__proto__": {"x": 1}}),
    "same-key-in-two-objects": ('{"a": {"k": 1}, "b": {"k": 1}}', {"a": {"k": 1}, "b": {"k": 1}}),
    "deep-enough": ("[" * 99 + "]" * 99, {}),
    "one-byte-less": ('{"a": "' + "x" * (4095 - 9) + '"}', {"a": "x" * (4095 - 9)}),
}


@pytest.mark.parametrize(("message", "expected"), GOOD.values(), ids=GOOD)
def test_good_output(message: str, expected: dict[str, Any]) -> None:
    if message.startswith("["):
        message = '{"deep": ' + message + "}"
        expected = json.loads(message)
    assert parse_output(message) == expected


BAD = {
    "text": ("done", "not JSON: Expecting value at line 1 column 1"),
    "second-line": ('{"a":\n x}', "at line 2 column 2"),
    "cut-off": ('{"a": 1', "not JSON"),
    "beginning-lost": ('a": 1}', "not JSON"),
    "two-objects": ("{}{}", "Extra data at line 1 column 3"),
    "text-after": ("{} done", "Extra data"),
    "text-before": ("log\n{}", "not JSON"),
    "mark-at-the-start": ("\ufeff{}", "not JSON"),
    "null": ("null", "the output is null, not a JSON object"),
    "list": ("[1]", "the output is a list, not a JSON object"),
    "string": ('"a"', "the output is a string"),
    "number": ("1", "the output is a number"),
    "boolean": ("true", "the output is a boolean"),
    "single-quotes": ("{'a': 1}", "not JSON"),
    "nan": ('{"a": NaN}', "NaN is not JSON"),
    "infinity": ('{"a": -Infinity}', "-Infinity is not JSON"),
    "key-twice": ('{"a": 1, "a": 1}', "a key is there twice in one object"),
    "key-twice-inside": ('{"x": [{"a": 1, "a": 2}]}', "a key is there twice"),
    "integer-too-large": ('{"a": 9223372036854775808}', "beyond 64 bits; give it as a string"),
    "integer-too-small": ('{"a": -9223372036854775809}', "beyond 64 bits"),
    "integer-of-many-digits": ('{"a": ' + "9" * 4000 + "}", "beyond 64 bits"),
    "float-too-large": ('{"a": 1e309}', "a number is too large"),
    "half-surrogate": (r'{"a": "\ud800"}', "half of a surrogate pair"),
    "half-surrogate-key": (r'{"\udc00": 1}', "half of a surrogate pair"),
    "raw-control-character": ('{"a": "\n"}', "not JSON: Invalid control character"),
    "raw-nul": ("{}\0", "not JSON"),
    "too-deep": ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested more than 100 deep"),
    "much-too-deep": ("[" * 4000, "not JSON|nested more than 100 deep"),
    "much-too-deep-closed": ('{"a":' * 600 + "1" + "}" * 600, "nested more than 100 deep"),
    "binary": ("\x7fELF\x02\ufffd", "not JSON"),
}


@pytest.mark.parametrize(("message", "expected"), BAD.values(), ids=BAD)
def test_bad_output(message: str, expected: str) -> None:
    found = parse_output(message)
    assert isinstance(found, OutputProblem)
    assert found.reason is Reason.OUTPUT_INVALID
    assert any(part in found.message for part in expected.split("|"))
    assert found.message.endswith("the file that ACTION_OUTPUT names, and nothing else")
    assert len(found.message) <= 300


LARGE = {
    "object": '{"a": "' + "x" * (4096 - 9) + '"}',
    "white-space": " " * 4096,
    "counted-in-bytes": '{"a": "' + "é" * 2044 + '"}',
    "much": "x" * 100_000,
    "half-surrogates": "\ud800" * 5000,
}


@pytest.mark.parametrize("message", LARGE.values(), ids=LARGE)
def test_large_output_is_never_parsed(message: str) -> None:
    found = parse_output(message)
    assert isinstance(found, OutputProblem)
    assert found.reason is Reason.OUTPUT_TOO_LARGE
    assert "the output is 4,096 bytes or more" in found.message


def test_no_refusal_shows_data() -> None:
    for message in ("hunter2", '{"hunter2": 1, "hunter2": 2}', '{"a": hunter2}', '"hunter2"'):
        found = parse_output(message)
        assert isinstance(found, OutputProblem)
        assert "hunter2" not in found.message


texts = st.text(max_size=60) | st.text(
    st.sampled_from('{}[]":,\\ntrue1.eE-+NaI\ud800 '), max_size=60
)
objects = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.none(),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_total_on_any_text(message: str) -> None:
    found = parse_output(message)
    assert isinstance(found, dict | OutputProblem)
    if isinstance(found, dict):
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


@settings(max_examples=50, deadline=None)
@given(objects)
def test_what_was_written_is_read(written: dict[str, Any]) -> None:
    message = json.dumps(written)
    found = parse_output(message)
    if len(message) < MAX_OUTPUT_BYTES:
        assert repr(found) == repr(written)


def test_strict_reader_is_total_on_deep_text() -> None:
    for text in ("[" * 200_000, '{"a":' * 50_000, "[" * 50_000 + "]" * 50_000):
        assert isinstance(read_json(text), NotStrictJson)
