"""What a run's record and its handler are told of: never values, and logs only where allowed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.engine.plan import plan

CANARY = "canary-9f1b7c"
TELL = {"action": "tell", "input": {"failure": "{{ failure }}"}}


def failing(**spec: Any) -> World:
    """A run whose only step has failed with a secret in its log and in its output file."""
    flow = workflow(step("a"), onFailure=TELL)
    w = World(flow, action("do-it", **spec), action("tell"), body={})
    w.reconcile()
    w.pod()
    w.logs = dict.fromkeys(w.pods, f"connecting with {CANARY}\n")
    w.ends(json.dumps({"token": CANARY}), code=1)
    return w


def told(w: World) -> str:
    """All that the API server stores of the run: its status and its Jobs."""
    return json.dumps((w.status, w.jobs))


def test_the_end_of_a_log_is_with_the_run_unless_the_action_says_no() -> None:
    w = failing()
    w.reconcile()
    assert CANARY in w.step("a")["logsTail"]
    assert CANARY in told(w)


def test_with_logs_tail_false_the_log_is_not_even_read() -> None:
    w = failing(logsTail=False)
    assert plan(replace(w.observe(), logs={}), w.now).needs_logs == {}
    w.reconcile()
    assert "logsTail" not in w.step("a")
    assert [job for job in w.jobs.values() if "onFailure" in json.dumps(job)], "it was told"
    assert CANARY not in told(w)


def test_the_output_file_of_a_try_that_failed_is_not_read() -> None:
    w = failing(logsTail=False, outputSchema={"type": "object"})
    w.reconcile()
    assert w.step("a")["state"] == "Failed"
    assert CANARY not in told(w)


NUMBERS = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schemas", "given", "output", "reason"),
    [
        pytest.param(
            {"inputSchema": NUMBERS},
            {"x": "{{ trigger.body.secret }}"},
            "",
            "InputInvalid",
            id="input",
        ),
        pytest.param(
            {"outputSchema": NUMBERS}, {}, json.dumps({"x": CANARY}), "OutputInvalid", id="output"
        ),
        pytest.param(
            {"outputSchema": {"properties": {"x": {"pattern": "^[0-9]+$"}}}},
            {},
            json.dumps({"x": CANARY}),
            "OutputInvalid",
            id="output by pattern",
        ),
        pytest.param(
            {"outputSchema": {"properties": {"x": {"enum": ["a", "b"]}}}},
            {},
            json.dumps({"x": CANARY}),
            "OutputInvalid",
            id="output by enum",
        ),
        pytest.param(
            {"outputSchema": {"additionalProperties": False}},
            {},
            json.dumps({CANARY: 1}),
            "OutputInvalid",
            id="name of a surplus key",
        ),
        pytest.param({}, {}, f'{{"x": "{CANARY}', "OutputInvalid", id="output that is no JSON"),
        pytest.param({}, {}, f'["{CANARY}"]', "OutputInvalid", id="output that is no object"),
        pytest.param({}, {}, json.dumps(CANARY * 400), "OutputTooLarge", id="output too large"),
        pytest.param(
            {}, {"x": "{{ trigger.body.secret + 1 }}"}, "", "InvalidTemplate", id="template: +"
        ),
        pytest.param(
            {}, {"x": "{{ trigger.body.secret | int }}"}, "", "InvalidTemplate", id="template: int"
        ),
        pytest.param(
            {}, {"x": "{{ trigger.body.secret.y }}"}, "", "InvalidTemplate", id="template: field"
        ),
    ],
)
def test_error_texts_hold_no_values(
    schemas: dict[str, Any], given: dict[str, Any], output: str, reason: str
) -> None:
    flow = workflow(step("a", "do-it", **given))
    w = World(flow, action("do-it", **schemas), body={"secret": CANARY})
    w.reconcile()
    if w.jobs:
        w.ends(output)
        w.reconcile()

    assert w.step("a")["reason"] == reason
    assert w.step("a")["message"]
    assert CANARY not in json.dumps(w.status)


def test_a_body_that_does_not_fit_is_not_quoted() -> None:
    flow = workflow(step("a"), trigger={"type": "api", "bodySchema": NUMBERS})
    w = World(flow, action("do-it"), body={"x": CANARY})
    w.reconcile()

    assert w.verdict() == ("False", "BodyInvalid")
    assert CANARY not in json.dumps(w.status)
