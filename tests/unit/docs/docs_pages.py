"""The project's pages for people, read for the tests: links, code, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflow_do.api.names import API_VERSION

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "charts").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "hack").rglob("*.md"),
    ]
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"(`+)(.+?)\1")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def name(page: Path) -> str:
    """How a page is called in a test's id."""
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    """A page as it stands."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", text(page))


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of code in these languages ('' for none)."""
    return [body for language, body in _FENCE.findall(text(page)) if language in languages]


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(prose(page))


def spans(text: str) -> list[str]:
    """What stands in backticks."""
    return [body for _, body in _SPAN.findall(text)]


def anchors(page: Path) -> set[str]:
    """What `#…` can point to in a page: its headings, as forges write them."""
    return {_slug(heading) for heading in _HEADING.findall(prose(page))}


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@dataclass(frozen=True)
class Shown:
    """An object of ours that a page shows."""

    page: Path
    raw: dict[str, Any]

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.raw['kind']}"


def shown(page: Path) -> Iterator[Shown]:
    """The objects of our API in a page's YAML."""
    for block in blocks(page, "yaml"):
        for raw in yaml.safe_load_all(block):
            if isinstance(raw, dict) and raw.get("apiVersion") == API_VERSION:
                yield Shown(page, raw)
