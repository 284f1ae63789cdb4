"""Small templates that ask for a lot: together they take little memory, and none can hang.

Those of the corpus and some of our own run in one process, under a limit of memory and of CPU
time, because the failure that they look for is a process that hangs or is killed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

OURS: dict[str, str] = {
    "power-tower-left": "{{ 9**9**9**9 }}",
    "product": "{{ (2**1000)*(2**1000) }}",
    "repeat-text-by-steps": "{{ " + "(" * 15 + "'a'" + "*10)" * 15 + " }}",
    "add-text": "{{ " + " + ".join(["big"] * 90) + " }}",
    "unique-long-text": "{{ ([big]*9000) | unique }}",
    "min-long-text": "{{ ([big]*9000) | min }}",
    "in-long-list": "{{ 1 in [0]*60000 }}",
    "compare-long-text-often": "{{ [" + ",".join(["big == big2"] * 900) + "] }}",
    "compare-long-lists-often": "{{ [" + ",".join(["numbers == numbers2"] * 600) + "] }}",
    "float-digits": "{{ ('9'*500000) | float }}",
    "deep-data-unique": "{{ [deep] | unique }}",
    "deep-data-in-text": "a{{ deep }}",
    "plus-chain": "{{ " + "+".join(["1"] * 8000) + " }}",
    "and-chain": "{{ " + " and ".join(["1"] * 2500) + " }}",
    "backslashes": "{{ '" + "\\" * 15999 + "' }}",
}

_PROGRAM = """
import json, resource, sys, time
from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render

deep = []
for _ in range(50_000):
    deep = [deep]
scope = {
    "n": 9, "x": 1, "deep": deep,
    "big": "ab" * 60_000, "big2": "ab" * 59_999 + "ac",
    "numbers": [0] * 9_000, "numbers2": [0] * 8_999 + [2],
}
parse("{{ 1 | upper }}")  # what is loaded once is no cost of a bomb
found = {}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, template in json.load(sys.stdin).items():
    start = time.process_time()
    try:
        outcome = render(parse({"input": template}), scope)
        kind = "failure" if isinstance(outcome, TemplateFailure) else "value"
        message = str(outcome)[:400]
    except TemplateProblem as problem:
        kind, message = "problem", str(problem)
    found[name] = [kind, message, time.process_time() - start]
while deep:  # taken apart by hand: freeing it at once would recurse 50,000 deep
    deep = deep.pop()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
json.dump({"found": found, "grown_kib": grown}, sys.stdout)
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (512 * 1024 * 1024,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (30, 30))


def _corpus() -> dict[str, str]:
    path = Path(__file__).parents[2] / "corpus" / "bombs.yaml"
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["bombs"]
    return {
        row["kind"]: row.get("template")
        or row["before"] + row["unit"] * row["times"] + row["after"]
        for row in rows
    }


BOMBS = {**OURS, **_corpus()}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(BOMBS),
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "operator")},
        preexec_fn=_limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_ends_as_a_failure(outcomes: dict[str, Any], name: str) -> None:
    kind, message, seconds = outcomes["found"][name]
    assert kind in ("failure", "problem"), message
    assert "unexpected" not in message
    assert len(message) <= 310
    assert seconds < 0.5  # once, and on any machine; the corpus is measured more strictly


def test_all_bombs_together_take_little_memory(outcomes: dict[str, Any]) -> None:
    """So each of them does: the most that the process ever had, over what it began with."""
    assert outcomes["grown_kib"] <= 16 * 1024
