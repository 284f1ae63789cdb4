"""Which schemas are accepted, how a misfit reads, and that no schema can hang or fetch anything."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.pace import is_within
from workflow_do.engine.schemas import SchemaProblem, Validator, compile_schema

PERSON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A person",
    "type": "object",
    "required": ["email"],
    "additionalProperties": False,
    "properties": {
        "email": {"type": "string", "format": "email"},
        "age": {"type": "integer", "minimum": 18},
        "plan": {"enum": ["free", "pro"]},
        "code": {"type": "string", "pattern": "^[A-Z]{2,4}$"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": True},
        "born": {"type": "string", "format": "date"},
        "home": {"anyOf": [{"type": "string"}, {"type": "object"}]},
        "more": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}},
    },
    "$defs": {"tag": {"type": "string", "maxLength": 3}},
}


def validator(schema: Any) -> Validator:
    compiled = compile_schema(schema, "inputSchema")
    assert isinstance(compiled, Validator), compiled
    return compiled


def problem(schema: Any) -> str:
    compiled = compile_schema(schema, "inputSchema")
    assert isinstance(compiled, SchemaProblem)
    assert compiled.message.startswith("inputSchema")
    assert len(compiled.message) <= 600
    return compiled.message


def nested(depth: int, key: str = "a") -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {key: value}
    return value


FITS: dict[str, tuple[Any, Any]] = {
    "small": (PERSON, {"email": "user@example.com"}),
    "whole": (
        PERSON,
        {
            "email": "user@example.com",
            "age": 18,
            "plan": "pro",
            "code": "ABC",
            "tags": ["a", "b"],
            "born": "2024-02-29",
            "home": {},
            "more": {"x": 1},
        },
    ),
    "empty-schema": ({}, [1, None]),
    "integral-float": ({"type": "integer"}, 3.0),
    "large-integer": ({"type": "integer"}, 10**30),
    "keyword-as-a-property": (
        {"properties": {"$ref": {"type": "string"}, "$id": {}, "writeOnly": {"type": "boolean"}}},
        {"$ref": "http://example.com", "writeOnly": True},
    ),
    "keyword-in-data": ({"const": {"$ref": "http://example.com"}}, {"$ref": "http://example.com"}),
    "write-only-false": ({"writeOnly": False}, 1),
    "reference-to-a-property": (
        {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "string"}}},
        {"a": "x"},
    ),
    "reference-with-escapes": (
        {"$defs": {"a/b ~": {"type": "string"}}, "$ref": "#/$defs/a~1b%20~0"},
        "x",
    ),
    "dynamic-reference": ({"$defs": {"a": {"type": "string"}}, "$dynamicRef": "#/$defs/a"}, "x"),
    "tree": ({"properties": {"a": {"$ref": "#"}}, "type": "object"}, nested(100)),
    "unicode-pattern": ({"pattern": r"^\p{L}+$"}, "Zoë"),
    "unknown-keyword": ({"x-note": {"$ref": "http://example.com"}}, 1),
}


@pytest.mark.parametrize(("schema", "value"), FITS.values(), ids=FITS)
def test_fits(schema: Any, value: Any) -> None:
    assert validator(schema).check(value, "input") is None


MISFITS: dict[str, tuple[Any, Any, str]] = {
    "required": (PERSON, {}, "input: `email` is required"),
    "format": (PERSON, {"email": "nope"}, "input.email: is not a valid email"),
    "format-date": (PERSON, {"email": "a@example.com", "born": "2023-02-29"}, "not a valid date"),
    "unknown-property": (
        PERSON,
        {"email": "a@example.com", "x": 1},
        "input: has what the schema does not know: `x`",
    ),
    "type": ({"type": "integer"}, "secret", 'input: the value is not of type "integer"'),
    "true-is-no-integer": ({"type": "integer"}, True, 'is not of type "integer"'),
    "minimum": (PERSON, {"email": "a@example.com", "age": 3}, "input.age: the value is less than"),
    "enum": (PERSON, {"email": "a@example.com", "plan": "x"}, 'not one of "free" or "pro"'),
    "pattern": (PERSON, {"email": "a@example.com", "code": "x"}, "input.code: the value does not"),
    "reference": (PERSON, {"email": "a@example.com", "tags": ["long"]}, "input.tags[0]: the value"),
    "unique": (PERSON, {"email": "a@example.com", "tags": ["a", "a"]}, "non-unique elements"),
    "any-of": (PERSON, {"email": "a@example.com", "home": 1}, "input.home: the value is not valid"),
    "key-name": (
        PERSON,
        {"email": "a@example.com", "more": {"X": 1}},
        "input.more: a key does not fit `propertyNames`",
    ),
    "unevaluated": (
        {"unevaluatedProperties": False},
        {"x": 1},
        "input: has what the schema does not know: `x`",
    ),
    "not-json": ({}, {"a": {1, 2}}, "input: not JSON"),
    "nan": ({}, [float("nan")], "input: not JSON"),
    "infinity": ({}, float("inf"), "input: not JSON"),
    "key-not-a-string": ({}, {1: 2}, "input: the value could not be checked"),
    "half-surrogate": ({}, {"a": "\ud800"}, "half of a surrogate pair"),
    "half-surrogate-key": ({}, {"\ud800": 1}, "half of a surrogate pair"),
    "too-deep": ({}, nested(200), "nested more than 128 deep"),
    "much-too-deep": ({}, nested(50_000), "nested more than 128 deep"),
}


@pytest.mark.parametrize(("schema", "value", "expected"), MISFITS.values(), ids=MISFITS)
def test_misfit(schema: Any, value: Any, expected: str) -> None:
    message = validator(schema).check(value, "input")
    assert message is not None
    assert expected in message
    assert len(message) <= 1024
    assert "secret" not in message


REFUSED: dict[str, tuple[Any, str]] = {
    "not-a-mapping": ([], "a schema must be a mapping"),
    "boolean": (True, "a schema must be a mapping"),
    "type": ({"properties": {"a": {"type": "strin"}}}, "inputSchema.properties.a.type: must be"),
    "minimum-length": ({"properties": {"a": {"minLength": -1}}}, ".properties.a.minLength: "),
    "properties": ({"properties": 3}, "inputSchema.properties: "),
    "required": ({"required": "a"}, "inputSchema.required: "),
    "enum": ({"enum": 1}, "inputSchema.enum: "),
    "unknown-format": ({"format": "phone"}, "inputSchema.format: Unknown format: 'phone'"),
    "broken-pattern": ({"items": {"pattern": "("}}, "inputSchema.items.pattern: not a pattern"),
    "look-ahead": ({"pattern": "^(?=a)"}, "no look-around"),
    "back-reference": ({"pattern": r"(a)\1"}, "no back-reference"),
    "large-pattern": ({"pattern": "(a{1,1000}b?){100}c"}, "and small (`maxLength` instead"),
    "broken-key-pattern": ({"patternProperties": {"(": {}}}, "not a pattern"),
    "older-draft": ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only draft 2020-12"),
    "older-draft-inside": ({"items": {"$schema": "x"}}, "inputSchema.items.$schema: only draft"),
    "id": ({"$id": "https://example.com/x"}, "inputSchema.$id: `$id` is not supported"),
    "anchor": ({"items": {"$anchor": "x"}}, "inputSchema.items.$anchor: "),
    "dynamic-anchor": ({"$dynamicAnchor": "x"}, "`$dynamicAnchor` is not supported"),
    "legacy-dependencies": ({"dependencies": {}}, "use `dependentSchemas`"),
    "legacy-items": ({"additionalItems": False}, "use `prefixItems`"),
    "write-only": (
        {"properties": {"token": {"writeOnly": True}}},
        "inputSchema.properties.token.writeOnly: secrets do not come as input",
    ),
    "reference-http": ({"$ref": "http://example.com/x.json"}, "inputSchema.$ref: a reference must"),
    "reference-https": ({"items": {"$ref": "https://example.com"}}, "inputSchema.items.$ref: "),
    "reference-file": ({"$ref": "file:///etc/passwd"}, "must stay inside the schema"),
    "reference-relative": ({"$ref": "other.json"}, "must stay inside the schema"),
    "reference-absolute-path": ({"$ref": "/etc/passwd"}, "must stay inside the schema"),
    "reference-anchor": ({"$ref": "#name"}, "must stay inside the schema"),
    "reference-metaschema": (
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        "must stay inside the schema",
    ),
    "dynamic-reference": ({"$dynamicRef": "#meta"}, "inputSchema.$dynamicRef: "),
    "reference-to-nothing": ({"$ref": "#/$defs/x"}, "`#/$defs/x` is no subschema of this schema"),
    "reference-to-data": ({"const": {"$ref": "x"}, "$ref": "#/const"}, "is no subschema"),
    "reference-into-unknown": (
        {"x-hidden": {"$ref": "http://example.com"}, "$ref": "#/x-hidden"},
        "is no subschema",
    ),
    "refers-to-itself": ({"$ref": "#"}, "refers to itself without going into the value"),
    "refers-in-a-circle": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
        "refers to itself",
    ),
    "refers-by-not": ({"not": {"$ref": "#"}}, "refers to itself"),
    "refers-by-dynamic": ({"anyOf": [{"$dynamicRef": "#"}, {}]}, "refers to itself"),
    "too-large": ({"description": "x" * 70_000}, "the schema is over 64 KiB"),
    "too-deep": ({"items": nested(70, "items")}, "the schema is nested more than 64 deep"),
    "much-too-deep": (nested(50_000, "not"), "nested more than 128 deep"),
    "many-patterns": (
        {"properties": {str(n): {"pattern": "a"} for n in range(101)}},
        "more than 100 patterns",
    ),
    "many-subschemas": (
        {"properties": {str(n): {} for n in range(1000)}},
        "more than 1,000 subschemas",
    ),
    "long-chain-of-references": (
        {
            "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(600)} | {"600": {}},
            "$ref": "#/$defs/0",
        },
        "the schema costs too much",
    ),
    "not-json": ({"const": {1, 2}}, "not JSON"),
    "nan": ({"minimum": float("nan")}, "not JSON"),
    "half-surrogate": ({"title": "\ud800"}, "half of a surrogate pair"),
    "doubling": (
        {
            "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
            | {"a30": {}},
            "$ref": "#/$defs/a0",
        },
        "the schema costs too much",
    ),
}


@pytest.mark.parametrize(("schema", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused_schema(schema: Any, expected: str) -> None:
    message = problem(schema)
    assert expected in message


def test_at_most_three_violations_are_told() -> None:
    schema = {"items": {"type": "integer"}}
    message = validator(schema).check(["a"] * 10, "input")
    assert message is not None
    assert message.count('is not of type "integer"') == 3
    assert message.endswith("(and more)")


def test_long_names_and_schemas_do_not_make_long_messages() -> None:
    secret = "personal " * 30
    value = {"k" * 5000: {"n" * 5000: secret}, secret: secret}
    schema = {
        "additionalProperties": {"additionalProperties": {"const": "c" * 9000}},
        "required": ["r" * 9000],
        "minProperties": 9,
    }
    message = validator(schema).check(value, "input")
    assert message is not None
    assert len(message) <= 1024
    assert secret[:60] not in message


@pytest.fixture
def visited() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that remembers who asked."""
    paths: list[str] = []

    class Remember(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base's name
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Remember) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join(timeout=5)


