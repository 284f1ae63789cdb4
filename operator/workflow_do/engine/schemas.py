"""JSON Schemas of inputs, outputs and bodies: compiled once, checked often, never fetching.

Decides which schemas are accepted (draft 2020-12, self-contained, linear-time patterns, bounded
work) and how a misfit is told: the place and the rule, but not the value, which may be personal.
Does not know whose schema it is.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import jsonschema_rs
from jsonschema_rs import ValidationError, ValidationErrorKind

from workflow_do.api.base import Json
from workflow_do.api.names import MAX_MESSAGE_CHARS
from workflow_do.engine.schemacost import MAX_VALUE_DEPTH, Cost, RefusedSchema, survey

MAX_SCHEMA_BYTES: Final = 64 * 1024
_MAX_VIOLATIONS: Final = 3
_MAX_TEXT: Final = 160
_MAX_NAME: Final = 50
_MASK: Final = "the value"

_MAX_VISITS: Final = 3_000_000
"""Subschemas visited in one check: about 0.2 s."""
_MAX_VISITS_OF_NOTHING: Final = 30_000
"""Subschemas visited for a value without any parts: more is a schema that no value can afford."""
_MAX_HEIGHT: Final = 500
"""Visits inside each other. The validator recurses natively, some 650 bytes of stack for each
(measured); beyond the stack there is no error, only a dead process. Half of 1 MiB is left."""
_MAX_PATTERN_MICROSECONDS: Final = 1_500_000
_LIGHT_PATTERN_BYTES: Final = 16 * 1024
_HEAVY_PATTERN_BYTES: Final = 128 * 1024
"""A compiled pattern is matched in linear time, but the factor grows with its size: some 2 and
8 microseconds for each character at worst (measured), 100 at the library's own limit."""
_LIGHT_MICROSECONDS: Final = 2
_HEAVY_MICROSECONDS: Final = 8
_PATTERN_CACHE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """Why a schema cannot be used: the message begins with the place inside it."""

    message: str


class _Unfit(Exception):
    """A value that no schema is asked about: too deep, not JSON."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled schema."""

    _compiled: jsonschema_rs.Draft202012Validator = field(repr=False)
    _cost: Cost = field(repr=False)
    _pattern_microseconds: int = field(repr=False)

    def check(self, value: Json, path: str) -> str | None:
        """None if the value fits; else the first violations, each as `place: rule`.

        At most 1,024 characters, and no value in them. Total: never raises.
        """
        try:
            too_much = self._too_much(value)
            if too_much is not None:
                return f"{path}: {too_much}"
            errors = list(itertools.islice(self._compiled.iter_errors(value), _MAX_VIOLATIONS + 1))
        except _Unfit as unfit:
            return f"{path}: {unfit}"
        except (ValueError, TypeError, RecursionError) as error:
            return f"{path}: the value could not be checked ({type(error).__name__})"
        return _list_violations(errors, path) if errors else None

    def _too_much(self, value: Json) -> str | None:
        """Why checking this value would take too long, judged before it begins."""
        nodes, chars, depth = _measure(value)
        load = self._cost.at(depth)
        if load.visits * nodes > _MAX_VISITS or load.height > _MAX_HEIGHT:
            return "the value is too large or too deep for this schema; make one of them simpler"
        if load.patterns * chars * self._pattern_microseconds > _MAX_PATTERN_MICROSECONDS:
            return "the value holds too much text for the patterns of this schema"
        return None


def compile_schema(schema: Json, path: str) -> Validator | SchemaProblem:
    """The schema made ready, or what is wrong with it and where. Total: never raises."""
    if not isinstance(schema, dict):
        return SchemaProblem(f"{path}: a schema must be a mapping")
    try:
        # Nesting is measured first, so that nothing below has to recurse deeply.
        _measure(schema)
        if len(json.dumps(schema, ensure_ascii=False).encode()) > MAX_SCHEMA_BYTES:
            return SchemaProblem(f"{path}: the schema is over 64 KiB")
        cost = survey(schema)
        if cost.at(0).visits > _MAX_VISITS_OF_NOTHING or cost.at(0).height > _MAX_HEIGHT:
            return SchemaProblem(f"{path}: the schema costs too much: its references multiply")
        return _compile(schema, cost)
    except _Unfit as unfit:
        return SchemaProblem(f"{path}: {unfit}")
    except RefusedSchema as refused:
        return SchemaProblem(f"{_under(path, refused.at)}: {refused.message}")
    except ValidationError as error:
        return SchemaProblem(f"{_under(path, error.instance_path)}: {_explain(error)}")
    except (ValueError, TypeError, RecursionError) as error:
        return SchemaProblem(f"{path}: cannot be compiled: {_clip(str(error), _MAX_TEXT)}")


