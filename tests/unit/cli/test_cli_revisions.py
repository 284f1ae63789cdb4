"""Revisions told in words: what changed, which is current, and the difference of two."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from workflow_do.cli.revisions import change_of, difference, history_table
from workflow_do.sdk.errors import NotFound
from workflow_do.sdk.revisions import History, Revision

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
CHARGE = {"id": "charge", "action": "charge-card", "input": {"amount": "{{ trigger.body.n }}"}}
SHIP = {"id": "ship", "action": "ship-order", "input": {}}


def revision(number: int, *steps: dict[str, Any], image: str = "1", **spec: Any) -> Revision:
    actions = {step["action"]: {"image": f"example.com/{step['action']}:{image}"} for step in steps}
    return Revision(
        name=f"order-{number or 'live'}",
        number=number,
        created=NOW - timedelta(hours=10 - number) if number else None,
        workflow={"steps": list(steps), **spec},
        actions=actions,
    )


ONE = revision(1, CHARGE)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        pytest.param(ONE, "nothing", id="nothing"),
        pytest.param(revision(2, CHARGE, SHIP), "+step ship, +action ship-order", id="more"),
        pytest.param(
            revision(2, {**CHARGE, "input": {"amount": 1}}), "step charge", id="another input"
        ),
        pytest.param(
            revision(2, CHARGE, image="2"),
            "action charge-card: example.com/charge-card:2",
            id="another image",
        ),
        pytest.param(revision(2, CHARGE, title="Order"), "title", id="a field of the Workflow"),
        pytest.param(
            revision(2, SHIP, title="x", image="2"),
            "+step ship, -step charge, -action charge-card, +action ship-order and 1 more",
            id="much",
        ),
    ],
)
def test_a_change_in_few_words(after: Revision, said: str) -> None:
    assert change_of(ONE, after) == said


def test_another_order_of_steps_is_a_change() -> None:
    assert change_of(revision(1, CHARGE, SHIP), revision(2, SHIP, CHARGE)) == "order of steps"


def history(*revisions: Revision, live: Revision | None) -> History:
    return History("order", "shop", revisions, live)


def printed(told: History, **runs: int) -> list[str]:
    target = Console(file=StringIO(), width=120)
    target.print(history_table(told, Counter({f"order-{k[1:]}": n for k, n in runs.items()}), NOW))
    return [line.rstrip() for line in target.file.getvalue().splitlines()]  # type: ignore[attr-defined]


TWO = revision(2, CHARGE, SHIP)


def test_the_history_has_the_newest_first_and_marks_the_current_one() -> None:
    assert printed(history(ONE, TWO, live=ONE), r1=3) == [
        "REVISION      NAME      AGE     RUNS   CHANGE",
        "2             order-2   8h00m   0      +step ship, +action ship-order",
        "1 (current)   order-1   9h00m   3      the first that is kept",
    ]


def test_what_no_run_has_used_is_shown_as_live() -> None:
    assert printed(history(ONE, live=revision(0, CHARGE, image="3")))[1:] == [
        "- (current)   live              0      action charge-card: example.com/charge-card:3",
        "1             order-1   9h00m   0      the first that is kept",
    ]


@pytest.mark.parametrize("wanted", ["2", "order-2"])
def test_a_revision_is_found_by_number_and_by_name(wanted: str) -> None:
    assert history(ONE, TWO, live=None).find(wanted) is TWO


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(NotFound, match=r'no revision "7" of Workflow "order"; there are: 1, 2'):
        history(ONE, TWO, live=None).find("7")


@pytest.mark.parametrize(
    ("live", "before"),
    [
        pytest.param(TWO, ONE, id="the one before"),
        pytest.param(revision(0, SHIP), TWO, id="the newest, where the live one is none"),
        pytest.param(None, TWO, id="the newest, where the Workflow is gone"),
    ],
)
def test_where_a_rollback_leads_by_default(live: Revision | None, before: Revision) -> None:
    assert history(ONE, TWO, live=live).before() is before


def test_there_may_be_nothing_to_go_back_to() -> None:
    with pytest.raises(NotFound, match=r"no revision .* to go back to"):
        history(ONE, live=ONE).before()


def test_the_difference_is_of_content_and_not_of_the_order_of_keys() -> None:
    swapped = Revision("order-2", 2, None, dict(reversed(ONE.workflow.items())), ONE.actions)
    assert difference(ONE, swapped) == []
    assert difference(ONE, revision(2, CHARGE, image="2")) == [
        "--- order-1 (1)",
        "+++ order-2 (2)",
        "@@ -1,6 +1,6 @@",
        " actions:",
        "   charge-card:",
        "-    image: example.com/charge-card:1",
        "+    image: example.com/charge-card:2",
        " workflow:",
        "   steps:",
        "   - action: charge-card",
    ]


def test_nothing_in_a_definition_reaches_the_terminal_as_a_command() -> None:
    evil = revision(2, CHARGE, title="\x1b[2J")
    assert "\x1b" not in "".join(difference(ONE, evil))
