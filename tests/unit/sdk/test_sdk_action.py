"""The helper for programs inside actions, run as such a program: bare Python, nothing installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workflow_do.api import names
from workflow_do.engine.outputs import LogEnd, parse_log, parse_output
from workflow_do.sdk import action

LARGE = {"text": "ö" * 60_000}


def program(tmp_path: Path, code: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """What the code comes to with the helper copied beside it, and no package at all."""
    shutil.copy(action.__file__, tmp_path / "action.py")
    (tmp_path / "main.py").write_text(f"import action, sys\n{code}\n")
    return subprocess.run(
        [sys.executable, "-S", "-E", tmp_path / "main.py"],
        env={"PYTHONPATH": "", **env},
        capture_output=True,
        timeout=20,
        check=False,
    )


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode().strip().splitlines()[-1]


COPY = "action.output({'got': action.input()})"


def test_small_data_by_variable_and_file(tmp_path: Path) -> None:
    place = tmp_path / "termination-log"
    place.write_text("")
    done = program(tmp_path, COPY, ACTION_INPUT='{"a": "$(X)"}', ACTION_OUTPUT=str(place))
    assert done.returncode == 0, done.stderr
    assert parse_output(place.read_text()) == {"got": {"a": "$(X)"}}
    assert done.stdout == b""


def test_large_data_by_file_and_log(tmp_path: Path) -> None:
    """The same program: what it gives is what the operator finds in its log."""
    given = tmp_path / "input.json"
    given.write_text(json.dumps(LARGE, ensure_ascii=False))
    chatter = "print('begin', end=''); " + COPY + "; print('end', file=sys.stderr)"
    done = program(tmp_path, chatter, ACTION_INPUT_FILE=str(given))
    assert done.returncode == 0, done.stderr
    assert parse_log(LogEnd(done.stdout.decode())) == {"got": LARGE}
    assert done.stdout.startswith(b"begin\n::output::{")


REFUSED: list[Any] = [
    pytest.param("action.input()", {}, "neither ACTION_INPUT nor ACTION_INPUT_FILE", id="no-input"),
    pytest.param("action.input()", {"ACTION_INPUT": "{"}, "ACTION_INPUT is not JSON", id="no-json"),
    pytest.param("action.input()", {"ACTION_INPUT": "[]"}, "must hold a JSON object", id="list"),
    pytest.param(
        "action.input()", {"ACTION_INPUT_FILE": "/nowhere"}, "cannot be read", id="no-file"
    ),
    pytest.param(
        "action.output({'a': 'x' * 5000})",
        {"ACTION_OUTPUT": "out"},
        "4,095 is the most: give a reference instead of the data, or set output.source: Logs",
        id="too-large-for-a-file",
    ),
    pytest.param(
        "action.output({'a': 'x' * 300000})", {}, "262,144 is the most", id="too-large-for-a-log"
    ),
    pytest.param("action.output({'a': float('nan')})", {}, "not JSON", id="nan"),
    pytest.param("action.output({'a': {1}})", {}, "not JSON", id="a-set"),
    pytest.param(
        "action.output({})", {"ACTION_OUTPUT": "/nowhere/x"}, "cannot be written", id="no-place"
    ),
]


@pytest.mark.parametrize(("code", "env", "message"), REFUSED)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, code: str, env: dict[str, str], message: str
) -> None:
    done = program(tmp_path, code, **env)
    assert done.returncode == 1
    assert "ContractError" in told(done)
    assert message in told(done)
    assert done.stdout == b""
    assert not (tmp_path / "out").exists()


def test_the_helper_and_the_operator_agree() -> None:
    assert action.MARK == names.OUTPUT_MARK
    assert action.MAX_LOG_OUTPUT_BYTES == names.MAX_LOG_OUTPUT_BYTES
    assert action.MAX_FILE_OUTPUT_BYTES == names.MAX_OUTPUT_BYTES - 1
