"""Whose status is it: what another process wrote tells of Jobs that this one may not know of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus
from workflow_do.engine.facts import Observed, Run, parse_run
from workflow_do.engine.problem import Problem
from workflow_do.runtime.observe import with_what_was_asked
from workflow_do.runtime.store import Record, RunKey, Store

KEY = RunKey("team", "run-1", "u1")
BEFORE = {"progress": "0/2"}
MINE = {"progress": "1/2"}
THEIRS = {"progress": "2/2"}


def run(version: int, status: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    meta = {"namespace": "team", "name": "run-1", "uid": "u1", "resourceVersion": str(version)}
    flow = {"workflowName": "flow", "trigger": {}, **spec}
    return {"metadata": meta, "spec": flow, **({"status": status} if status else {})}


def record(store: Store) -> Record:
    found = store.record("u1")
    assert found is not None
    return found


@pytest.fixture
def store() -> Store:
    """A process that has accounted for all that was begun before it, and leads since."""
    made = Store()
    made.see_run(run(10, BEFORE))
    made.settle(KEY, 10, partial=False)
    assert record(made).vouched
    return made


def test_one_s_own_status_is_no_news_by_whichever_way_it_comes(store: Store) -> None:
    store.writes(KEY, RunStatus.model_validate(MINE))
    store.see_run(run(11, MINE))
    assert record(store).vouched, "the watch may be quicker than the answer"
    store.writes(KEY, None)
    store.see_run(run(12, MINE, desiredState="Paused"))
    assert record(store).vouched, "what people ask for starts nothing"


def test_a_write_without_an_answer_is_one_s_own_when_it_turns_up(store: Store) -> None:
    store.writes(KEY, RunStatus.model_validate(MINE))
    store.doubt(KEY)
    store.see_run(run(14, MINE))
    assert record(store).vouched


def test_another_process_may_have_begun_what_its_status_allows(store: Store) -> None:
    store.writes(KEY, RunStatus.model_validate(MINE))
    store.see_run(run(11, THEIRS))
    assert not record(store).vouched
    store.settle(KEY, 11, partial=False)
    assert record(store).vouched, "a round has accounted for it"


def test_a_round_does_not_vouch_for_what_came_while_it_went_on(store: Store) -> None:
    store.see_run(run(11, THEIRS))
    store.settle(KEY, 10, partial=False)
    assert not record(store).vouched


def test_a_round_before_the_first_one_ended_does_not_either() -> None:
    store = Store()
    store.see_run(run(10, BEFORE))
    store.see_run(run(11, THEIRS))
    store.settle(KEY, 10, partial=False)
    assert not record(store).vouched
    found = record(store).run
    assert isinstance(found, Run)
    store.settle(KEY, int(found.resource_version), partial=True)
    assert not record(store).vouched, "a partial round accounts for nothing"


def test_of_a_run_that_has_ended_no_status_is_kept(store: Store) -> None:
    at = "2026-01-31T08:00:00Z"
    done = {"type": "Completed", "status": "True", "reason": "Done", "lastTransitionTime": at}
    store.writes(KEY, RunStatus.model_validate(MINE))
    raw = run(12, {"conditions": [done]})
    raw["metadata"]["labels"] = {names.LABEL_FINISHED: "Succeeded"}
    store.see_run(raw)
    assert record(store).run is None
    assert record(store).writes is None


def test_what_events_did_not_tell_is_asked_again_of_a_run_that_was_written_since() -> None:
    past = {"job-1": None}
    first, same, later = (looked(version) for version in (10, 10, 11))
    assert with_what_was_asked(same, replace(first, past=past)).past == past
    assert with_what_was_asked(later, replace(first, past=past)).past == {}


def looked(version: int) -> Observed:
    found = parse_run(run(version, BEFORE))
    assert isinstance(found, Run)
    return Observed(run=found, definition=Problem(Reason.PENDING, "not read"))