def test_nothing_is_fetched(visited: tuple[str, list[str]], tmp_path: Path) -> None:
    address, paths = visited
    local = tmp_path / "local.json"
    local.write_text('{"type": "integer"}', encoding="utf-8")
    for target in (f"{address}/x.json", local.as_uri(), str(local), f"{address}/x#/a"):
        for schema in (
            {"$ref": target},
            {"$dynamicRef": target},
            {"$schema": target},
            {"$id": target, "$ref": "#/x"},
            {"properties": {"a": {"$ref": target}}},
            {"$defs": {"a": {"$ref": target}}},
            {"const": {"$ref": target}, "$ref": "#/const"},
            {"dependencies": {"a": {"$ref": target}}},
            {"contentSchema": {"$ref": target}},
        ):
            assert "inputSchema" in problem(schema)
        # Where it is data, it is only data.
        validator({"default": {"$ref": target}, "x-y": {"$ref": target}}).check(1, "input")
    assert paths == []
    assert "http" not in json.dumps(paths)


def test_patterns_are_linear() -> None:
    checked = validator({"pattern": "^(a+)+$"})
    started = time.process_time()
    assert checked.check("a" * 200_000 + "b", "input") is not None
    assert is_within(time.process_time() - started, 0.5)


SLOW: dict[str, tuple[Any, Any]] = {
    "large-pattern-long-text": ({"allOf": [{"pattern": "(a{1,99}b?){9}c"}] * 9}, "a" * 250_000),
    "recursion-that-doubles": (
        {
            "anyOf": [
                {"properties": {"a": {"$ref": "#"}}, "required": ["x"]},
                {"properties": {"a": {"$ref": "#"}}, "required": ["y"]},
            ]
        },
        nested(100),
    ),
    "unevaluated-that-doubles": (
        {
            "allOf": [{"properties": {"a": {"$ref": "#"}}}],
            "unevaluatedProperties": {"$ref": "#"},
        },
        nested(100),
    ),
    "stack-of-the-process": (
        {
            "$defs": {str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}]} for n in range(200)}
            | {"200": {"properties": {"a": {"$ref": "#/$defs/0"}}, "required": ["z"]}},
            "$ref": "#/$defs/0",
        },
        nested(60),
    ),
    "long-enum-long-list": (
        {"items": {"enum": [f"e{n}" for n in range(5000)]}},
        [f"x{n}" for n in range(20_000)],
    ),
}


