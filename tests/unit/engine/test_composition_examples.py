"""The examples of composition are valid: nothing is found by the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_do.engine.check import check_workflow

FOLDER = Path(__file__).parents[3] / "examples" / "composition"
ECHO = yaml.safe_load((FOLDER / "actions.yaml").read_text())["spec"]
FLOWS = list(yaml.safe_load_all((FOLDER / "workflows.yaml").read_text()))


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f["metadata"]["name"])
def test_an_example_is_valid(flow: dict[str, Any]) -> None:
    assert check_workflow(flow["metadata"]["name"], flow["spec"], {"echo": ECHO}) == ()
