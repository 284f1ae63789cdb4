"""What is answered before a definition is stored: the findings of the checker, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from support.definitions import GIVES, TAKES, flow
from support.leaves import specs_with
from workflow_do.api.action import ActionSpec
from workflow_do.api.workflow import WorkflowSpec
from workflow_do.engine.review import Answer, review

RAW = dict[str, Any]


def named(name: str, spec: Any) -> RAW:
    return {"metadata": {"name": name}, "spec": spec}


ACTIONS = {"gives": named("gives", GIVES), "takes": named("takes", TAKES)}


def test_what_is_right_is_let_through_without_a_word() -> None:
    assert review("Workflow", named("w", flow()), ACTIONS) == Answer(True)
    assert review("Action", named("takes", TAKES), {}) == Answer(True)


def test_every_error_is_told() -> None:
    answer = review("Workflow", named("w", flow("userid", idd="x")), ACTIONS)
    assert not answer.allowed
    assert "steps[1].input.id: `steps.make.output` has no `userid`" in answer.message
    assert "steps[1].input.idd: `idd` is not taken (did you mean `id`?)" in answer.message


def test_an_action_that_is_not_there_yet_is_told_and_no_reason_to_refuse() -> None:
    answer = review("Workflow", named("w", flow()), {"takes": ACTIONS["takes"]})
    assert answer == Answer(True, "", ("there is no Action `gives` yet",))


def test_warnings_are_told_and_bounded() -> None:
    optional = {**GIVES, "outputSchema": {"properties": {"userId": {"type": "string"}}}}
    actions = {**ACTIONS, "gives": named("gives", optional)}
    answer = review("Workflow", named("w", flow()), actions)
    assert answer.allowed
    [warning] = answer.warnings
    assert warning.startswith("steps[1].input.id: ")
    many = {"steps": [{"id": f"s{n}", "action": f"absent-{n}"} for n in range(40)]}
    told = review("Workflow", named("w", many), {}).warnings
    assert (len(told), told[-1]) == (11, "and 30 more")


def test_an_action_that_cannot_be_used_is_refused() -> None:
    answer = review("Action", named("a", {"image": "x", "inputSchema": {"type": "strin"}}), {})
    assert not answer.allowed
    assert answer.message.startswith("inputSchema")


@pytest.mark.parametrize("kind", ["Workflow", "Action", "WorkflowRun", ""])
@pytest.mark.parametrize("spec", [None, [], "x", {}, {"steps": [None]}, {"steps": {"a": 1}}])
def test_total_on_anything(kind: str, spec: Any) -> None:
    answer = review(kind, {"metadata": None, "spec": spec}, {})
    assert answer.allowed is (kind not in ("Workflow", "Action"))


@pytest.mark.parametrize(("kind", "model"), [("Workflow", WorkflowSpec), ("Action", ActionSpec)])
def test_a_broken_template_anywhere_has_an_answer(kind: str, model: Any) -> None:
    for _, spec in specs_with(model, "{{ 1 + }}"):
        answer = review(kind, named("x", spec), ACTIONS)
        assert answer.allowed or answer.message


def test_another_workflow_that_is_not_there_yet_is_told_and_one_that_is_there_is_checked() -> None:
    calls = {"steps": [{"id": "pay", "workflow": "pay", "input": {"n": "x"}}]}
    answer = review("Workflow", named("w", calls), {})
    assert answer == Answer(True, warnings=("there is no Workflow `pay` yet",))
    takes = {"trigger": {"bodySchema": {"properties": {"n": {"type": "integer"}}}}}
    pay = named("pay", {**takes, "steps": [{"id": "a", "action": "takes"}]})
    refused = review("Workflow", named("w", calls), {}, {"pay": pay})
    assert not refused.allowed
    assert "steps[0].input.n" in refused.message
