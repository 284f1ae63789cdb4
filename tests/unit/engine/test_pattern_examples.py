"""The examples of patterns are valid: nothing is found by the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_do.engine.check import check_workflow

FOLDER = Path(__file__).parents[3] / "examples" / "patterns"
OBJECTS = [
    raw for path in sorted(FOLDER.glob("*.yaml")) for raw in yaml.safe_load_all(path.read_text())
]
ACTIONS = {o["metadata"]["name"]: o["spec"] for o in OBJECTS if o["kind"] == "Action"}
FLOWS = [o for o in OBJECTS if o["kind"] == "Workflow"]
SPECS = {o["metadata"]["name"]: o["spec"] for o in FLOWS}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f["metadata"]["name"])
def test_an_example_is_valid(flow: dict[str, Any]) -> None:
    found = check_workflow(flow["metadata"]["name"], flow["spec"], ACTIONS, workflows=SPECS)
    assert found == ()
