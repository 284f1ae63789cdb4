"""Known escapes and bombs, each with its public source, over every way in.

None may get out, and each must end within 50 ms of CPU (best of three). That they take 16 MiB at
most is shown by test_expressions_bombs.py, in a process of their own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.leaves import specs_with
from support.pace import is_within
from support.ways import WAYS, Way
from workflow_do.api.action import ActionSpec
from workflow_do.api.workflow import WorkflowSpec
from workflow_do.engine.check import check_action, check_workflow
from workflow_do.engine.definition import define, define_action
from workflow_do.engine.expressions import TemplateFailure
from workflow_do.engine.problem import Problem

CORPUS = Path(__file__).parents[2] / "corpus"
CPU_SECONDS = 0.050

ESCAPES = yaml.safe_load((CORPUS / "escapes.yaml").read_text(encoding="utf-8"))
BOMBS = yaml.safe_load((CORPUS / "bombs.yaml").read_text(encoding="utf-8"))
BODY = {"name": "Alex", "list": [1], "map": {"a": 1}, "n": 1}


def text_of(row: dict[str, Any]) -> str:
    if "template" in row:
        return str(row["template"])
    return str(row["before"] + row["unit"] * row["times"] + row["after"])


ESCAPE_TEXTS = {row["kind"]: text_of(row) for row in ESCAPES["escapes"]}
BOMB_TEXTS = {row["kind"]: text_of(row) for row in BOMBS["bombs"]}


@pytest.fixture(scope="module")
def scope() -> Iterator[dict[str, Any]]:
    """Names of every place, and large data."""
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    large = {"big": "ab" * 60_000, "numbers": [0] * 9_000, "deep": deep, "n": 9}
    body = {**BODY, **large}
    yield {"trigger": {"body": body}, "input": {"body": body}, "steps": {}}
    body.clear()
    large.clear()
    while deep:  # taken apart by hand: freeing it at once would recurse 50,000 deep
        deep = deep.pop()


@pytest.mark.parametrize(
    ("rows", "sources", "least"),
    [
        pytest.param(ESCAPES["escapes"], ESCAPES["sources"], 60, id="escapes"),
        pytest.param(BOMBS["bombs"], BOMBS["sources"], 40, id="bombs"),
    ],
)
def test_the_corpus_is_many_kinds_each_with_a_source(
    rows: list[dict[str, Any]], sources: dict[str, str], least: int
) -> None:
    assert len({row["kind"] for row in rows}) == len({text_of(row) for row in rows}) == len(rows)
    assert len(rows) >= least
    assert {row["source"] for row in rows} == sources.keys()
    assert all(url.startswith("https://") for url in sources.values())


BROKEN = "{{ 1 + }}"


def test_every_way_in_is_known() -> None:
    """A broken template is noticed exactly where templates are looked for."""
    found = set()
    for path, spec in specs_with(WorkflowSpec, BROKEN):
        outcome = define("flow", spec, {"act": {"image": "x"}})
        if isinstance(outcome, Problem) and "in `1 +`" in outcome.message:
            found.add(f"Workflow {path}")
    for path, spec in specs_with(ActionSpec, BROKEN):
        outcome = define_action("act", spec)
        if isinstance(outcome, Problem) and "in `1 +`" in outcome.message:
            found.add(f"Action {path}")
    assert found == {way.place for way in WAYS}, "see support/ways.py"
    assert len(found) == len(WAYS)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.place)
def test_an_expression_works_there(way: Way, scope: dict[str, Any]) -> None:
    """Else a place that refuses everything would pass the tests below."""
    assert "Alex" in str(way.outcome("{{ input.body.name }}", scope)) or "Alex" in str(
        way.outcome("{{ trigger.body.name }}", scope)
    )


def placed(template: str, way: Way) -> str:
    """The template with the data where it is at that place."""
    root = "input" if way.place.startswith("Action") else "trigger"
    named = re.sub(r"\btrigger\b", root, template)
    return re.sub(r"\b(big|numbers|deep|n)\b", rf"{root}.body.\1", named)


def nothing_came_out(outcome: object) -> None:
    assert isinstance(outcome, Problem | TemplateFailure), outcome
    assert "unexpected Python" not in outcome.message
    assert len(outcome.message) <= 1024


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.place)
def test_no_escape_gets_out(way: Way, scope: dict[str, Any]) -> None:
    for template in ESCAPE_TEXTS.values():
        nothing_came_out(way.outcome(placed(template, way), scope))


def too_slow(run: Callable[[], Any], judge: Callable[[Any], None]) -> bool:
    """Whether the best of three runs takes too much CPU; what it gives is judged."""
    for _ in range(3):
        start = time.process_time()
        outcome = run()
        took = time.process_time() - start
        judge(outcome)
        if is_within(took, CPU_SECONDS):
            return False
    return True


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.place)
def test_bombs_end_at_once(way: Way, scope: dict[str, Any]) -> None:
    texts = {kind: placed(text, way) for kind, text in BOMB_TEXTS.items()}
    slow = [
        kind
        for kind, text in texts.items()
        if too_slow(lambda t=text: way.outcome(t, scope), nothing_came_out)
    ]
    assert slow == []


def check(way: Way, text: str) -> Any:
    spec, actions = way.put(placed(text, way))
    if way.place.startswith("Action"):
        return check_action("act", actions["act"])
    return check_workflow("flow", spec, actions)


def test_the_checker_ends_at_once_too() -> None:
    """By one way: all go through the same walk of an expression."""
    texts = {**BOMB_TEXTS, **ESCAPE_TEXTS}
    slow = [
        kind
        for kind, text in texts.items()
        if too_slow(lambda t=text: check(WAYS[0], t), lambda found: None)
    ]
    assert slow == []
