"""docs/patterns.md: 43 rows, each with what it claims; every example is there, and is run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest
import yaml

from unit.docs.docs_pages import ROOT, text

PAGE = ROOT / "docs" / "patterns.md"
ON_A_CLUSTER = text(ROOT / "tests" / "e2e" / "test_patterns.py")
_EXAMPLE = re.compile(r"`([a-z-]+)` in \[[a-z-]+\.yaml\]\(([^)]+\.yaml)\)")
_COUNTS = re.compile(r"\*\*(\d+) native,\s+(\d+) by a workaround, (\d+) not at all\*\*")
LEAST_NATIVE = 18


@dataclass(frozen=True)
class Row:
    """A pattern, and what is claimed of it."""

    number: int
    name: str
    support: str
    example: str
    how: str


def rows() -> list[Row]:
    """The lines of the table, in order."""
    lines = [line.strip("| ").split(" | ") for line in text(PAGE).splitlines()]
    return [Row(int(c[0]), *c[1:]) for c in lines if c[0].isdigit()]


def workflows(path: str) -> set[str]:
    """The names of the Workflows in a file that the page links to."""
    objects = yaml.safe_load_all(text((PAGE.parent / path).resolve()))
    return {o["metadata"]["name"] for o in objects if o["kind"] == "Workflow"}


def test_each_of_the_43_has_one_row_and_a_name_of_its_own() -> None:
    assert [row.number for row in rows()] == list(range(1, 44))
    assert len({row.name for row in rows()}) == 43


def test_the_counts_are_those_of_the_table() -> None:
    found = _COUNTS.search(text(PAGE))
    assert found is not None
    told = dict(zip(("native", "workaround", "no"), map(int, found.groups()), strict=True))
    assert told == Counter(row.support for row in rows())
    assert told["native"] >= LEAST_NATIVE


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"WCP-{row.number}")
def test_what_is_claimed_is_shown_and_run(row: Row) -> None:
    assert row.how.strip(), "how, or why not"
    if row.support == "no":
        assert row.example == "–"
        return
    found = _EXAMPLE.fullmatch(row.example)
    assert found is not None, row.example
    flow, path = found.groups()
    assert flow in workflows(path)
    assert re.search(rf"[\"(]{flow}\"", ON_A_CLUSTER), f"{flow} is run by no test"
