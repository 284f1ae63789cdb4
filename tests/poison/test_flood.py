"""One namespace floods the operator; the others hardly feel it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.flood import waits
from support.operator import OperatorProcess
from support.plane import control_plane

pytestmark = [pytest.mark.poison, pytest.mark.timeout(900)]


def test_two_thousand_runs_at_once_delay_no_other_namespace_by_ten_seconds(tmp_path: Path) -> None:
    with control_plane(tmp_path, "flood") as plane:
        log, everywhere = tmp_path / "operator.log", {"WORKFLOW_DO_NAMESPACES": ""}
        process = OperatorProcess(plane.server.kubeconfig, "all", log, everywhere)
        seconds = asyncio.run(waits(plane, process, flood=2_000, calm=5))
    print("seconds to the first Job:", [round(s, 1) for s in seconds])
    assert max(seconds) <= 10
