"""The documentation of the ways in says what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from workflow_do.cli import exits
from workflow_do.cli.main import app
from workflow_do.sdk import errors
from workflow_do.sdk.do import Do

DOCS = Path(__file__).resolve().parents[3] / "docs"
CLI = (DOCS / "cli.md").read_text("utf-8")
SDK = (DOCS / "sdk.md").read_text("utf-8")


def test_the_first_example_is_a_valid_definition() -> None:
    [block] = re.findall(r"```python\nfrom workflow_do import do\n(.*?)\nrun = ", SDK, re.DOTALL)
    names: dict[str, Any] = {"do": Do()}
    exec(block, names)
    assert names["signup"].name == "new-user-onboarding-flow"


def test_every_error_is_explained() -> None:
    kinds = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.WorkflowDoError)
    }
    # A base that is only caught, and one that the watch itself takes care of.
    assert {name for name in kinds if f"`{name}`" not in SDK} == {"Refused", "VersionExpired"}


@pytest.mark.parametrize(
    "code", [value for name, value in vars(exits).items() if name.isupper() and name[0] != "_"]
)
def test_every_exit_code_is_explained(code: int) -> None:
    assert f"\n| {code} | " in CLI


def test_every_command_is_shown() -> None:
    commands = {
        info.name or info.callback.__name__ for info in app.registered_commands if info.callback
    }
    assert {
        name for name in commands if not re.search(rf"kubectl[- ]workflow {name}\b", CLI)
    } == set()
