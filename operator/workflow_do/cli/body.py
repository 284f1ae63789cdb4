"""From arguments to a run's body: `--body`, `-p key=value`, `--json-param key=JSON`.

Decides how the three go together: parameters are keys of the body, over those of `--body`. Every
mistake is a DefinitionError that names the argument.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from workflow_do.sdk.errors import DefinitionError

MAX_READ_BYTES: Final = 1024 * 1024
"""A body may be 256 KiB of compact JSON; a file may be laid out more widely."""


def build_body(text: str | None, params: Sequence[str], json_params: Sequence[str]) -> Any:
    """The body; None when nothing was given."""
    body = None if text is None else _json(text, "--body")
    if not params and not json_params:
        return body
    if body is not None and not isinstance(body, dict):
        raise DefinitionError(
            "--body: must be a JSON object when parameters are given too (-p and --json-param set "
            "its keys)"
        )
    given: dict[str, Any] = {}
    for option, pairs in (("-p", params), ("--json-param", json_params)):
        for pair in pairs:
            key, value = _pair(pair, option)
            if key in given:
                raise DefinitionError(f"{option} {key}: given twice; give each key once")
            given[key] = value if option == "-p" else _json(value, f"{option} {key}")
    return {**(body or {}), **given}


def build_data(text: str | None) -> dict[str, Any] | None:
    """The data of an approval; None when nothing was given."""
    data = None if text is None else _json(text, "--data")
    if data is not None and not isinstance(data, dict):
        raise DefinitionError("--data: must be a JSON object: it becomes the step's output")
    return data


def _pair(pair: str, option: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not key or not equals:
        raise DefinitionError(f"{option} {pair!r:.80}: must look like key=value")
    return key, value


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        hint = " (for a string: quote it, or use -p)" if place not in ("--body", "--data") else ""
        raise DefinitionError(
            f"{place}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}{hint}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{place}: not JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def read_text(argument: str | None, stdin: IO[str], option: str = "--body") -> str | None:
    """The text of the option: itself, `@file`, or `-` for standard input."""
    if argument is None or not (argument == "-" or argument.startswith("@")):
        return argument
    try:
        if argument == "-":
            text = stdin.read(MAX_READ_BYTES + 1)
        else:
            with Path(argument[1:]).expanduser().open(encoding="utf-8") as file:
                text = file.read(MAX_READ_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{option} {argument}: cannot be read: {error}") from None
    if len(text) > MAX_READ_BYTES:
        raise DefinitionError(f"{option} {argument}: over {MAX_READ_BYTES} bytes; pass a reference")
    return text
