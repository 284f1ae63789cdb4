"""What of ended runs is due, in tables: an ended run is `name: seconds ago`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_do.api import names
from workflow_do.api.housekeeping import HOUSEKEEPING_FIELDS, Housekeeping
from workflow_do.api.run import RunStatus
from workflow_do.engine.retention import (
    KEEP_ALL,
    LONGEST_WAIT,
    Due,
    EndedRun,
    RevisionFact,
    due,
    ended_run,
    named_revisions,
    policy_of,
    surplus_revisions,
)

NOW = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
HOUR = 3600


def ago(
    name: str, seconds: float, *, ok: bool = True, jobs: bool = True, version: int = 0
) -> EndedRun:
    return EndedRun(f"uid-{name}", version, NOW - timedelta(seconds=seconds), ok, jobs)


def failed(name: str, seconds: float) -> EndedRun:
    return ago(name, seconds, ok=False, jobs=False)


def ended(name: str, seconds: float) -> EndedRun:
    """One whose Jobs are gone."""
    return ago(name, seconds, jobs=False)


def said(found: Due) -> tuple[str, str, float | None]:
    """`jobs of`, `runs`, `again in seconds`."""
    jobs, runs = (" ".join(u.removeprefix("uid-") for u in x) for x in (found.jobs_of, found.runs))
    return jobs, runs, found.again.total_seconds() if found.again is not None else None


JOBS = [
    pytest.param({}, [ago("a", HOUR - 1)], ("", "", 1), id="an hour by default, not yet"),
    pytest.param({}, [ago("a", HOUR)], ("a", "", None), id="an hour by default"),
    pytest.param({}, [ago("a", 9 * HOUR, jobs=False)], ("", "", None), id="gone already"),
    pytest.param({"jobRetentionSeconds": 0}, [ago("a", 0)], ("a", "", None), id="at once"),
    pytest.param(
        {"jobRetentionSeconds": 10},
        [ago("a", 3), ago("b", 12), ago("c", 30)],
        ("c b", "", 7),
        id="the longest ended first, the next when it is due",
    ),
    pytest.param({}, [ago("a", -60)], ("", "", HOUR + 60), id="ended in the future: clock skew"),
]
TTL = [
    pytest.param({}, [ended("a", 10**9)], ("", "", None), id="absent: kept for good"),
    pytest.param(
        {"ttlSecondsAfterFinished": 60}, [ended("a", 59)], ("", "", 1), id="one second left"
    ),
    pytest.param({"ttlSecondsAfterFinished": 60}, [ago("a", 60)], ("", "a", None), id="over"),
    pytest.param(
        {"ttlSecondsAfterFinished": 60},
        [ago("a", 10), failed("b", 61)],
        ("", "b", 50),
        id="failed ones, too",
    ),
    pytest.param(
        {"ttlSecondsAfterFinished": 0}, [ago("a", HOUR)], ("", "a", None), id="never both"
    ),
    pytest.param(
        {"ttlSecondsAfterFinished": 10 * 86400},
        [ended("a", 0)],
        ("", "", LONGEST_WAIT.total_seconds()),
        id="no wait is longer than a day",
    ),
]
HISTORY = [
    pytest.param(
        {"successfulRunsHistoryLimit": 1},
        [ended("a", 3), ended("b", 1), ended("c", 2)],
        ("", "a c", None),
        id="the last ended is kept",
    ),
    pytest.param(
        {"successfulRunsHistoryLimit": 2},
        [ended("a", 3), ended("b", 1), failed("c", 9)],
        ("", "", None),
        id="failed ones are not counted with them",
    ),
    pytest.param(
        {"failedRunsHistoryLimit": 0},
        [ended("a", 3), failed("b", 1), failed("c", 9)],
        ("", "c b", None),
        id="none of the failed",
    ),
    pytest.param(
        {"successfulRunsHistoryLimit": 1},
        [ago("b", 1, jobs=False, version=9), ago("a", 1, version=10), ago("c", 1, version=8)],
        ("", "c b", HOUR - 1),
        id="of one second by version",
    ),
    pytest.param(
        {"successfulRunsHistoryLimit": 1, "jobRetentionSeconds": 5},
        [ago("a", 9), ago("b", 8)],
        ("b", "a", None),
        id="a run that goes takes its Jobs along",
    ),
    pytest.param({"successfulRunsHistoryLimit": 5}, [], ("", "", None), id="no runs"),
]


@pytest.mark.parametrize(("spec", "runs", "expected"), [*JOBS, *TTL, *HISTORY])
def test_what_is_due(spec: dict[str, Any], runs: list[EndedRun], expected: Any) -> None:
    assert said(due(runs, policy_of({"spec": spec}), NOW)) == expected


ODD_TIMES = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize("text", ODD_TIMES)
def test_an_unlikely_time_never_raises(text: str) -> None:
    policy = Housekeeping(ttl_seconds_after_finished=315_360_000)
    run = ended_run({"metadata": {"uid": "u"}}, 1, RunStatus(completion_time=text), made_jobs=True)
    found = due([run], policy, NOW)
    assert found.again is None or found.again <= LONGEST_WAIT


def test_a_run_that_does_not_say_when_it_ended_is_kept() -> None:
    policy = Housekeeping(
        ttl_seconds_after_finished=0,
        job_retention_seconds=0,
        successful_runs_history_limit=0,
    )
    run = dataclasses.replace(ago("a", HOUR), ended=None)
    assert due([run], policy, NOW) == Due()


runs_ = st.lists(
    st.builds(
        ago,
        st.text("abc", min_size=1, max_size=4),
        st.integers(-50, 50),
        ok=st.booleans(),
        jobs=st.booleans(),
        version=st.integers(0, 3),
    ),
    unique_by=lambda run: run.uid,
)
limit_ = st.none() | st.integers(0, 5)


@given(runs_, limit_, limit_, limit_, st.data())
def test_what_is_due_of_a_part_is_due_of_the_whole(
    runs: list[EndedRun], good: int | None, bad: int | None, ttl: int | None, data: st.DataObject
) -> None:
    """So nothing that should stay goes while a restarted operator has not seen every run yet."""
    policy = Housekeeping(
        successful_runs_history_limit=good,
        failed_runs_history_limit=bad,
        ttl_seconds_after_finished=ttl,
    )
    part = [run for run in runs if data.draw(st.booleans())]
    assert set(due(part, policy, NOW).runs) <= set(due(runs, policy, NOW).runs)
    left = [run for run in runs if run.uid not in due(runs, policy, NOW).runs]
    assert due(left, policy, NOW).runs == (), "doing it settles it"


POLICIES = [
    pytest.param(None, Housekeeping(), id="the Workflow is gone: the defaults"),
    pytest.param({}, Housekeeping(), id="nothing said"),
    pytest.param({"spec": {"steps": "nonsense"}}, Housekeeping(), id="the rest may be broken"),
    pytest.param(
        {"spec": {"ttlSecondsAfterFinished": 5, "steps": []}},
        Housekeeping(ttl_seconds_after_finished=5),
        id="one field",
    ),
    pytest.param({"spec": {"jobRetentionSeconds": "soon"}}, KEEP_ALL, id="cannot be read"),
    pytest.param({"spec": {"ttlSecondsAfterFinished": -1}}, KEEP_ALL, id="out of bounds"),
]


@pytest.mark.parametrize(("workflow", "expected"), POLICIES)
def test_the_policy_of_a_workflow(workflow: Any, expected: Housekeeping) -> None:
    assert policy_of(workflow) == expected


def test_the_fields_are_spelled_as_users_write_them() -> None:
    assert {
        "jobRetentionSeconds",
        "ttlSecondsAfterFinished",
        "successfulRunsHistoryLimit",
        "failedRunsHistoryLimit",
        "revisionHistoryLimit",
    } == HOUSEKEEPING_FIELDS


def revisions(*names_: str) -> list[RevisionFact]:
    """Oldest first, two in each second."""
    return [RevisionFact(n, f"uid-{n}", (f"t{at // 2}", at)) for at, n in enumerate(names_)]


REVISIONS = [
    pytest.param(2, "", "r1 r2", id="beyond the newest two"),
    pytest.param(4, "", "", id="all within the limit"),
    pytest.param(9, "", "", id="fewer than the limit"),
    pytest.param(2, "r1", "r2", id="one that is named stays"),
    pytest.param(0, "r4", "r1 r2 r3", id="none but the named"),
    pytest.param(1, "r1 r2 r3", "", id="all named"),
]


@pytest.mark.parametrize(("limit", "kept", "expected"), REVISIONS)
def test_which_revisions_are_pruned(limit: int, kept: str, expected: str) -> None:
    found = surplus_revisions(
        revisions("r1", "r2", "r3", "r4")[::-1], limit, frozenset(kept.split())
    )
    assert " ".join(r.name for r in found) == expected


def status(verdict: str = "True", completion_time: str | None = None) -> RunStatus:
    rows = [
        {"type": type_, "status": value, "reason": "x", "lastTransitionTime": stamp}
        for type_, value, stamp in (
            ("Succeeded", verdict, "2026-01-31T07:00:00Z"),
            ("Completed", "True", "2026-01-31T07:30:00Z"),
        )
    ]
    return RunStatus.model_validate({"conditions": rows, "completionTime": completion_time})


def test_the_facts_of_an_ended_run() -> None:
    raw = {"metadata": {"uid": "u"}}
    at = datetime(2026, 1, 31, 7, 29, tzinfo=UTC)
    found = ended_run(raw, 7, status("True", "2026-01-31T07:29:00Z"), made_jobs=True)
    assert found == EndedRun("u", 7, at, succeeded=True, has_jobs=True)


def test_without_a_completion_time_the_condition_tells() -> None:
    found = ended_run({"metadata": {}}, 7, status("False", "nonsense"), made_jobs=True)
    assert found.ended == datetime(2026, 1, 31, 7, 30, tzinfo=UTC)
    assert not found.succeeded


@pytest.mark.parametrize(
    ("annotations", "made_jobs", "expected"),
    [
        pytest.param({}, True, True, id="made some"),
        pytest.param({}, False, False, id="made none"),
        pytest.param({names.ANNOTATION_JOBS_DELETED: "x"}, True, False, id="deleted before"),
    ],
)
def test_whether_there_are_jobs_to_delete(
    annotations: dict[str, str], made_jobs: bool, expected: bool
) -> None:
    raw = {"metadata": {"annotations": annotations}}
    assert ended_run(raw, 7, status(), made_jobs=made_jobs).has_jobs is expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param({}, set(), id="none"),
        pytest.param({"spec": {"revisionName": "a"}}, {"a"}, id="asked for"),
        pytest.param({"status": {"revisionName": "b"}}, {"b"}, id="pinned"),
        pytest.param(
            {"spec": {"revisionName": "a"}, "status": {"revisionName": "b"}}, {"a", "b"}, id="both"
        ),
        pytest.param({"spec": 7, "status": {"revisionName": {}}}, set(), id="nonsense"),
    ],
)
def test_the_revisions_that_a_run_names(run: Any, expected: set[str]) -> None:
    assert named_revisions(run) == expected


def test_a_child_goes_with_its_parent_and_is_not_counted() -> None:
    child = dataclasses.replace(ago("child", HOUR * 9), child=True)
    policy = Housekeeping(ttl_seconds_after_finished=0, successful_runs_history_limit=1)
    assert said(due([child, ago("a", 0)], policy, NOW)) == ("child", "a", None)
    only = Housekeeping(successful_runs_history_limit=1)
    assert said(due([child, ended("a", 0)], only, NOW)) == ("child", "", None)
