"""What can be known to be wrong with steps that start runs of other Workflows, before any run."""

from __future__ import annotations

from typing import Any

import pytest

from support.checking import ACTIONS, closed, flow, step
from workflow_do.api import names
from workflow_do.engine.check import check_workflow
from workflow_do.engine.definition import define
from workflow_do.engine.problem import Problem

Raw = dict[str, Any]
BODY = closed("n", n={"type": "integer", "minimum": 1})
PAY = flow(
    step("make", "create-user", email="a@example.com"),
    body=BODY,
    outputs={"city": "{{ steps.make.output.home.city }}", "many": "{{ 1 + 1 }}"},
)


def call(id_: str = "pay", name: str = "pay", **more: Any) -> Raw:
    return {"id": id_, "workflow": name, "input": {"n": 5}, **more}


def told(spec: Raw, complete: bool = True, **others: Raw) -> list[str]:
    found = check_workflow(
        "flow", spec, ACTIONS, complete=complete, workflows={"pay": PAY, **others}
    )
    return [str(finding) for finding in found]


def use(text: str) -> Raw:
    return step("use", "take-all", title="{{ " + text + " }}")


CHAIN = {f"w{at}": flow(call(name=f"w{at + 1}"), body=None) for at in range(40)}
CHAIN["w40"] = flow(step("a", "anything"), body=None)


def again(id_: str) -> Raw:
    """A step that starts the Workflow itself, if it is asked to."""
    return call(id_, "flow", when="{{ trigger.body.n > 1 }}")


SELF = flow(
    again("pay"),
    use("steps.pay.output.at | default('')"),
    body=BODY,
    outputs={"at": "{{ 'x' }}"},
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(flow(call()), None, id="right"),
        pytest.param(flow(call(), use("steps.pay.output.city")), None, id="an output of it"),
        pytest.param(
            flow(call(name="pya")),
            "steps[0].workflow: there is no Workflow `pya` (did you mean `pay`?); apply it",
            id="unknown",
        ),
        pytest.param(
            flow(call(input={"n": "x"})),
            'steps[0].input.n: it is "x", a string, not an integer (bodySchema of pay); `| int` '
            "makes a number of it",
            id="misfit",
        ),
        pytest.param(
            flow(call(input={})),
            "steps[0].input: `n` is missing: it is required (bodySchema of pay); add `n`",
            id="missing",
        ),
        pytest.param(
            flow(call(), use("steps.pay.output.town")),
            "steps[1].input.title: `steps.pay.output` has no `town`; it has `city`, `many`, by the "
            "outputs of pay",
            id="an output that it has not",
        ),
        pytest.param(
            flow(call(), step("use", "take-all", n="{{ steps.pay.output.city }}")),
            "steps[1].input.n: it is a string, not an integer (inputSchema of take-all); `| int` "
            "makes a number of it",
            id="an output of another type",
        ),
        pytest.param(
            flow(call(name="bad")),
            "steps[0].workflow: the Workflow `bad` cannot be used: steps[0].action: there is no "
            "Action `nobody`; apply it",
            id="wrong in itself",
        ),
        pytest.param(
            flow(call(name="w0", input={})),
            "steps: its runs may come to 41 Workflows, and 32 is the most; start some of them by "
            "other means",
            id="too many",
        ),
        pytest.param(SELF, None, id="itself, by a condition"),
        pytest.param(
            flow(call(name="back"), body=BODY),
            "warning: steps[0].workflow: its runs always come back to this Workflow, until they "
            "are nested too deep; give a step on the way a `when`",
            id="itself, always",
        ),
        pytest.param(flow(call(name="perhaps"), body=BODY), None, id="itself, by another, perhaps"),
        pytest.param(
            flow(call(name="perhaps"), use("steps.pay.output.x"), body=BODY),
            "steps[1].input.title: `steps.pay.output` has no `x`; it has no fields, by the outputs "
            "of perhaps",
            id="itself, without outputs",
        ),
    ],
)
def test_what_is_wrong_with_a_child(spec: Raw, expected: str | None) -> None:
    bad = flow(step("a", "nobody"), body=None)
    back, perhaps = (flow(made, body=BODY) for made in (call(name="flow"), again("pay")))
    others = {**CHAIN, "bad": bad, "back": back, "perhaps": perhaps}
    assert told(spec, **others) == ([expected] if expected is not None else [])


def test_a_workflow_that_is_not_given_is_unknown_where_not_all_are() -> None:
    assert told(flow(call(name="elsewhere"), use("steps.pay.output.x")), complete=False) == []


def test_the_undo_sees_the_outputs_of_the_child() -> None:
    undo = {"action": "take-all", "input": {"title": "{{ output.town }}", "n": "{{ input.n }}"}}
    [found] = told(flow(call(compensate=undo)))
    assert "`output` has no `town`" in found


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"action": "anything"}, "exactly one of action, workflow", id="two verbs"),
        pytest.param({"retry": {"maxAttempts": 2}}, "retry: the steps of a child run", id="retry"),
    ],
)
def test_what_a_step_with_a_child_cannot_have(more: Raw, words: str) -> None:
    found = define("flow", flow(call(**more)), ACTIONS)
    assert isinstance(found, Problem)
    assert words in found.message


def test_the_most_is_what_a_revision_may_name() -> None:
    assert names.MAX_CHILD_WORKFLOWS == 32
