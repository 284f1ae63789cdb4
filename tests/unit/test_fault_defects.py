"""The defects that the fault tests are tried on still fit the source: a change of it tells at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = sorted((ROOT / "tests" / "faults" / "defects").glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_defect_fits(patch: Path) -> None:
    folder = ROOT / "operator"
    command = ["patch", "--dry-run", f"--directory={folder}", "--strip=2", f"--input={patch}"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=10)
    assert done.returncode == 0, f"write {patch.name} anew:\n{done.stdout}"


def test_there_are_defects() -> None:
    assert len(PATCHES) >= 6
