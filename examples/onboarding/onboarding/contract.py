"""The contract of a program with the operator: input, one output, exit codes.

Knows nothing of what the programs do. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

EXIT_BAD_INPUT = 2  # the input or the configuration is wrong: trying again cannot help
EXIT_REFUSED = 22  # the other side understood and said no: trying again cannot help
EXIT_UNAVAILABLE = 75  # the other side could not be reached or broke down (EX_TEMPFAIL)
EXIT_TERMINATED = 143  # ended by SIGTERM, as a shell would say it

# The kubelet keeps the last 4,096 bytes of the termination log without a word; an output of that
# size can no longer be told from one that was cut.
MAX_OUTPUT_BYTES = 4095
MAX_TEXT_CHARS = 1000


class ActionError(Exception):
    """The action fails wholly: `exit_code` for the operator, the message for a person."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def bad_input(message: str) -> ActionError:
    return ActionError(message, EXIT_BAD_INPUT)


def require_env(name: str) -> str:
    """The value of an environment variable that must be set and not empty."""
    value = os.environ.get(name, "")
    if not value:
        raise bad_input(f"environment variable {name} is not set; set it in the Action's env")
    return value


def read_input() -> dict[str, object]:
    """The JSON object in ACTION_INPUT."""
    try:
        value = json.loads(require_env("ACTION_INPUT"))
    except ValueError as error:
        raise bad_input(f"ACTION_INPUT is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_input(f"ACTION_INPUT must be a JSON object, not {type(value).__name__}")
    return value


def text_field(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    """The field `name` of an input: a string of 1 to 1000 characters on one line."""
    value = fields.get(name, default)
    if value is None:
        raise bad_input(f"input field {name!r} is missing")
    if not isinstance(value, str) or not value.strip():
        raise bad_input(f"input field {name!r} must be a string with something in it")
    if len(value) > MAX_TEXT_CHARS:
        raise bad_input(f"input field {name!r} is longer than {MAX_TEXT_CHARS} characters")
    if any(ord(character) < 32 for character in value):
        raise bad_input(f"input field {name!r} must not hold control characters")
    return value


def email_field(fields: Mapping[str, object], name: str = "email") -> str:
    """The field `name` of an input: one e-mail address."""
    value = text_field(fields, name)
    local, _, domain = value.rpartition("@")
    odd = any(character in value for character in ' ,;<>"()')
    if not local or not domain or odd or not value.isascii():
        raise bad_input(f"input field {name!r} is not an e-mail address: {value!r}")
    return value


def write_output(output: Mapping[str, object]) -> None:
    """Write the one output to the file named by ACTION_OUTPUT, in place: it may be a mount."""
    content = json.dumps(output, separators=(",", ":"), ensure_ascii=False).encode()
    if len(content) > MAX_OUTPUT_BYTES:
        raise bad_input(f"the output has {len(content)} bytes and may have {MAX_OUTPUT_BYTES}")
    place = require_env("ACTION_OUTPUT")
    try:
        with open(place, "wb") as file:
            file.write(content)
    except OSError as error:
        raise bad_input(f"ACTION_OUTPUT {place} cannot be written: {error.strerror}") from None


def log(message: str) -> None:
    """One line for the log of the run."""
    print(message, file=sys.stderr, flush=True)


def run_action(action: Callable[[dict[str, object]], Mapping[str, object]]) -> int:
    """Run `action` from input to output; the exit code. An output is written only on success."""
    # As process 1 of a container a program without a handler would not hear SIGTERM at all.
    signal.signal(signal.SIGTERM, _end)
    try:
        require_env("ACTION_OUTPUT")
        write_output(action(read_input()))
    except ActionError as error:
        log(f"error: {error}")
        return error.exit_code
    return 0


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    log("error: told to stop (SIGTERM)")
    sys.exit(EXIT_TERMINATED)