@pytest.mark.parametrize(("schema", "value"), SLOW.values(), ids=SLOW)
def test_what_would_be_slow_is_refused_at_once(schema: Any, value: Any) -> None:
    started = time.process_time()
    message = validator(schema).check(value, "input")
    assert message is not None
    assert message.startswith("input: the value")
    assert is_within(time.process_time() - started, 0.5)


def test_large_but_plain_values_are_checked() -> None:
    person = {key: PERSON[key] for key in ("type", "required", "additionalProperties")}
    schema = {"items": {"$ref": "#/$defs/person"}, "$defs": {**PERSON["$defs"], "person": person}}
    person["properties"] = PERSON["properties"]
    value = [{"email": f"user{n}@example.com", "age": 20, "code": "AB"} for n in range(4000)]
    assert validator(schema).check(value, "body") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
keywords = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "$ref",
        "allOf",
        "not",
        "required",
        "pattern",
        "$defs",
        "format",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keywords, json_values, max_size=4), json_values)
def test_total_on_any_schema_and_value(schema: Any, value: Any) -> None:
    compiled = compile_schema(schema, "inputSchema")
    if isinstance(compiled, Validator):
        assert compiled.check(value, "input") is None or compiled.check(value, "input")
    person = validator(PERSON).check(value, "input")
    assert person is None or len(person) <= 1024
