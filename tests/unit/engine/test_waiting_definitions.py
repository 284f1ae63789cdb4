"""What a step without a Job may wait for, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from test_waiting import DO, ask, wait

from support.world import Raw, step, workflow
from workflow_do.api.reasons import Reason
from workflow_do.engine.definition import Definition, define


def definition(*steps: Raw) -> Any:
    return define("flow", workflow(*steps)["spec"], {"do-it": DO["spec"]})


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param({"id": "a"}, "exactly one of action, workflow, wait and", id="nothing"),
        pytest.param({**ask(), "action": "do-it"}, "steps[0]: exactly one of", id="two"),
        pytest.param(wait(), "steps[0].wait: exactly one of seconds and until", id="no time"),
        pytest.param(
            wait(seconds=1, until="2026-01-31T08:00:00Z"), "steps[0].wait: exactly one", id="both"
        ),
        pytest.param(wait(seconds=-5), "steps[0].wait.seconds", id="a negative wait"),
        pytest.param(wait(seconds=0), "steps[0].wait.seconds", id="no wait at all"),
        pytest.param(wait(until="soon"), "steps[0].wait.until: it is no time", id="a word"),
        pytest.param(wait(until="{{ steps.x }}"), "steps[0].wait.until", id="unknown step"),
        pytest.param(ask(message="{{ nope }}"), "steps[0].approval.message", id="unknown name"),
        pytest.param(
            {**wait(seconds=1), "forEach": {"items": "{{ trigger.body }}"}},
            "steps[0].forEach: only a step with an action, a workflow or",
            id="for each",
        ),
        pytest.param(ask(required=11), "steps[0].approval.required", id="too many people"),
        pytest.param(ask(dataSchema={"type": "x"}), "steps[0].approval.dataSchema", id="no schema"),
        pytest.param(
            ask(onExpiry="Approve", dataSchema={"required": ["limit"]}),
            "steps[0].approval.onExpiry: silence gives {}",
            id="silence that does not fit",
        ),
    ],
)
def test_what_cannot_be_waited_for_is_told_with_its_place(bad: Raw, said: str) -> None:
    found = definition(bad)

    assert not isinstance(found, Definition)
    assert found.reason is Reason.WORKFLOW_NOT_READY
    assert said in found.message


def test_a_step_that_waits_has_no_action() -> None:
    found = definition(wait(seconds=5), ask(), step("a"))

    assert isinstance(found, Definition)
    assert [bool(unit.waits) for unit in found.steps] == [True, True, False]
