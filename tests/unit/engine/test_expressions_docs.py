"""The examples of docs/expressions.md, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from workflow_do.engine.expressions import parse, render

PAGE = Path(__file__).parents[3] / "docs" / "expressions.md"
SCOPE: dict[str, Any] = {
    "trigger": {
        "body": {
            "name": None,
            "amount": 2000,
            "country": "AT",
            "items": [1, 2],
            "users": [{"name": "Kim", "role": "user"}, {"name": "Ada", "role": "admin"}],
            "lines": [{"amount": 0.1}, {"amount": 0.2}],
        }
    },
    "steps": {
        "createUser": {"output": {"userId": "u-1"}},
        "lookup": {"output": None},
        "check": {"output": None},
    },
}
EXPECTED = {
    "userId": "u-1",
    "greeting": "Hello you",
    "express": True,
    "count": 2,
    "names": ["Kim", "Ada"],
    "admin": {"name": "Ada", "role": "admin"},
    "total": "0.3 EUR",
    "queue": "normal",
    "customer": {"id": "u-1", "plan": "free"},
    "score": 0,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_yaml_examples_give_what_they_promise() -> None:
    found: dict[str, Any] = {}
    for block in blocks("yaml"):
        value = yaml.safe_load(block)
        found |= render(parse(value.get("input", value)), SCOPE)
    assert found == EXPECTED


def test_default_examples_give_the_default() -> None:
    lines = [line.split("}}")[0] + "}}" for line in "".join(blocks("jinja")).splitlines()]
    assert [render(parse(line), SCOPE) for line in lines] == ["free-tier", None]


def test_failures_read_as_the_page_says() -> None:
    shown = [line for line in "".join(blocks("text")).splitlines() if "→" not in line]
    scope = {"trigger": {"body": {"email": "user@example.com", "note": None}}}
    for line in shown:
        path, _, _ = line.partition(": ")
        source = line.rpartition("in `")[2].rstrip("`")
        template = f"{{{{ {source} }}}}" if "email" in path else f"<{{{{ {source} }}}}>"
        start, _, key = path.rpartition(".")
        assert str(render(parse({key: template}, start), scope)) == line
