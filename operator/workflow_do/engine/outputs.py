"""Reads what an action has written: one small JSON object.

Decides whether the termination message of a container is a usable output. Does not know the
Action's outputSchema, nor what follows from a refusal. Never raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflow_do.api.names import MAX_OUTPUT_BYTES
from workflow_do.api.reasons import Reason
from workflow_do.engine.strictjson import NotStrictJson, read_json


@dataclass(frozen=True, slots=True)
class OutputProblem:
    """Why the output cannot be used: OutputTooLarge or OutputInvalid, with place and cure."""

    reason: Reason
    message: str


def parse_output(message: str) -> dict[str, Any] | OutputProblem:
    """The object that the program wrote; nothing written, or only white space, is `{}`.

    The kubelet keeps the last 4,096 bytes of a longer message in silence, so a message of that
    length may have lost its beginning: it is refused even where it happens to be JSON.
    """
    if len(message.encode(errors="replace")) >= MAX_OUTPUT_BYTES:
        return OutputProblem(
            Reason.OUTPUT_TOO_LARGE,
            f"the output is {MAX_OUTPUT_BYTES:,} bytes or more; "
            "write a smaller object: a reference instead of the data",
        )
    if not message.strip():
        return {}
    parsed = read_json(message)
    if isinstance(parsed, NotStrictJson):
        return _invalid(parsed.message)
    if not isinstance(parsed.value, dict):
        return _invalid(f"the output is {_kind(parsed.value)}, not a JSON object")
    return parsed.value


def _invalid(message: str) -> OutputProblem:
    return OutputProblem(
        Reason.OUTPUT_INVALID,
        f"{message}; write one JSON object to the file that ACTION_OUTPUT names, and nothing else",
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list"}
    return names.get(type(value), "a number")
