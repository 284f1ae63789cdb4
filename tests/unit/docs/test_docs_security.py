"""docs/security.md: each claim names a test, and that test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from docs_pages import ROOT, spans, text

PAGE = ROOT / "docs" / "security.md"
TESTS = ROOT / "tests"
SHOWN_BY = "Shown by"
MIN_CLAIMS = 25


def rows() -> list[tuple[str, str]]:
    """Every claim of the page's tables, with what its last column holds."""
    found: list[tuple[str, str]] = []
    heads: list[str] = []
    for line in text(PAGE).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            heads = []
        elif not heads:
            heads = cells
        elif heads[-1] == SHOWN_BY and not set(cells[-1]) <= set("-: "):
            found.append((cells[-2], cells[-1]))
    return found


CLAIMS = rows()


@cache
def functions(file: Path) -> frozenset[str]:
    """The names of a file's tests; of one that is not there, none."""
    if not file.exists():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))


def test_the_page_makes_claims() -> None:
    assert len(CLAIMS) >= MIN_CLAIMS


@pytest.mark.parametrize(("claim", "shown_by"), CLAIMS, ids=[claim[:50] for claim, _ in CLAIMS])
def test_each_claim_is_shown_by_a_test_that_is_there(claim: str, shown_by: str) -> None:
    named = spans(shown_by)

    assert claim
    assert named, "a claim without a test is a wish"
    for name in named:
        file, _, function = name.partition("::")
        assert function in functions(TESTS / file), name