def _compile(schema: dict[str, Json], cost: Cost) -> Validator:
    """Small patterns are cheaper by the character, so it is worth knowing that all are small."""
    try:
        compiled = _compile_within(schema, _LIGHT_PATTERN_BYTES)
    except ValidationError:
        compiled = _compile_within(schema, _HEAVY_PATTERN_BYTES)
        return Validator(compiled, cost, _HEAVY_MICROSECONDS)
    return Validator(compiled, cost, _LIGHT_MICROSECONDS)


def _compile_within(
    schema: dict[str, Json], pattern_bytes: int
) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema,
        validate_formats=True,
        ignore_unknown_formats=False,
        retriever=_refuse_to_fetch,
        mask=_MASK,
        pattern_options=jsonschema_rs.RegexOptions(
            size_limit=pattern_bytes, dfa_size_limit=_PATTERN_CACHE_BYTES
        ),
    )


def _refuse_to_fetch(uri: str) -> NoReturn:
    """The library's own retriever reads http and file addresses."""
    raise ValueError(f"{_clip(uri, _MAX_NAME)}: schemas are never fetched")


def _measure(value: Json, depth: int = 0) -> tuple[int, int, int]:
    """Nodes (keys count), characters and depth of a value. Raises _Unfit if it is not JSON."""
    if depth > MAX_VALUE_DEPTH:
        raise _Unfit(f"nested more than {MAX_VALUE_DEPTH} deep")
    if isinstance(value, str):
        _check_text(value)
        return 1, len(value), depth
    if isinstance(value, dict):
        return _measure_inside([*value.keys(), *value.values()], depth)
    if isinstance(value, list):
        return _measure_inside(value, depth)
    if value is None or isinstance(value, bool | int):
        return 1, 0, depth
    if isinstance(value, float) and value - value == 0:  # neither NaN nor an infinity
        return 1, 0, depth
    raise _Unfit("not JSON")


def _measure_inside(values: Sequence[Json], depth: int) -> tuple[int, int, int]:
    nodes, chars, deepest = 1, 0, depth
    for item in values:
        more_nodes, more_chars, item_depth = _measure(item, depth + 1)
        nodes += more_nodes
        chars += more_chars
        deepest = max(deepest, item_depth)
    return nodes, chars, deepest


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unfit("a string holds half of a surrogate pair, which is not text") from None


def _list_violations(errors: Sequence[ValidationError], path: str) -> str:
    told = [
        f"{_under(path, error.instance_path)}: {_say(error)}" for error in errors[:_MAX_VIOLATIONS]
    ]
    more = " (and more)" if len(errors) > _MAX_VIOLATIONS else ""
    return _clip("; ".join(told), MAX_MESSAGE_CHARS - len(more)) + more


def _say(error: ValidationError) -> str:
    """The rule that is broken. Only names that the value adds by itself are built here: short."""
    kind = error.kind
    if isinstance(
        kind,
        ValidationErrorKind.AdditionalProperties | ValidationErrorKind.UnevaluatedProperties,
    ):
        names = ", ".join(f"`{_clip(name, _MAX_NAME)}`" for name in kind.unexpected[:3])
        return f"has what the schema does not know: {names}"
    if isinstance(kind, ValidationErrorKind.PropertyNames):
        return "a key does not fit `propertyNames`"
    if isinstance(kind, ValidationErrorKind.Required):
        return f"`{_clip(kind.property, _MAX_NAME)}` is required"
    if isinstance(kind, ValidationErrorKind.Format):
        return f"is not a valid {kind.format}"
    return _clip(error.message, _MAX_TEXT)


def _explain(error: ValidationError) -> str:
    """What the metaschema, or the compiler, has against a schema."""
    keyword = error.instance_path[-1] if error.instance_path else ""
    if keyword == "pattern" or "patternProperties" in error.instance_path[-2:]:
        return (
            "not a pattern that can be used: it must be valid, linear-time (no look-around, "
            "no back-reference) and small (`maxLength` instead of a large `{0,n}`)"
        )
    if keyword == "type":
        return "must be array, boolean, integer, null, number, object or string, or a list of them"
    return _clip(error.message, _MAX_TEXT)


def _under(path: str, parts: Sequence[str | int]) -> str:
    """`input.users[0].email`; a long way is cut in the middle."""
    shown = "".join(
        f"[{part}]" if isinstance(part, int) else f".{_clip(part, _MAX_NAME)}" for part in parts
    )
    if len(shown) > 200:
        shown = f"{shown[:100]}…{shown[-99:]}"
    return f"{path}{shown}" if path else shown.removeprefix(".")


def _clip(text: Any, limit: int) -> str:
    shown = str(text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
