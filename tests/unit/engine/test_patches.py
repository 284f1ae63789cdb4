"""The change of a status: applied to the old one it gives the new one, whatever the two are."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_do.engine.patches import Op, status_patch

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
