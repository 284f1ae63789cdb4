"""The mirror of runs, Jobs and Pods: newest wins, gone stays gone, finished is forgotten."""

from __future__ import annotations

from typing import Any

from workflow_do.api import names
from workflow_do.api.run import RunStatus, StepState, StepStatus
from workflow_do.engine.facts import Run
from workflow_do.engine.live import Haste
from workflow_do.engine.problem import Problem
from workflow_do.runtime.api import Listing
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind, News
from workflow_do.runtime.store import Record, RunKey, Store

KEY = RunKey("team", "run-1", "u1")
STAMP = "2026-01-31T08:00:00Z"
COMPLETED = {
    "conditions": [
        {"type": "Completed", "status": "True", "reason": "Succeeded", "lastTransitionTime": STAMP}
    ],
    "steps": [
        {
            "id": "one",
            "action": "a",
            "state": "Succeeded",
            "jobName": "job-1",
            "jobUID": "uid-of-job-1",
        }
    ],
}


def run(version: int, status: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "team",
            "name": "run-1",
            "uid": "u1",
            "resourceVersion": str(version),
            "labels": {names.LABEL_FINISHED: "Succeeded"} if status == COMPLETED else {},
        },
        "spec": {"workflowName": "flow", "trigger": {}, **spec},
        **({} if status is None else {"status": status}),
    }


def child(
    version: int, name: str = "job-1", namespace: str = "team", run_uid: str = "u1", **more: Any
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
            "labels": {names.LABEL_RUN_UID: run_uid},
        },
        **more,
    }


