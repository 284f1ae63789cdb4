"""Undoing what was done: which undo runs when, with what, and what is said of it."""

from __future__ import annotations

import pytest

from support.sagas import (
    Raw,
    condition,
    fail,
    input_of,
    key_of,
    role_of,
    succeed,
    three,
    undoable,
    undone,
)
from support.world import World, action, step, workflow


def test_the_newest_is_undone_first_then_the_handler_is_told_then_the_run_ends() -> None:
    w = three()
    succeed(w, '{"n": 10}', '{"n": 20}')
    fail(w)
    assert w.verdict() == ("Unknown", "Compensating")
    assert condition(w, "Compensated")["status"] == "Unknown"
    assert role_of(w) == ("undo", "b")
    assert input_of(w.job()) == '{"n":20,"was":{"k":2}}'
    assert "undo-b" in w.job()["metadata"]["name"]
    assert not undone(w, "a"), "one at a time"
    succeed(w)
    assert role_of(w) == ("undo", "a")
    assert 'n":10' in input_of(w.job())
    succeed(w)
    assert w.verdict() == ("Unknown", "Finishing")
    assert role_of(w) == ("onFailure", "")
    said = '{"undone":[{"step":"b","state":"Succeeded","reason":null}'
    assert input_of(w.job()).startswith(said)
    succeed(w)
    assert w.verdict() == ("False", "ExitCode")
    assert condition(w, "Compensated")["status"] == "True"
    assert [undone(w, s).get("seq") for s in "abc"] == [5, 4, None]
    assert "output" not in undone(w, "b"), "nobody can read it, so it takes no room"


@pytest.mark.parametrize(
    ("spec", "step_c", "asked"),
    [
        pytest.param({}, {}, ["b", "a"], id="the default is to undo"),
        pytest.param({"failurePolicy": "Compensate"}, {}, ["b", "a"], id="Compensate"),
        pytest.param({"failurePolicy": "Stop"}, {}, [], id="Stop"),
    ],
)
def test_failure_policy(spec: Raw, step_c: Raw, asked: list[str]) -> None:
    w = three(**spec)
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    seen = []
    while not w.completed:
        role, of = role_of(w)
        seen += [of] if role == "undo" else []
        succeed(w)
    assert seen == asked
    account = condition(w, "Compensated")
    if asked:
        assert (account["status"], account["reason"]) == ("True", "Compensated")
    else:
        assert (account["status"], account["reason"]) == ("False", "NotCompensated")
        assert account["message"] == "not undone: b, a"


OVERRIDES = [
    pytest.param({"disabled": True}, None, id="disabled: whatever the Action says"),
    pytest.param(
        {"action": "other", "input": {"x": "{{ steps.a.output.n }}"}}, '{"x":1}', id="own"
    ),
    pytest.param({"action": "other"}, "{}", id="own, without input"),
    pytest.param({"action": "other", "input": {"x": "{{ failure.step }}"}}, '{"x":"c"}', id="why"),
    pytest.param(
        {"action": "other", "input": {"x": "{{ trigger.body.m }}"}}, '{"x":7}', id="the trigger"
    ),
]


@pytest.mark.parametrize(("own", "given"), OVERRIDES)
def test_a_step_may_say_otherwise(own: Raw, given: str | None) -> None:
    steps = [step("a"), {**step("b"), "compensate": own}, step("c", "last")]
    actions = (undoable(), action("undo-it"), action("other"), action("last"))
    w = World(workflow(*steps), *actions, body={"m": 7})
    w.reconcile()
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    if given is None:
        assert role_of(w) == ("undo", "a")
    else:
        assert role_of(w) == ("undo", "b")
        assert input_of(w.job()) == given
        assert undone(w, "b")["action"] == "other"


def test_nothing_to_undo_has_no_condition_and_a_failed_step_did_nothing() -> None:
    w = three()
    fail(w)
    assert role_of(w) == ("onFailure", "")
    succeed(w)
    assert w.verdict() == ("False", "ExitCode")
    assert condition(w, "Compensated") == {}
    assert not undone(w, "a")


def test_a_run_that_succeeds_undoes_nothing() -> None:
    w = three()
    succeed(w, '{"n": 1}', '{"n": 2}', "{}")
    assert w.verdict() == ("True", "Succeeded")
    assert condition(w, "Compensated") == {}


def test_an_unknown_outcome_is_undone_too() -> None:
    by_input = {"action": "undo-it", "input": {"k": "{{ input.k }}"}}
    w = three(undoable(compensate=by_input))
    succeed(w, '{"n": 1}')
    w.ends(code=137, reason="OOMKilled")
    w.reconcile()
    assert w.step("b")["state"] == "Unknown"
    assert role_of(w) == ("undo", "b")
    assert input_of(w.job()) == '{"k":2}'


def test_an_undo_for_want_of_an_output_is_recorded_and_the_rest_goes_on() -> None:
    w = three()
    succeed(w, '{"n": 1}')
    w.ends("this is no JSON")
    w.reconcile()
    assert undone(w, "b")["reason"] == "OutcomeUnknown"
    assert undone(w, "b")["state"] == "NotStarted"
    assert role_of(w) == ("undo", "a")
    succeed(w, "{}", "{}")
    account = condition(w, "Compensated")
    assert (account["status"], account["reason"]) == ("False", "CompensationFailed")
    assert account["message"] == "could not be undone: b (OutcomeUnknown)"
    assert w.verdict() == ("False", "OutputInvalid"), "the reason stays that of the first failure"


def test_an_undo_with_a_mistake_in_its_template_is_a_mistake() -> None:
    w = three(undoable(compensate={"action": "undo-it", "input": {"x": "{{ output.nope }}"}}))
    succeed(w, '{"n": 1}', '{"n": 1}')
    fail(w)
    assert undone(w, "b")["reason"] == "InvalidTemplate"
    assert undone(w, "a")["reason"] == "InvalidTemplate"
    assert role_of(w) == ("onFailure", "")


def test_an_undo_has_the_retries_of_its_own_action_and_a_failed_one_is_passed() -> None:
    retry = {"maxAttempts": 2, "initialDelaySeconds": 5}
    w = three(undo=action("undo-it", retry=retry))
    succeed(w, '{"n": 1}', '{"n": 2}')
    fail(w)
    fail(w, code=9)
    assert undone(w, "b")["state"] == "Retrying"
    assert len(w.created) == 4, "nothing else starts meanwhile"
    w.tick(6)
    w.reconcile()
    assert (undone(w, "b")["tries"], role_of(w)) == (2, ("undo", "b"))
    first, second = (j for j in w.jobs.values() if j["metadata"]["name"].count("undo-b"))
    assert key_of(first) == key_of(second), "one key for all tries of an undo"
    assert key_of(first) not in {key_of(j) for j in w.jobs.values() if j not in (first, second)}
    fail(w, code=9)
    assert (undone(w, "b")["state"], undone(w, "b")["exitCode"]) == ("Failed", 9)
    assert role_of(w) == ("undo", "a")
    succeed(w, "{}", "{}")
    assert condition(w, "Compensated")["message"] == "could not be undone: b (ExitCode)"
