"""The defects that the fault tests are tried on fit the source: a change of it tells at once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = sorted((ROOT / "tests" / "faults" / "defects").glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_defect_fits(patch: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "operator" / "workflow_do", tmp_path / "workflow_do")
    command = ["git", "apply", "-C1", "--recount", "-p2", str(patch)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=10)
    assert done.returncode == 0, f"write {patch.name} anew: {done.stderr}"


def test_there_are_defects() -> None:
    assert len(PATCHES) >= 6
