"""What the store keeps of ended runs, and whom it tells."""

from __future__ import annotations

from typing import Any

from unit.runtime.test_store import COMPLETED, record, run
from workflow_do.api import names
from workflow_do.runtime.store import Store


def told() -> tuple[Store, list[str]]:
    """A store, and what it tells of."""
    heard: list[str] = []
    return Store(history=lambda namespace, workflow: heard.append(f"{namespace}/{workflow}")), heard


def test_the_end_of_a_run_is_told_and_its_start_is_not() -> None:
    store, heard = told()
    store.see_run(run(10))
    assert heard == []
    assert record(store).ended is None
    store.see_run(run(11, COMPLETED))
    assert heard == ["team/flow"]
    ended = record(store).ended
    assert ended is not None
    assert (ended.uid, ended.version, ended.has_jobs) == ("u1", 11, True)


def test_a_run_that_is_gone_is_told_and_forgotten() -> None:
    store, heard = told()
    store.see_run(run(10))
    assert [r.key.uid for r in store.of_workflow("team", "flow")] == ["u1"]
    store.forget_run("u1")
    store.forget_run("u1")
    assert heard == ["team/flow"]
    assert store.of_workflow("team", "flow") == ()


def test_a_mark_of_ours_is_seen() -> None:
    store, _ = told()
    raw = run(11, COMPLETED)
    store.see_run(raw)
    marked = run(12, COMPLETED)
    marked["metadata"]["annotations"] = {names.ANNOTATION_JOBS_DELETED: "x"}
    store.see_run(marked)
    ended = record(store).ended
    assert ended is not None
    assert not ended.has_jobs


def test_a_run_without_its_finished_label_has_not_ended_for_us() -> None:
    """Whether it ended or was restored from a backup is not settled yet."""
    store, heard = told()
    raw = run(11, COMPLETED)
    raw["metadata"]["labels"] = {}
    store.see_run(raw)
    assert record(store).ended is None
    assert heard == []


def test_a_status_that_was_turned_back_makes_the_run_live_again() -> None:
    store, _ = told()
    store.see_run(run(11, COMPLETED))
    store.see_run(run(12, {}))
    assert record(store).ended is None


def test_what_a_run_names_is_known_even_if_it_cannot_be_read() -> None:
    store, _ = told()
    raw: dict[str, Any] = run(10, {"revisionName": "flow-b", "steps": "nonsense"})
    raw["spec"] |= {
        "revisionName": "flow-a",
        "retryOf": {"runName": "run-0", "runUID": "u0"},
        "nonsense": True,
    }
    store.see_run(raw)
    assert record(store).revisions == {"flow-a", "flow-b"}
    assert record(store).retry_of == "u0"
    assert record(store).workflow == "flow"
