"""The change of a status: applied to the old one it gives the new one, whatever the two are."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_do.api.base import dump
from workflow_do.api.run import RunStatus, StepStatus
from workflow_do.engine.patches import Change, Op, status_patch

Raw = dict[str, Any]
ITEMS = st.lists(st.fixed_dictionaries({"state": st.sampled_from("ABC")}), max_size=4)
STEPS = st.fixed_dictionaries({"id": st.just("a")}, optional={"items": ITEMS, "n": st.integers()})
STATUSES = st.fixed_dictionaries(
    {"steps": st.lists(STEPS, max_size=3)}, optional={"outputs": st.none() | st.integers()}
)


def applied(status: Raw, ops: list[Op]) -> Any:
    """The status after add, replace and remove in it, as RFC 6902 says of mappings and lists."""
    document: Any = {"status": copy.deepcopy(status)}
    for op in ops:
        *path, last = op["path"].split("/")[1:]
        at = document
        for part in path:
            at = at[int(part) if isinstance(at, list) else part]
        key = int(last) if isinstance(at, list) else last
        if op["op"] == "add":
            assert isinstance(at, dict), "nothing is put into the middle of a list"
        else:
            at[key]  # must be there
        if op["op"] == "remove":
            del at[key]
        else:
            at[key] = op["value"]
    return document["status"]


@given(STATUSES, STATUSES)
def test_a_patch_gives_the_new_status(old: Raw, new: Raw) -> None:
    assert applied(old, status_patch(old, new)) == new


STATES = st.sampled_from(["Pending", "Running", "Succeeded"])
SHORT = st.lists(st.builds(StepStatus, id=st.just("a"), state=STATES), max_size=4).map(tuple)


@given(SHORT, st.data())
def test_a_change_between_two_statuses_is_the_patch_of_all_of_them(
    steps: tuple[StepStatus, ...], data: st.DataObject
) -> None:
    """Steps that are the same object in both need not be looked at."""
    old = RunStatus(steps=steps, progress="0/9")
    others = data.draw(SHORT)
    kept = tuple(data.draw(st.sampled_from(pair)) for pair in zip(steps, others, strict=False))
    new = RunStatus(steps=data.draw(st.sampled_from((kept, others, steps))), progress="1/9")
    change = Change.between(old, new)
    assert applied(dump(old), change.patch()) == dump(new)
    assert change.gave(dump(new))


def test_an_answer_that_says_anything_else_is_not_what_a_change_gave() -> None:
    """An API server whose CRD is older drops what it does not know."""
    steps = (StepStatus(id="a"), StepStatus(id="b"))
    old = RunStatus(steps=steps, progress="0/2")
    new = RunStatus(steps=(StepStatus(id="a", seq=1), steps[1]), progress="1/2")
    change = Change.between(old, new)
    stored = dump(new)
    assert change.gave(stored)
    without = [{**stored["steps"][0]}, stored["steps"][1]]
    del without[0]["seq"]
    for other in (
        {**stored, "steps": without},
        {**stored, "progress": "0/2"},
        {**stored, "more": 1},
        {**stored, "steps": stored["steps"][:1]},
        {key: value for key, value in stored.items() if key != "progress"},
        {},
        None,
    ):
        assert not change.gave(other)


def test_a_status_that_was_never_written_is_written_whole() -> None:
    new = RunStatus(progress="0/0")
    assert Change.between(RunStatus(), new).patch() == [
        {"op": "add", "path": "/status", "value": dump(new)}
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"id": "a"}, {"id": "a", "items": []}, id="a-list-of-none-is-begun"),
        pytest.param({"id": "a", "items": []}, {"id": "a"}, id="it-is-taken-away"),
    ],
)
def test_an_empty_list_of_items_is_not_the_same_as_none(old: Raw, new: Raw) -> None:
    before = {"steps": [old]}
    assert applied(before, status_patch(before, {"steps": [new]})) == {"steps": [new]}
