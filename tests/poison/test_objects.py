"""Ten thousand objects that nobody should write, of all four kinds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from support.operator import OperatorProcess
from support.plane import control_plane
from support.poisoning import campaign, log_faults
from support.spoil import spoiled

pytestmark = [pytest.mark.poison, pytest.mark.timeout(3600)]
SEED = int(os.environ.get("WORKFLOW_DO_POISON_SEED", "1"))
COUNT = int(os.environ.get("WORKFLOW_DO_POISON_COUNT", "10000"))


def test_ten_thousand_spoiled_objects_do_no_harm(tmp_path: Path) -> None:
    with control_plane(tmp_path, "poison") as plane:
        log, everywhere = tmp_path / "operator.log", {"WORKFLOW_DO_NAMESPACES": ""}
        process = OperatorProcess(plane.server.kubeconfig, "all", log, everywhere)
        found = asyncio.run(campaign(plane, process, list(spoiled(SEED, COUNT))))
    print(found)
    assert log_faults(process) == []
    assert found.unexplained == [], "each has a condition, or else an Event"
    assert found.stored + found.forced > 0.9 * COUNT
    assert max(found.seconds) < 30
    assert found.restless == {}, "nothing is written over and over again"
    assert found.memory < 512
