"""The page of expressions: every example gives what it says, and there is one for each filter."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from unit.docs.docs_pages import ROOT, blocks
from workflow_do.engine.expressions import parse, render
from workflow_do.engine.expressions.listfilters import FILTERS
from workflow_do.engine.expressions.predicates import PREDICATES

PAGE = ROOT / "docs" / "expressions.md"
LINES = [line for block in blocks(PAGE, "text") for line in block.splitlines() if "→" in line]
EXAMPLES = [tuple(part.strip() for part in line.split("→")) for line in LINES]
SCOPE: dict[str, Any] = {
    "trigger": {
        "body": {
            "lines": [
                {"sku": "pen", "price": 9},
                {"sku": "ink", "price": 3.5},
                {"sku": "pad", "price": 2},
            ],
        }
    }
}


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES)
def test_an_example_gives_what_it_says(expression: str, expected: str) -> None:
    value = render(parse("{{ " + expression + " }}"), SCOPE)
    assert value == json.loads(expected)
    assert type(value) is type(json.loads(expected))


def test_every_filter_and_test_has_an_example() -> None:
    shown = "\n".join(expression for expression, _ in EXAMPLES)
    filters = set(re.findall(r"\| (\w+)", shown))
    tests = set(re.findall(r" is (\w+)", shown))
    assert filters == {*FILTERS, "default", "d"}
    assert tests == {*PREDICATES, "defined", "undefined"}
