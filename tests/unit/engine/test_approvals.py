"""Which decisions count: about this step, in time, once a person; and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_do.api.run import Vote
from workflow_do.engine.approvals import Poll, Tally, tally
from workflow_do.engine.facts import ApprovalFact, parse_approval
from workflow_do.engine.schemas import Validator, compile_schema

START = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
SCHEMA = compile_schema(
    {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "integer"}}},
    "dataSchema",
)


def poll(required: int = 1, data: Any = None) -> Poll:
    assert data is None or isinstance(data, Validator)
    expiry = START + timedelta(seconds=60)
    return Poll("flow", "run-1", "ok", required, START, expiry, data)


def says(
    name: str, seconds: int = 1, decision: str = "Approve", by: str = "", **spec: Any
) -> ApprovalFact:
    """What `by` (or a person called like the object) says so long after the start."""
    about = {"workflowName": "flow", "runName": "run-1", "runUID": "u1", "step": "ok"}
    at = (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    given_ = {**about, "decision": decision, "approver": by or name, **spec}
    return parse_approval({"metadata": {"name": name, "creationTimestamp": at}, "spec": given_})


def by(found: Tally) -> list[str]:
    return [vote.approver for vote in found.votes]


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        pytest.param(says("a", -1), "a of a: made before the step began to wait", id="early"),
        pytest.param(says("a", 60), "a of a: made after the step had expired", id="late"),
        pytest.param(
            says("a", workflowName="other"),
            "a of a: it names the run run-1 of the Workflow other",
            id="by a right on another workflow",
        ),
        pytest.param(
            says("a", runName="run-2"),
            "a of a: it names the run run-2 of the Workflow flow",
            id="another run",
        ),
        pytest.param(says("a", decision="Maybe"), "a: it cannot be read", id="neither"),
        pytest.param(says("a", data=[1]), "a: it cannot be read", id="a list as data"),
        pytest.param(
            says("a", data={"text": "x" * 16384}), "a of a: data is over 16,384 bytes", id="large"
        ),
        pytest.param(says("a", -1, "Reject"), "a of a: made before the step", id="early no"),
        pytest.param(says("a", 60, "Reject"), "a of a: made after the step", id="late no"),
    ],
)
def test_what_does_not_count_says_why(approval: ApprovalFact, why: str) -> None:
    found = tally(poll(), (), [approval])

    assert (found.votes, found.output, found.rejection) == ((), None, None)
    assert [text[: len(why)] for text in found.ignored] == [why]


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_from_the_first_second_to_the_last(seconds: int) -> None:
    found = tally(poll(), (), [says("a", seconds, data={"n": 1})])

    assert (by(found), found.output) == (["a"], {"n": 1})


def test_of_another_step_nothing_is_said() -> None:
    assert tally(poll(), (), [says("a", step="other")]) == Tally(())


def test_the_same_person_counts_once_and_the_last_one_missing_gives_the_data() -> None:
    found = tally(
        poll(2),
        (),
        [says("c", 3, data={"of": "c"}), says("b", 2, by="a"), says("a", 1, data={"of": "a"})],
    )

    assert (by(found), found.output) == (["a", "c"], {"of": "c"})
    assert found.ignored == ("b of a: they had decided before",)


def test_who_has_approved_cannot_reject_afterwards() -> None:
    found = tally(poll(2), (), [says("a", 1), says("b", 2, "Reject", by="a")])

    assert (by(found), found.rejection) == (["a"], None)


def test_what_counted_before_counts_without_its_object_and_not_twice() -> None:
    before = (Vote(approver="a", approval_name="a", time="2026-01-31T08:00:01Z"),)

    gone = tally(poll(2), before, [says("b", 5)])
    there = tally(poll(2), before, [says("a", 1)])

    assert (by(gone), gone.output) == (["a", "b"], {})
    assert (by(there), there.output, there.ignored) == (["a"], None, ())


@pytest.mark.parametrize(
    ("no", "yes", "rejected"),
    [
        pytest.param(1, 2, True, id="before"),
        pytest.param(2, 2, True, id="in the same second"),
        pytest.param(3, 2, False, id="after"),
    ],
)
def test_the_first_to_come_decides(no: int, yes: int, rejected: bool) -> None:
    found = tally(poll(), (), [says("y", yes), says("n", no, "Reject", comment="too much")])

    assert found.rejection == ("rejected by n: too much" if rejected else None)
    assert (found.output is None) is rejected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param({"data": {"limit": 5}}, None, id="fits"),
        pytest.param({"data": {"limit": "5"}}, "a of a: data.limit: ", id="misfit"),
        pytest.param({}, "a of a: data: ", id="none"),
    ],
)
def test_data_must_fit_its_schema(data: dict[str, Any], why: str | None) -> None:
    found = tally(poll(data=SCHEMA), (), [says("a", **data)])

    assert (found.output is None) is (why is not None)
    assert [text.startswith(why or "?") for text in found.ignored] == ([True] if why else [])


def test_a_rejection_needs_no_data() -> None:
    assert tally(poll(data=SCHEMA), (), [says("a", 1, "Reject")]).rejection == "rejected by a"


def test_deep_data_is_not_read() -> None:
    deep: dict[str, Any] = {}
    for _ in range(120):
        deep = {"a": deep}

    assert tally(poll(), (), [says("a", data=deep)]).ignored == ("a: it cannot be read",)


PEOPLE = st.sampled_from(["a", "b", "c"])
DECISIONS = st.lists(
    st.tuples(PEOPLE, st.integers(-5, 65), st.sampled_from(["Approve", "Reject"])), max_size=8
)


@given(DECISIONS, st.integers(1, 3), st.integers(0, 8), st.randoms())
def test_seen_at_once_or_bit_by_bit_it_comes_to_the_same(
    decisions: list[tuple[str, int, str]], required: int, cut: int, random: Any
) -> None:
    facts = [
        says(f"{at}-{who}", seconds, decision, by=who)
        for at, (who, seconds, decision) in enumerate(sorted(decisions, key=lambda d: d[1]))
    ]
    whole = tally(poll(required), (), random.sample(facts, len(facts)))
    early = max((f.created for f in facts[:cut] if f.created), default=START)
    first = [f for f in facts if f.created and f.created <= early]
    part = tally(poll(required), (), first)
    if part.output is None and part.rejection is None:
        part = tally(poll(required), part.votes, facts)

    assert (by(part), part.output, part.rejection) == (by(whole), whole.output, whole.rejection)
    assert len({vote.approver for vote in whole.votes}) == len(whole.votes) <= required
