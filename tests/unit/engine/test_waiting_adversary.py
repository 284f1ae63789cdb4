"""Steps that wait against people who approve too early, too late, twice, wrongly or in vain, and an
operator that dies between any two writes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.world import START, Raw, World, action, step, workflow
from workflow_do.engine.effects import CreateJob
from workflow_do.engine.timestamps import parse_time

PEOPLE = st.sampled_from(["sam", "kim", "lee"])
ODDITIES = st.sampled_from([{}, {}, {}, {"workflowName": "x"}, {"step": "x"}])
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(1, 40)),
        st.tuples(st.just("plan"), st.booleans()),
        st.tuples(st.just("say"), PEOPLE, st.sampled_from(["Approve"] * 4 + ["Reject"]), ODDITIES),
        st.tuples(st.just("say"), PEOPLE, st.just("Approve"), ODDITIES),
        st.tuples(st.just("delete")),
    ),
    min_size=4,
    max_size=14,
)
EARLY = st.lists(st.tuples(st.just("say"), PEOPLE, st.just("Approve"), st.just({})), max_size=2)
BEGIN = [("plan", False)] * 5 + [("tick", 30)] + [("plan", False)] * 3


def record(w: World, id_: str) -> Raw:
    return next((s for s in w.status.get("steps", []) if s["id"] == id_), {})


class Play:
    """One run of `pause`, `ok` (two of three people), `act`; what was said, in its order."""

    def __init__(self) -> None:
        flow = workflow(
            {"id": "pause", "wait": {"seconds": 30}},
            {"id": "ok", "approval": {"required": 2, "expiresSeconds": 60}},
            step("act"),
        )
        self.world = World(flow, action("do-it"))
        self.said: list[tuple[datetime, str, str]] = []

    def plan(self, lost: bool) -> None:
        """One turn of an operator; `lost`: it dies before its status is written."""
        w = self.world
        planned = w.plan()
        for effect in planned.effects:
            if isinstance(effect, CreateJob):
                assert record(w, "ok")["state"] == "Succeeded", "acted before it was written down"
            w.do(effect)
        if not planned.effects and not lost:
            self._check(record(w, "ok"), record(w, "pause"))
            w.write(planned)

    def say(self, who: str, decision: str, odd: dict[str, Any]) -> None:
        self.world.decides(who, decision=decision, **odd)
        if not odd:
            self.said.append((self.world.now, who, decision))

    def delete(self) -> None:
        if self.world.approvals:
            self.world.approvals.pop(next(iter(self.world.approvals)))

    def _check(self, ok: Raw, pause: Raw) -> None:
        """What has ended stays as it is."""
        planned = {s.id: s.state.value for s in self.world.plan().status.steps}
        for was in (ok, pause):
            if was.get("state") in ("Succeeded", "Failed"):
                assert planned[was["id"]] == was["state"]

    def judge(self) -> None:
        """What was written is what the decisions made in time come to."""
        pause, ok = record(self.world, "pause"), record(self.world, "ok")
        if pause.get("state") == "Succeeded":
            ended, began = parse_time(pause["completionTime"]), parse_time(pause["startTime"])
            assert ended is not None
            assert began is not None
            assert ended - began >= timedelta(seconds=30)
        votes = [vote["approver"] for vote in ok.get("approvals", [])]
        begun = parse_time(ok.get("startTime")) or self.world.now
        end = parse_time(ok.get("waitUntil")) or begun
        in_time = {who for at, who, says in self.said if says == "Approve" and begun <= at < end}
        assert len(set(votes)) == len(votes) <= 2
        assert set(votes) <= in_time
        assert (ok.get("state") == "Succeeded") <= (len(votes) == 2)
        if ok.get("reason") == "ApprovalRejected":
            assert any(says == "Reject" and begun <= at < end for at, _, says in self.said)
        if ok.get("reason") == "ApprovalExpired":
            assert self.world.now >= end


@settings(max_examples=40, deadline=None)
@given(EARLY, MOVES)
def test_nothing_but_two_people_in_time_lets_it_act(
    early: list[tuple[Any, ...]], moves: list[tuple[Any, ...]]
) -> None:
    play = Play()
    for move, *rest in [*early, ("tick", 1), *BEGIN, *moves, *[("plan", False)] * 4]:
        if move == "tick":
            play.world.tick(rest[0])
        else:
            getattr(play, move)(*rest)
        play.judge()
    assert bool(play.world.created) <= (record(play.world, "ok").get("state") == "Succeeded")
    assert play.world.now >= START
