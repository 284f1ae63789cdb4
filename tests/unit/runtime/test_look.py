"""A look at the API server itself: what is known already is not read a second time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from workflow_do.api import names
from workflow_do.engine.facts import Observed
from workflow_do.runtime.api import JOBS, PODS, REVISIONS, Listing, NotFound, Resource
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.store import RunKey, Store

Raw = dict[str, Any]
KEY = RunKey("team", "run-1", "u1")
RUN: Raw = {
    "metadata": {
        "namespace": "team",
        "name": "run-1",
        "uid": "u1",
        "resourceVersion": "10",
        "annotations": {names.ANNOTATION_STARTED_UID: "u1"},
    },
    "spec": {"workflowName": "flow", "trigger": {"type": "api"}},
    "status": {
        "revisionName": "flow-1",
        "steps": [{"id": "one", "action": "a", "state": "Running", "jobUID": "job-1"}],
    },
}


def child(name: str, version: int, **status: Any) -> Raw:
    meta = {"namespace": "team", "name": name, "uid": name, "resourceVersion": str(version)}
    return {
        "metadata": {**meta, "labels": {names.LABEL_RUN_UID: "u1"}},
        "spec": {},
        "status": status,
    }


class Shelf:
    """An API server with these Jobs and Pods, that notes down which lists were asked for."""

    def __init__(
        self, *jobs: Raw, pods: tuple[Raw, ...] = (), then: Callable[[], object] = list
    ) -> None:
        self._rows = {JOBS: jobs, PODS: pods}
        self._then = then
        self.asked: list[str] = []

    async def find(self, resource: Resource, namespace: str, name: str) -> Raw:
        return RUN

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        assert resource is REVISIONS
        raise NotFound(name)

    async def list_all(
        self, resource: Resource, namespace: str, *, labels: str, metadata_only: bool = False
    ) -> Listing:
        assert labels == f"{names.LABEL_RUN_UID}=u1"
        self.asked.append(resource.plural + (" (metadata)" if metadata_only else ""))
        if resource is PODS:
            self._then()
        rows = [*self._rows[resource]]
        if metadata_only:
            rows = [{"metadata": raw["metadata"]} for raw in rows]
        return Listing(rows, 100, metadata_only)


def look(shelf: Shelf, store: Store) -> Observed:
    api: Any = shelf
    found = asyncio.run(Observer(api, store).observe(KEY, live=True))
    assert isinstance(found, Observed)
    assert found.live
    return found


@pytest.fixture
def store() -> Store:
    """One that has seen the run, and a Job and a Pod of it."""
    made = Store()
    made.see_run(RUN)
    made.see_job(child("job-1", 20, active=1))
    made.see_pod(child("pod-1", 21, phase="Running"))
    return made


def test_what_is_known_in_its_newest_state_is_not_read_again(store: Store) -> None:
    shelf = Shelf(child("job-1", 20), pods=(child("pod-1", 21),))
    found = look(shelf, store)
    assert shelf.asked == ["jobs (metadata)", "pods (metadata)"]
    assert [pod.phase for pod in found.pods] == ["Running"], "as the watch has told it"
    assert [job.uid for job in found.jobs] == ["job-1"]


def test_what_a_watch_has_missed_is_read(store: Store) -> None:
    newer = child("pod-1", 30, phase="Failed")
    shelf = Shelf(child("job-1", 20), child("job-2", 25), pods=(newer,))
    found = look(shelf, store)
    assert shelf.asked == ["jobs (metadata)", "jobs", "pods (metadata)", "pods"]
    assert {job.uid for job in found.jobs} == {"job-1", "job-2"}
    assert [pod.phase for pod in found.pods] == ["Failed"]


def test_what_is_gone_is_gone(store: Store) -> None:
    shelf = Shelf(child("job-1", 20))
    found = look(shelf, store)
    assert shelf.asked == ["jobs (metadata)", "pods (metadata)"]
    assert found.pods == ()


def test_a_run_that_is_completed_meanwhile_is_not_taken_for_one_without_jobs(store: Store) -> None:
    """Nothing is kept of it, so that a list of metadata says nothing any more."""
    stamp = "2026-01-31T08:00:00Z"
    row = {"type": "Completed", "status": "True", "reason": "Failed", "lastTransitionTime": stamp}
    meta = {**RUN["metadata"], "resourceVersion": "90", "labels": {names.LABEL_FINISHED: "Failed"}}
    completed = {**RUN, "metadata": meta, "status": {**RUN["status"], "conditions": [row]}}
    pods = (child("pod-1", 21),)
    api: Any = Shelf(child("job-1", 20), pods=pods, then=lambda: store.see_run(completed))
    assert asyncio.run(Observer(api, store).observe(KEY, live=True)) is None


def test_where_nothing_is_known_all_is_read_at_once() -> None:
    shelf = Shelf(child("job-1", 20), pods=(child("pod-1", 21, phase="Pending"),))
    found = look(shelf, Store())
    assert shelf.asked == ["jobs", "pods"]
    assert [pod.phase for pod in found.pods] == ["Pending"]
