"""What a model has against a definition, in the words of the people who write definitions.

Decides how a violation is told: the path as it is written, what is wrong there (with the value,
cut), and what would be right. Values that may be secrets are never shown. Knows pydantic's kinds
of errors, and none of the project's fields but by their patterns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_SHOWN: Final = 60
_SECRET: Final = re.compile(r"passw|secret|token|credential|api_?key|private", re.IGNORECASE)
_UNION_MEMBER: Final = re.compile(r"constrained-\w+|int|str|float|bool")
"""pydantic names the branch of a union as if it were a field."""

_PATTERNS: Final = {
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": "lower-case letters, digits, `-` and `.`, with a letter "
    "or digit at both ends",
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "lower-case letters, digits and `-`, with a letter or "
    "digit at both ends",
    r"^[A-Za-z]([A-Za-z0-9_]{0,38}[A-Za-z0-9])?$": "letters, digits and `_`, a letter first and no "
    "`_` at the end, 40 at most",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and `_`, and no digit first",
    r"^/[^:]*$": "an absolute path without `:`",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a model refuses."""

    path: str
    message: str
    cure: str = ""

    def __str__(self) -> str:
        told = f"{self.path}: {self.message}" if self.path else self.message
        return f"{told}; {self.cure}" if self.cure else told


def violations(
    error: ValidationError, model: type[BaseModel] | None = None, *, values: bool = False
) -> Iterator[Violation]:
    """Every violation, in the order of the model.

    With a model the nearest field is named. `values`: show them; for those who wrote them only.
    """
    for details in error.errors(include_url=False):
        if not _follows_from_another(details):
            yield _violation(details, model, values)


def place_of(loc: Iterable[str | int]) -> str:
    """A path as people write it: `steps[1].input.email`; empty for the whole."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _follows_from_another(details: ErrorDetails) -> bool:
    """pydantic leaves out the items that do not fit, and then finds the list too short."""
    given = details["input"]
    least = details.get("ctx", {}).get("min_length", 0)
    return details["type"] == "too_short" and isinstance(given, list) and len(given) >= least


def _violation(details: ErrorDetails, model: type[BaseModel] | None, values: bool) -> Violation:
    loc = [p for p in details["loc"] if not (isinstance(p, str) and _UNION_MEMBER.fullmatch(p))]
    kind, value = details["type"], details["input"]
    path = place_of(loc)
    if kind == "extra_forbidden":
        known = field_names(model) if model is not None else ()
        close = get_close_matches(str(loc[-1]), known, n=1)
        return Violation(path, "no such field" + (f" (did you mean {close[0]}?)" if close else ""))
    if kind == "missing":
        return Violation(path, "required")
    tell = _TELL.get(kind)
    right = tell(details.get("ctx", {})) if tell is not None else details["msg"]
    if kind in ("too_long", "too_short"):
        return Violation(path, f"must have {right}, not {details['ctx']['actual_length']:,}")
    shown = _shown(value, loc) if values else kind_of(value)
    return Violation(path, f"must be {right}, not {shown}", _cure(kind, value))


@lru_cache(maxsize=16)
def field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Every field name in the model and those inside it, as users write them."""
    schema = model.model_json_schema(by_alias=True)
    objects = [schema, *schema.get("$defs", {}).values()]
    return tuple(sorted({name for obj in objects for name in obj.get("properties", {})}))


def _expected(ctx: Mapping[str, Any]) -> str:
    words = str(ctx.get("expected", "")).replace(" or ", ", ").split(", ")
    names = [word.strip("'") for word in words]
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


def _pattern(ctx: Mapping[str, Any]) -> str:
    pattern = str(ctx.get("pattern", ""))
    if "KMGTPE" in pattern:
        return "a quantity, such as 100m, 2 or 64Mi"
    return _PATTERNS.get(pattern, f"text that matches {pattern}")


Tell = Callable[[Mapping[str, Any]], str]

_TELL: Final[dict[str, Tell]] = {
    "string_type": lambda _: "a string",
    "int_type": lambda _: "an integer",
    "int_parsing": lambda _: "an integer",
    "int_from_float": lambda _: "an integer",
    "int_parsing_size": lambda _: "an integer of 64 bits",
    "float_type": lambda _: "a number",
    "float_parsing": lambda _: "a number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "dict_type": lambda _: "a mapping",
    "model_type": lambda _: "a mapping",
    "model_attributes_type": lambda _: "a mapping",
    "tuple_type": lambda _: "a list",
    "list_type": lambda _: "a list",
    "literal_error": _expected,
    "enum": _expected,
    "string_pattern_mismatch": _pattern,
    "string_too_long": lambda ctx: f"text of at most {ctx['max_length']:,} characters",
    "string_too_short": lambda ctx: f"text of at least {_count(ctx['min_length'], 'character')}",
    "too_long": lambda ctx: f"at most {ctx['max_length']:,} items",
    "too_short": lambda ctx: f"at least {_count(ctx['min_length'], 'item')}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:,}",
    "greater_than": lambda ctx: f"more than {ctx['gt']:,}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']:,}",
    "less_than": lambda ctx: f"less than {ctx['lt']:,}",
}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _cure(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "put it in quotes"
    if kind in ("tuple_type", "list_type") and not isinstance(value, dict | type(None)):
        return "write it as a list: [ … ]"
    return ""


def _shown(value: Any, loc: list[str | int]) -> str:
    """The value, cut; of containers and of what may be a secret only its kind."""
    kind = kind_of(value)
    if isinstance(value, dict | list | tuple) or value is None:
        return f"{kind} of {len(value)}" if value and not isinstance(value, dict) else kind
    if _may_be_secret(loc):
        return f"this {kind.split()[-1]}"
    if isinstance(value, str) and len(value) > _MAX_SHOWN:
        return f"{json.dumps(value[:_MAX_SHOWN], ensure_ascii=False)}… ({len(value):,} characters)"
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        shown = kind
    return shown if len(shown) <= _MAX_SHOWN + 20 else shown[:_MAX_SHOWN] + "…"


def _may_be_secret(loc: list[str | int]) -> bool:
    """The value of a variable, and whatever is named like a secret."""
    names = [str(part) for part in loc]
    return ("env" in names and names[-1] == "value") or any(_SECRET.search(n) for n in names)


def kind_of(value: Any) -> str:
    """What to call a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list | tuple) else "a mapping"
