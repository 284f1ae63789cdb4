"""For programs inside actions: `input()` and `output()`, whichever way the data travels.

Decides where the input is read and where the output goes, by the variables that the operator sets:
a large input is a file, and an Action with `output.source: Logs` gives its output in a line of its
log. Knows nothing of Kubernetes. One file, of the standard library alone: import it as
`workflow_do.sdk.action`, or copy it into an image that has nothing but Python (3.8 or newer).

    from workflow_do.sdk import action

    order = action.input()
    action.output({"total": sum(line["price"] for line in order["lines"])})
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Mapping  # noqa: UP035  (Python 3.8 is what some images have)

MARK = "::output::"
MAX_FILE_OUTPUT_BYTES = 4095
"""The kubelet keeps the last 4,096 bytes of a longer file and says nothing."""
MAX_LOG_OUTPUT_BYTES = 256 * 1024


class ContractError(Exception):
    """The input cannot be read or the output cannot be given; the message names the cure."""


def input() -> dict[str, Any]:
    """The input of the action: the JSON object that the step's `input` came to.

    Raises ContractError where there is none: the program was not started by the operator.
    """
    place = os.environ.get("ACTION_INPUT_FILE")
    if place:
        try:
            with open(place, encoding="utf-8") as file:
                return _object(file.read(), f"the file {place}")
        except (OSError, UnicodeDecodeError) as error:
            raise ContractError(f"ACTION_INPUT_FILE cannot be read: {error}") from None
    if "ACTION_INPUT" not in os.environ:
        raise ContractError("neither ACTION_INPUT nor ACTION_INPUT_FILE is set: set one to try out")
    return _object(os.environ["ACTION_INPUT"], "ACTION_INPUT")


def output(value: Mapping[str, Any]) -> None:
    """Give the output of the action, once, as the last thing it does: one JSON object.

    It is 4,095 bytes at most, or 256 KiB for an Action with `output.source: Logs`; nothing else may
    be printed meanwhile. Raises ContractError where it is larger or no JSON; nothing is given then.
    """
    content = _encode(value)
    place = os.environ.get("ACTION_OUTPUT")
    most = MAX_FILE_OUTPUT_BYTES if place else MAX_LOG_OUTPUT_BYTES
    if len(content) > most:
        cure = "give a reference instead of the data"
        if place:
            cure += ", or set output.source: Logs in the Action"
        raise ContractError(
            f"the output is {len(content):,} bytes, and {most:,} is the most: {cure}"
        )
    if place:
        _write(place, content)
    else:
        _print(content)


def idempotency_key() -> str:
    """The same for every try of this step, and for nothing else: one key, one effect."""
    return os.environ.get("WORKFLOW_IDEMPOTENCY_KEY", "")


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ContractError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ContractError(f"{what} must hold a JSON object, not {type(value).__name__}")
    return value


def _encode(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError) as error:
        raise ContractError(f"the output is not JSON: {error}") from None


def _write(place: str, content: bytes) -> None:
    """In place: the file may be a mount, over which nothing can be renamed."""
    try:
        with open(place, "wb") as file:
            file.write(content)
    except OSError as error:
        raise ContractError(f"ACTION_OUTPUT cannot be written: {error}") from None


def _print(content: bytes) -> None:
    """In one piece, and on a line of its own whatever was printed before."""
    sys.stderr.flush()
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + MARK.encode() + content + b"\n")
    sys.stdout.buffer.flush()
