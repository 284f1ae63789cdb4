"""Sizes: a run of 500 steps fits whatever they are called and however they end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.world import World, action, step, workflow
from workflow_do.api import names
from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.api.run import HandlerStatus, ItemStatus, RunStatus, StepStatus
from workflow_do.engine import budget
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.sizes import stored_size

LONGEST_REASON = max(Reason, key=len).value
TIME = "2026-01-31T08:00:00Z"
WIDEST: dict[str, Any] = {
    "id": "s" * 40,
    "action": "a" * 63,
    "onError": "Continue",
    "state": "NotStarted",
    "reason": LONGEST_REASON,
    "exitCode": -(2**31),
    "seq": 10**5,
    "tries": 110,
    "attempts": 100,
    "priorState": "NotStarted",
    "retryTime": TIME,
    "takenOver": True,
    "epoch": 10**5,
    "jobName": "j" * 63,
    "jobUID": "u" * 36,
    "imageID": "sha256:" + "0" * 64,
    "stopReason": LONGEST_REASON,
    "startTime": TIME,
    "completionTime": TIME,
    "inputHash": "h" * 52,
}
"""Every field of a record but output and texts, as long as it gets."""
ENDED = {k: v for k, v in WIDEST.items() if k not in ("priorState", "retryTime", "takenOver")}
"""Of these a record has none once it has failed."""


ELSEWHERE = (
    *("message", "logstail", "output", "outputref"),
    *("items", "compensation"),
    *("waituntil", "approvalsrequired", "approvals"),
    *("workflow", "runname", "runuid"),
)
"""Texts and outputs have budgets of their own, items and undo records are kept room for apart, and
a step that waits, or starts a run, has no Job to tell of.
"""
OF_A_JOB = {"action": "workflow", "jobName": "runName", "jobUID": "runUID"}
"""What of a step that starts a run stands instead."""


def record(at: int, **more: Any) -> StepStatus:
    return StepStatus.model_validate({**ENDED, "id": f"{at:040}", **more})


def size(status: RunStatus) -> int:
    return stored_size(dump(status))


def condition(type_: str, message: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": "Unknown",
        "reason": LONGEST_REASON,
        "message": message,
        "observedGeneration": 10**6,
        "lastTransitionTime": TIME,
    }


def worst(char: str = "<") -> RunStatus:
    """500 steps that failed with all there is to say, 128 KiB of outputs, a handler, a verdict."""
    message, tail = char * names.MAX_MESSAGE_CHARS, char * names.MAX_LOGS_TAIL_BYTES
    texts = {"message": message, "logsTail": tail, "imageID": "r" * 400 + "@sha256:" + "0" * 64}
    output = {"text": "x" * (names.MAX_OUTPUT_BYTES - 30)}
    some = names.MAX_INLINE_OUTPUTS_BYTES // stored_size(output)
    steps = [record(at, **texts, **({"output": output} if at < some else {})) for at in range(500)]
    handler = HandlerStatus.model_validate({**WIDEST, **texts})
    types = ("Succeeded", "Completed", "Stalled", "Reconciling", "Paused", "Compensated")
    return RunStatus.model_validate(
        {
            "observedGeneration": 10**6,
            "revisionName": "r" * 63,
            "rootRunUID": "u" * 36,
            "callPath": "/".join([f"{'s' * 40}[999]@99999"] * names.MAX_RUN_DEPTH),
            "depth": names.MAX_RUN_DEPTH,
            "childRevisions": {f"{at:050}": "r" * 61 for at in range(names.MAX_CHILD_WORKFLOWS)},
            "pausedSince": TIME,
            "pausedSeconds": 10**9,
            "startTime": TIME,
            "completionTime": TIME,
            "duration": "100000h59m59s",
            "progress": "499/500",
            "currentStep": "s" * 40,
            "conditions": [condition(type_, message) for type_ in types],
            "steps": [dump(s) for s in steps],
            "onFailure": dump(handler),
        }
    )


def test_the_widest_record_knows_every_field() -> None:
    """A new field of a record is a new claim on the budget."""
    known = {k.lower() for k in WIDEST}
    fields = {f.replace("_", "") for f in StepStatus.model_fields}
    assert known == fields - set(ELSEWHERE)


def test_a_record_is_no_larger_than_what_is_kept_for_it() -> None:
    everything = StepStatus.model_validate({**WIDEST, "message": "", "logsTail": ""})
    assert stored_size(dump(everything)) <= budget.RECORD_BYTES


def test_a_step_that_starts_a_run_needs_no_more_room() -> None:
    fields = {OF_A_JOB.get(key, key): value for key, value in WIDEST.items()}
    image = {"imageID": None, "workflow": "w" * 50, "message": "", "logsTail": ""}
    everything = StepStatus.model_validate({**fields, **image})
    assert stored_size(dump(everything)) <= budget.RECORD_BYTES


def test_an_item_that_is_to_be_retried_needs_no_more_room_than_one_that_runs() -> None:
    waits = {"state": "Pending", "epoch": 10**5, "runName": "r" * 63, "runUID": "u" * 36}
    assert stored_size(dump(ItemStatus.model_validate(waits))) + 1 <= budget.ITEM_BYTES


def test_the_steps_of_the_widest_run_all_have_room() -> None:
    done = [record(at) for at in range(names.MAX_STEPS - 1)]
    last = StepStatus(id="s" * 40, action="a" * 63)
    assert budget.room(Ledger((*done, last))) >= budget.RECORD_BYTES
    assert stored_size(dump(record(1))) <= budget.RECORDS_BYTES // names.MAX_STEPS


def test_a_record_that_has_no_room_is_not_begun() -> None:
    """Only a status that was patched by hand gets there."""
    bloated = record(0, reason="x" * budget.RECORDS_BYTES)
    left = budget.room(Ledger((bloated, StepStatus(id="two", action="a"))))
    assert left < budget.RECORD_BYTES
    found = budget.too_large(budget.RECORD_BYTES, left)
    assert found.reason is Reason.STATUS_TOO_LARGE
    assert "split" in found.message


def test_a_run_whose_status_was_bloated_ends() -> None:
    world = World(workflow(step("one"), step("two")), action("do-it"))
    world.reconcile()
    world.ends("{}")
    world.run["status"]["steps"][0]["inputHash"] = "x" * budget.RECORDS_BYTES
    world.reconcile()
    assert world.verdict() == ("False", "StatusTooLarge")
    assert [s["state"] for s in world.status["steps"]] == ["Succeeded", "NotStarted"]


@pytest.mark.parametrize("char", ["x", "<", "ö", "行", "🚀", '"'])
def test_the_worst_status_is_cut_to_its_limit(char: str) -> None:
    status = budget.fit(worst(char))
    assert size(status) <= names.MAX_STATUS_BYTES
    assert len(status.steps) == 500
    assert all(s.message is None or s.message.endswith(" …") for s in status.steps)
    assert all(s.image_id == "sha256:" + "0" * 64 for s in status.steps)
    assert budget.fit(status) == status, "doing it again changes nothing"


def test_what_is_kept_for_the_verdict_is_there_with_full_steps() -> None:
    status = budget.fit(worst("<"))
    rest = status.model_copy(update={"steps": ()})
    assert size(rest) <= budget.VERDICT_BYTES


def test_what_is_small_is_left_as_it_is() -> None:
    steps = tuple(record(at, message="m" * 500, logsTail="t" * 600) for at in range(100))
    status = RunStatus(steps=steps)
    assert budget.fit(status) == status


def test_the_longest_texts_are_cut_first() -> None:
    """300 short messages stay whole, 200 long ones share what is left."""
    short = [record(at, message="short") for at in range(300)]
    long = [record(at, message="m" * 1000) for at in range(300, 500)]
    status = budget.fit(RunStatus(steps=(*short, *long)))
    assert [s.message for s in status.steps[:300]] == ["short"] * 300
    lengths = {len(s.message or "") for s in status.steps[300:]}
    assert len(lengths) == 1
    assert 50 < lengths.pop() < 1000


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("abc", 3, "abc", id="fits"),
        pytest.param("abcdefgh", 7, "abc …", id="cut, and it shows"),
        pytest.param("<<<<", 24, "<<<<", id="escaped, fits"),
        pytest.param("<<<<", 23, "<<< …", id="escaped, cut"),
        pytest.param("öööö", 7, "ö …", id="never in the middle of a character"),
        pytest.param("ab  cdefgh", 8, "ab …", id="no space before the ellipsis"),
        pytest.param("abcdefgh", 4, None, id="no room"),
    ],
)
def test_cutting(text: str, limit: int, expected: str | None) -> None:
    assert budget.cut(text, limit) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 60))
def test_what_is_cut_is_within_the_limit(text: str, limit: int) -> None:
    found = budget.cut(text, limit)
    assert found is None or len(go_text(found)) <= limit
    assert found == text or len(go_text(text)) > limit


def go_text(text: str) -> bytes:
    """The inside of a JSON string as Go's encoder writes it."""
    return as_go(text)[1:-1]


def as_go(value: Any) -> bytes:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        data = data.replace(char, f"\\u{ord(char):04x}")
    return data.encode()


@given(
    st.recursive(
        st.text("a<>&\u2028ö🚀\n"), lambda v: st.lists(v) | st.dictionaries(st.text("k<"), v)
    )
)
def test_the_stored_size_is_that_of_go(value: Any) -> None:
    assert stored_size(value) == len(as_go(value))


def test_a_trigger_is_measured_as_it_is_stored() -> None:
    """200 KB of `<` take 1.2 MB in the store, where they would leave no room for the status."""
    world = World(workflow(step("one")), action("do-it"), body="<" * 200_000)
    world.reconcile()
    assert world.verdict() == ("False", "TriggerTooLarge")
    assert world.created == []


def test_a_definition_that_no_revision_can_hold_is_not_ready() -> None:
    steps = [step(f"s{at}", text="x" * 2000) for at in range(400)]
    world = World(workflow(*steps), action("do-it"))
    world.reconcile()
    world.tick(21)
    world.reconcile()
    assert world.verdict() == ("False", "WorkflowNotReady")
    assert world.revisions == {}