def of_job(pod: dict[str, Any], uid: str = "uid-of-job-1") -> dict[str, Any]:
    """The Pod as that Job makes it."""
    pod["metadata"]["labels"] |= {"batch.kubernetes.io/controller-uid": uid}
    pod["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]
    return pod


def record(store: Store) -> Record:
    found = store.record("u1")
    assert found is not None
    return found


def test_only_what_is_newer_is_news() -> None:
    store = Store()
    assert store.see_run(run(10)) == KEY
    assert store.see_run(run(10)) is None
    assert store.see_run(run(9, {"progress": "0/1"})) is None
    assert store.see_run(run(100)) == KEY, "compared as integers, not as text"
    assert record(store).version == 100


def test_a_deleted_run_does_not_come_back() -> None:
    store = Store()
    store.see_run(run(10))
    store.forget_run("u1")
    assert store.see_run(run(11)) is None
    assert store.record("u1") is None


def test_a_run_that_cannot_be_read_is_a_problem_and_not_the_end() -> None:
    store = Store()
    assert store.see_run(run(10, nonsense=True)) == KEY
    assert isinstance(record(store).run, Problem)
    assert store.see_run(run(11)) == KEY
    assert isinstance(record(store).run, Run)


def test_children_of_unknown_runs_and_of_other_namespaces_are_ignored() -> None:
    store = Store()
    assert store.see_job(child(1)) is None
    store.see_run(run(10))
    assert store.see_job(child(1, namespace="other")) is None
    assert store.see_pod(child(1, run_uid="u2")) is None
    assert store.see_job({"metadata": {"name": "bare"}}) is None
    assert record(store).jobs == {}


def test_an_event_that_changes_nothing_we_look_at_is_no_news() -> None:
    store = Store()
    store.see_run(run(10))
    assert store.see_pod(child(1, status={"phase": "Pending"})) == KEY
    assert store.see_pod(child(2, status={"phase": "Pending", "hostIP": "10.0.0.1"})) is None
    assert store.see_pod(child(3, status={"phase": "Running"})) == KEY
    assert store.see_pod(child(2, status={"phase": "Pending"})) is None
    assert [v.fact.phase for v in record(store).pods.values()] == ["Running"]


def test_a_deleted_child_does_not_come_back() -> None:
    store = Store()
    store.see_run(run(10))
    store.see_pod(child(1))
    assert store.forget_child(child(2)) == KEY
    assert store.see_pod(child(1)) is None
    assert store.forget_child(child(2)) is None


def test_a_list_removes_what_it_does_not_hold_unless_that_is_newer() -> None:
    store = Store()
    store.see_run(run(10))
    store.see_job(child(5, "old"))
    store.see_job(child(6, "kept"))
    store.see_job(child(25, "newer"))
    store.see_children(record(store), Listing([child(15, "kept")], 20), Listing([], 20))
    names_and_versions = {v.fact.name: v.version for v in record(store).jobs.values()}
    assert names_and_versions == {"kept": 15, "newer": 25}
    assert record(store).looked
    assert store.see_job(child(7, "old")) is None


def test_only_of_a_run_that_may_have_jobs_the_api_server_is_asked_first() -> None:
    """It is marked before its first Job is made; and who acts on a stale state is refused."""
    fresh, begun = run(10), run(10)
    begun["metadata"]["annotations"] = {names.ANNOTATION_STARTED_UID: "u1"}
    of_another = run(10)
    of_another["metadata"]["annotations"] = {names.ANNOTATION_STARTED_UID: "u0"}
    running = run(10, {"steps": [{"id": "a", "action": "x", "state": "Running"}]})
    for raw, looked in ((fresh, True), (of_another, True), (begun, False), (running, False)):
        store = Store()
        store.see_run(raw)
        assert record(store).looked is looked


def test_doubt_asks_for_another_look() -> None:
    store = Store()
    store.see_run(run(10))
    store.see_children(record(store), Listing([], 20), Listing([], 20))
    store.doubt(KEY)
    assert not record(store).looked


def test_what_a_watch_has_seen_go_does_not_come_back_with_a_list_from_before() -> None:
    """The answer to a list may be on its way while the Pod goes."""
    store = Store()
    store.see_run(run(10))
    pod, job = child(11, "pod"), child(12, "job")
    store.see_pod(pod)
    store.see_job(job)
    for gone in (pod, job):
        store.forget_child(gone)
    store.see_children(record(store), Listing([job], 15), Listing([pod], 15))
    assert not record(store).pods
    assert not record(store).jobs


def test_of_a_completed_run_nothing_is_kept_but_its_jobs_uids() -> None:
    store = Store()
    store.see_run(run(10))
    store.see_job(child(5))
    store.see_pod(child(5))
    assert store.see_run(run(11, COMPLETED)) is None
    assert (record(store).run, record(store).jobs, record(store).pods) == (None, {}, {})
    assert store.see_job(child(6)) is None
    assert store.see_pod(child(6)) is None


def test_a_stray_job_of_a_completed_run_is_news() -> None:
    store = Store()
    store.see_run(run(11, COMPLETED))
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert store.see_job(child(12, "ended", status=ended)) is None
    assert store.see_job(child(12, "stray")) == KEY
    assert record(store).strays == {"uid-of-stray"}


def test_a_stray_is_seen_to_once_a_whole_round_has_gone_by() -> None:
    store = Store()
    store.see_run(run(11, COMPLETED))
    store.see_job(child(12, "stray"))
    store.settle(KEY, 100, partial=False)
    assert record(store).strays == {"uid-of-stray"}, "nobody has looked"
    record(store).attended = frozenset(record(store).strays)
    store.see_job(child(13, "another"))
    store.settle(KEY, 100, partial=False)
    assert record(store).strays == {"uid-of-another"}, "it turned up meanwhile"


def test_waiting_runs_are_found_by_namespace() -> None:
    store = Store()
    store.see_run(run(10))
    assert list(store.unpinned("team")) == [KEY]
    assert list(store.unpinned("other")) == []
    store.see_run(run(11, {"revisionName": "flow-1"}))
    assert list(store.unpinned("team")) == []


def definition(version: int, generation: int = 1, uid: str = "d1") -> dict[str, Any]:
    meta = {"uid": uid, "generation": generation, "resourceVersion": str(version)}
    return {"metadata": {**meta, "managedFields": [{"manager": "x"}]}, "spec": {}}


def test_of_a_definition_its_spec_is_news_and_its_status_is_not() -> None:
    catalogue, key = Catalogue(), DefinitionKey(Kind.ACTION, "team", "act")
    assert catalogue.see(key, definition(1)) is News.SPEC
    assert catalogue.see(key, definition(2)) is News.NONE
    assert catalogue.see(key, definition(3, generation=2)) is News.SPEC
    assert catalogue.see(key, definition(2, generation=1)) is News.NONE, "late"
    assert catalogue.see(key, definition(4, generation=2, uid="d2")) is News.SPEC
    patched = {**definition(5, generation=2, uid="d2"), "status": {"conditions": []}}
    assert catalogue.see(key, patched) is News.STATUS
    found = catalogue.get(key)
    assert found is not None
    assert "managedFields" not in found["metadata"]
    catalogue.forget(key)
    assert catalogue.get(key) is None


def test_who_is_told_how_urgent_news_is() -> None:
    told: list[tuple[RunKey, Haste]] = []
    store = Store(hasten=lambda key, haste: told.append((key, haste)))
    store.see_run(run(10))
    store.see_job(child(11), own=True)
    assert told == [], "the worker that made it looks again in any case"
    store.see_job(child(11))
    assert told == [], "seen before"
    store.see_job(child(12, status={"conditions": [{"type": "Suspended", "status": "True"}]}))
    store.see_job(child(13, name="another"))
    assert told == [(KEY, Haste.NOW), (KEY, Haste.SOON)]


def test_a_stray_of_a_completed_run_is_told_of_soon() -> None:
    told: list[tuple[RunKey, Haste]] = []
    store = Store(hasten=lambda key, haste: told.append((key, haste)))
    store.see_run(run(10, COMPLETED))
    store.see_job(child(11))
    store.see_job(child(12, name="stray"))
    assert told == [(KEY, Haste.SOON)]


def test_news_of_a_pod_are_weighed_by_the_status_that_is_on_its_way() -> None:
    """The Pod comes before the status that names its Job is stored."""
    told: list[Haste] = []
    store = Store(hasten=lambda _key, haste: told.append(haste))
    store.see_run(run(10))
    pod = {"status": {"phase": "Pending"}}
    store.see_pod(of_job(child(11, name="pod-1", **pod)))
    step = StepStatus(id="one", state=StepState.RUNNING, job_uid="uid-of-job-1")
    store.writes(KEY, RunStatus(steps=(step,)))
    store.see_pod(of_job(child(12, name="pod-2", **pod)))
    assert told == [Haste.SOON, Haste.LATER]
