"""Seeded defects, on which other tests are tried, fit the source: a change of it tells at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"faults": 6, "simulation": 8}
PATCHES = {who: sorted((ROOT / "tests" / who / "defects").glob("*.patch")) for who in LEAST}
ALL = [pytest.param(patch, id=f"{who}-{patch.stem}") for who in PATCHES for patch in PATCHES[who]]


@pytest.mark.parametrize("patch", ALL)
def test_a_defect_fits(patch: Path) -> None:
    command = ["git", "apply", "--check", "-C1", "--recount", str(patch)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=10)
    assert done.returncode == 0, f"write {patch.name} anew: {done.stderr}"


@pytest.mark.parametrize("who", LEAST)
def test_there_are_defects(who: str) -> None:
    assert len(PATCHES[who]) >= LEAST[who]
