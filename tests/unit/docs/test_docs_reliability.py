"""Each line of docs/reliability.md names a test: it is there, and its command finds it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from unit.docs.docs_pages import ROOT, text

PAGE = ROOT / "docs" / "reliability.md"
PROMISED = {
    *(f"R{n}" for n in (*range(1, 8), *range(9, 13), 15, 16, 17)),
    *("S10", "S11", "S13"),
}
FOLDERS = {
    "test-unit": "unit",
    "test-component": "component",
    "test-e2e": "e2e",
    "test-faults": "faults",
    "test-faults-short": "faults",
    "test-poison": "poison",
}
_COMMAND = re.compile(r"`make ([\w-]+)` \(([^)]*)\)")
_TEST = re.compile(r"`(test_\w+\.py)(?:::(test_\w+)…)?`")


@dataclass(frozen=True)
class Row:
    """One line of a table: what is tried, what came of it, and how anybody can see it."""

    id: str
    fault: str
    expected: str
    result: str
    command: str


def rows() -> list[Row]:
    """The lines of the page that begin with the id of a promise, or say that they have none."""
    lines = [line.strip("| ").split(" | ") for line in text(PAGE).splitlines()]
    return [Row(*cells) for cells in lines if re.fullmatch(r"[RS]\d+|–", cells[0])]


def test_every_promise_has_a_line() -> None:
    assert {row.id for row in rows()} >= PROMISED


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.id}: {row.fault[:40]}")
def test_the_command_of_a_line_runs_tests_that_exist(row: Row) -> None:
    makefile = text(ROOT / "Makefile")
    commands = _COMMAND.findall(row.command)
    assert commands, f"no `make …` (`test_….py`) in {row.command!r}"
    for target, tests in commands:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no make {target}"
        found = _TEST.findall(tests)
        assert found, f"no test in {tests!r}"
        for file, function in found:
            assert_exists(FOLDERS[target], file, function)


def assert_exists(folder: str, file: str, function: str) -> None:
    """A file of that name in the folder, and in it the function of which this is the beginning."""
    paths = list((ROOT / "tests" / folder).rglob(file))
    assert paths, f"tests/{folder} has no {file}"
    bodies = "\n".join(text(path) for path in paths)
    assert re.search(rf"^(?:async )?def {function or 'test_'}\w*\(", bodies, re.MULTILINE), (
        f"{file} has no function that begins with {function}"
    )


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.id}: {row.fault[:40]}")
def test_every_line_says_what_came_of_it(row: Row) -> None:
    assert row.result.strip()
    assert "no result yet" not in row.result
