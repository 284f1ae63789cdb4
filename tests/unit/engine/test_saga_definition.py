"""Compensations that cannot be carried out are told when they are applied."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import step
from workflow_do.engine.definition import define
from workflow_do.engine.problem import Problem

Raw = dict[str, Any]

BAD = [
    pytest.param(
        {"compensate": {"action": "undo-it", "input": {"x": "{{ steps.a.output }}"}}},
        "Action 'do-it': compensate.input.x: 'steps' is not defined here",
        id="an Action knows no steps",
    ),
    pytest.param(
        {"compensate": {"action": "nope"}},
        "there is no Action 'nope', which undoes the Action 'do-it': apply it",
        id="what undoes an Action is not there",
    ),
]


@pytest.mark.parametrize(("spec", "message"), BAD)
def test_a_bad_compensation_is_told_when_it_is_applied(spec: Raw, message: str) -> None:
    actions = {"do-it": {"image": "x", **spec}, "undo-it": {"image": "x"}}
    found = define("flow", {"steps": [step("a")]}, actions)
    assert isinstance(found, Problem)
    assert found.message.startswith(message)


BAD_STEPS = [
    pytest.param({"x": "{{ steps.b.output }}"}, "the step 'b' does not come before", id="itself"),
    pytest.param({"x": "{{ failure.nope }}"}, "failure has no 'nope'", id="failure"),
    pytest.param({"x": "{{ nope }}"}, "'nope' is not defined here", id="unknown"),
]


@pytest.mark.parametrize(("given", "message"), BAD_STEPS)
def test_a_bad_compensation_of_a_step_names_the_place(given: Raw, message: str) -> None:
    own = {"action": "do-it", "input": given}
    flow = {"steps": [step("a"), {**step("b"), "compensate": own}]}
    found = define("flow", flow, {"do-it": {"image": "x"}})
    assert isinstance(found, Problem)
    assert found.message.startswith("steps[1].compensate.input.x: ")
    assert message in found.message
