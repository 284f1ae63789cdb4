"""Reads what an action has written: one small JSON object, in a file or in a line of its log.

Decides whether that is a usable output. Does not know the Action's outputSchema, nor what follows
from a refusal. Never raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api.names import (
    MAX_LOG_OUTPUT_BYTES,
    MAX_OUTPUT_BYTES,
    OUTPUT_LOG_BYTES,
    OUTPUT_LOG_LINES,
    OUTPUT_MARK,
)
from workflow_do.api.reasons import Reason
from workflow_do.engine import expressions as ex
from workflow_do.engine.strictjson import NotStrictJson, read_json

_BY_FILE: Final = "write one JSON object to the file that ACTION_OUTPUT names, and nothing else"
_BY_LOG: Final = (
    f"print one JSON object in one line that begins with {OUTPUT_MARK}, and nothing else meanwhile"
)
_SMALLEST_PIECE: Final = 4096
"""Bytes of a line that a container runtime stores as one, at the least."""


@dataclass(frozen=True, slots=True)
class OutputProblem:
    """Why the output cannot be used: OutputTooLarge or OutputInvalid, with place and cure."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of a log: of the last `OUTPUT_LOG_LINES` lines as the node counts them, the last
    `OUTPUT_LOG_BYTES`; `cut` where there were more bytes. Bytes that are no UTF-8 stand in it as
    half surrogates. `error`: why it could not be read.
    """

    text: str
    cut: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class NotRead:
    """The log could not be read, for the time being at least."""

    why: str


Output = dict[str, Any] | OutputProblem


def read_output(source: str | LogEnd | None) -> Output | NotRead | None:
    """The output in a termination message or in the end of a log; None: it is yet to be read."""
    if source is None:
        return None
    if isinstance(source, str):
        return parse_output(source)
    return NotRead(source.error) if source.error else parse_log(source)


def parse_output(message: str) -> Output:
    """The object that the program wrote; nothing written, or only white space, is `{}`.

    The kubelet keeps the last 4,096 bytes of a longer message in silence, so a message of that
    length may have lost its beginning: it is refused even where it happens to be JSON.
    """
    if len(message.encode(errors="replace")) >= MAX_OUTPUT_BYTES:
        return OutputProblem(
            Reason.OUTPUT_TOO_LARGE,
            f"the output is {MAX_OUTPUT_BYTES:,} bytes or more; write a smaller object: "
            "a reference instead of the data, or use output.source: Logs",
        )
    if not message.strip():
        return {}
    return _object(message, _BY_FILE)


def parse_log(log: LogEnd) -> Output:
    """The object in the last line that begins with the mark.

    A first line that may have lost its beginning is never taken for one: what is in the middle of
    a line is data, and data may look like a mark.
    """
    lines = log.text.split("\n")
    cut = log.cut or _may_be_cut(log.text, len(lines))
    found = next((at for at in reversed(range(len(lines))) if _is_marked(lines[at])), -1)
    if found < 0 or (found == 0 and cut):
        return _not_there(cut)
    payload = lines[found][len(OUTPUT_MARK) :]
    size = len(payload.encode(errors="replace"))
    if size > MAX_LOG_OUTPUT_BYTES:
        return OutputProblem(
            Reason.OUTPUT_TOO_LARGE,
            f"the output is {size:,} bytes, and {MAX_LOG_OUTPUT_BYTES:,} is the most; "
            "give a smaller object: a reference instead of the data",
        )
    return _object(payload, _BY_LOG)


def _is_marked(line: str) -> bool:
    return line.startswith(OUTPUT_MARK)


def _may_be_cut(text: str, lines: int) -> bool:
    """Whether the node may have had more lines than it was asked for: it counts pieces."""
    size = len(text.encode(errors="replace"))
    return lines + size // _SMALLEST_PIECE >= OUTPUT_LOG_LINES


def _not_there(cut: bool) -> OutputProblem:
    if not cut:
        return OutputProblem(
            Reason.OUTPUT_INVALID, f"no line of the log begins with {OUTPUT_MARK}; {_BY_LOG}"
        )
    return OutputProblem(
        Reason.OUTPUT_TOO_LARGE,
        f"no whole line that begins with {OUTPUT_MARK} is among the last {OUTPUT_LOG_LINES:,} "
        f"lines and {OUTPUT_LOG_BYTES:,} bytes of the log; print it last, and up to "
        f"{MAX_LOG_OUTPUT_BYTES:,} bytes",
    )


def _object(text: str, cure: str) -> Output:
    parsed = read_json(text)
    if isinstance(parsed, NotStrictJson):
        return _invalid(parsed.message, cure)
    if not isinstance(parsed.value, dict):
        return _invalid(f"the output is {ex.kind(parsed.value)}, not a JSON object", cure)
    return parsed.value


def _invalid(message: str, cure: str) -> OutputProblem:
    return OutputProblem(Reason.OUTPUT_INVALID, f"{message}; {cure}")
