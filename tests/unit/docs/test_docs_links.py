"""What the pages point to is there: links, headings, files, make targets, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT, anchors, blocks, links, name, prose, spans, text

from workflow_do.cli.main import app

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = frozenset(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
COMMANDS = frozenset(
    info.name or info.callback.__name__ for info in app.registered_commands if info.callback
)
BUILT = ("build/", ".venv/")
"""Folders that exist once something was built."""
each_page = pytest.mark.parametrize("page", PAGES, ids=name)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    inside = [link for link in links(page) if "://" not in link]
    assert [link for link in inside if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@each_page
def test_make_targets_exist(page: Path) -> None:
    code = [*spans(prose(page)), *"".join(blocks(page, "sh", "console", "")).splitlines()]
    called = {
        target
        for line in code
        for target in re.findall(r"(?:^|\s)make ((?:[a-z]+-?)+)(?=\s|$)", line)
    }
    assert called - TARGETS == set()


@each_page
def test_commands_of_the_plugin_exist(page: Path) -> None:
    lines = [*spans(prose(page)), *"".join(blocks(page, "sh", "console")).splitlines()]
    called = {
        command
        for line in lines
        for command in re.findall(r"kubectl[ -]workflow ([a-z]+)", line.partition("#")[0])
    }
    assert called - COMMANDS == set()


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    assert [path for path in paths(page) if not (ROOT / path).exists()] == []


def paths(page: Path) -> set[str]:
    """What reads like the path of a file of this repository, from its root."""
    tops = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")}
    words = " ".join([*spans(prose(page)), *blocks(page, "sh", "console")]).split()
    plain = (word.strip("'\"`,;:()=").removeprefix("./").removeprefix("@") for word in words)
    return {
        word
        for word in plain
        if "/" in word
        and word.partition("/")[0] in tops
        and re.fullmatch(r"[\w./-]+", word)
        and not word.startswith(BUILT)
    }


def test_every_page_of_the_documentation_is_in_an_index() -> None:
    indexes = (ROOT / "docs" / "README.md", ROOT / "docs" / "decisions" / "README.md")
    listed = {(i.parent / link.partition("#")[0]).resolve() for i in indexes for link in links(i)}
    found = set((ROOT / "docs").rglob("*.md")) - set(indexes)
    assert {name(page) for page in found - listed} == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=name)
def test_a_decision_is_short(page: Path) -> None:
    assert len(text(page).splitlines()) <= 25


def test_every_setting_of_the_operator_is_told() -> None:
    config = (ROOT / "operator" / "workflow_do" / "runtime" / "config.py").read_text("utf-8")
    reads = r'(?:_PREFIX \+ |_choice\(environ, |_whole\(environ, )"([A-Z_]+)"'
    settings = {f"WORKFLOW_DO_{word}" for word in re.findall(reads, config)}
    page = text(ROOT / "docs" / "installing.md")
    assert len(settings) >= 6
    assert {name for name in settings if f"| `{name}` |" not in page} == set()
