"""The simulation finds what it is for: each seeded defect is caught, by a promise that it breaks.

A defect is a patch against the operator; its first lines say what it does, which promises may
catch it, and a seed that does so soon. It is applied to a copy of the package, and the copy is put
through a campaign.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEFECTS = sorted((Path(__file__).parent / "defects").glob("*.patch"))
RUNS, FAMILIES = 4000, 200
"""So many runs, or families of them, may pass before a defect is caught."""


def said(patch: Path, word: str) -> str:
    """What the line `word: …` at the head of a patch says."""
    start = f"{word}: "
    line = next(r for r in patch.read_text().splitlines() if r.startswith(start))
    return line.removeprefix(start)


def promises(patch: Path) -> set[str]:
    """The promises that a defect breaks."""
    return set(said(patch, "Caught by").split(", "))


def apply(patch: Path, where: Path) -> None:
    """A copy of the package with the defect in it. Fails where the patch does not fit any more."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "operator", where / "operator", ignore=ignore)
    done = subprocess.run(
        ["git", "apply", "-C1", "--recount", str(patch)],
        cwd=where,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(where.parent)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    changed = any(
        (ROOT / f).read_bytes() != (where / f).read_bytes()
        for f in [r[6:] for r in patch.read_text().splitlines() if r.startswith("+++ b/")]
    )
    if done.returncode or not changed:
        pytest.fail(
            f"{patch.name} does not fit the operator any more: {done.stderr.strip()}\n"
            f"Write the defect anew against today's code, as `git diff` would show it."
        )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("patch", DEFECTS, ids=lambda p: p.stem)
def test_a_seeded_defect_is_caught(patch: Path, tmp_path: Path) -> None:
    apply(patch, tmp_path)
    asked = [f"--runs={RUNS}", f"--seed={said(patch, 'Seed')}"]
    if "Campaign: families" in patch.read_text():
        asked = ["--families", f"--runs={FAMILIES}", *asked[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "simulation", "--json", "--processes=1", *asked],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'operator'}:{ROOT / 'tests'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found["package"] == str(tmp_path / "operator" / "workflow_do"), "the copy is what runs"
    assert found["promise"], f"{found['runs']} runs, and nobody noticed"
    assert found["promise"] in promises(patch), found["failure"]


def test_there_are_enough_defects_and_each_names_a_promise_that_exists() -> None:
    from simulation import promises as made
    from simulation.families import PROMISES as FAMILY_PROMISES

    assert len(DEFECTS) >= 8
    known = {*dir(made), *FAMILY_PROMISES, "every_run_ends", "plan_is_total"}
    for patch in DEFECTS:
        assert promises(patch) <= known, patch.name


def test_every_promise_is_shown_to_catch_a_defect() -> None:
    """A promise that nothing breaks says nothing."""
    from simulation import promises as made

    moments = (made.JOB_MADE, made.PROGRAM_BEGAN, made.STATUS_WRITTEN, made.PLANNED)
    moments += (made.DECIDED_AGAIN, made.AT_THE_END)
    every = {promise.__name__ for moment in moments for promise in moment}
    shown = set[str]().union(*map(promises, DEFECTS))
    assert not every - shown
