"""Approvals in the mirror: about a live run, the newest state, gone stays gone."""

from __future__ import annotations

from typing import Any

import pytest
from test_store import COMPLETED, KEY, run

from workflow_do.runtime.api import Listing
from workflow_do.runtime.store import Record, Store

WAITS = {"steps": [{"id": "ok", "state": "Running", "approvalsRequired": 1, "approvals": []}]}


def approval(version: int, uid: str = "a1", run_uid: str = "u1", **more: Any) -> dict[str, Any]:
    spec = {"workflowName": "flow", "runName": "run-1", "runUID": run_uid, "step": "ok"}
    meta = {"namespace": "team", "name": uid, "uid": uid, "resourceVersion": str(version)}
    says = {"decision": "Approve", "approver": "sam@example.com"}
    return {"metadata": {**meta, **more}, "spec": {**spec, **says}}


def waiting() -> tuple[Store, Record]:
    store = Store()
    store.see_run(run(1, WAITS))
    record = store.record("u1")
    assert record is not None
    return store, record


def names(record: Record) -> set[str]:
    return {entry.fact.name for entry in record.approvals.values()}


def test_an_approval_wakes_its_run_once() -> None:
    store, record = waiting()

    assert record.awaits_approval
    assert store.see_approval(approval(2)) == KEY
    assert store.see_approval(approval(2)) is None
    assert names(record) == {"a1"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(approval(2, run_uid="u2"), id="another uid"),
        pytest.param(approval(2, namespace="other"), id="another namespace"),
        pytest.param({**approval(2), "spec": None}, id="no spec"),
        pytest.param({**approval(2), "spec": {"runUID": ["u1"]}}, id="no uid"),
    ],
)
def test_an_approval_of_nothing_that_is_known_is_only_remembered(raw: dict[str, Any]) -> None:
    store, record = waiting()

    assert store.see_approval(raw) is None
    assert names(record) == set()
    assert store.approval_versions(None) == {"a1": 2}


def test_one_that_cannot_be_read_is_a_fact_without_content() -> None:
    store, record = waiting()

    assert store.see_approval({**approval(2), "spec": {"runUID": "u1"}}) == KEY
    assert [entry.fact.spec for entry in record.approvals.values()] == [None]


def test_what_was_deleted_does_not_come_back() -> None:
    store, record = waiting()
    store.see_approval(approval(2))

    assert store.forget_approval("a1") == KEY
    assert store.see_approval(approval(3)) is None
    assert (names(record), store.approval_versions(None)) == (set(), {})


def test_what_a_list_does_not_hold_is_gone_unless_it_is_newer() -> None:
    store, record = waiting()
    for number, uid in enumerate(("a1", "a2", "a3"), start=2):
        store.see_approval(approval(number, uid))

    store.see_approvals(record, Listing([approval(3, "a2")], version=3))

    assert names(record) == {"a2", "a3"}


def test_versions_are_told_by_namespace() -> None:
    store, _ = waiting()
    store.see_approval(approval(2))
    store.see_approval(approval(3, "a2", namespace="other"))

    assert store.approval_versions("other") == {"a2": 3}
    assert store.approval_versions(None) == {"a1": 2, "a2": 3}


def test_of_a_finished_run_nothing_is_kept() -> None:
    store, record = waiting()
    store.see_approval(approval(2))
    store.see_run(run(3, COMPLETED))

    assert (names(record), record.awaits_approval) == (set(), False)
    assert store.see_approval(approval(4, "a2")) is None
