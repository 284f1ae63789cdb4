"""When a run is at rest: only then its Jobs that are not on record hold no place any more."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Observed, Run, parse_run
from workflow_do.engine.problem import Problem
from workflow_do.runtime import reconcile
from workflow_do.runtime.api import Unavailable
from workflow_do.runtime.execute import RunGone
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.status import Written
from workflow_do.runtime.store import RunKey

KEY = RunKey("team", "run-1", "u1")
SOON = datetime(2126, 1, 31, 8, 0, 0, tzinfo=UTC)


class Places:
    """Who has left, and with which Jobs in line; None: not at rest."""

    def __init__(self) -> None:
        self.told: list[frozenset[str] | None] = []

    def left(self, _: RunKey, waits: frozenset[str] | None) -> None:
        self.told.append(waits)


class Rounds(Reconciler):
    """Rounds that go as they are told."""

    def __init__(self, places: Places, *rounds: Any) -> None:
        nobody: Any = Nobody()
        self.begun: list[RunKey] = []
        parts = (nobody, nobody, nobody, nobody, lambda *_: None)
        super().__init__(*parts, turns=places, alive=self.begun.append)  # type: ignore[arg-type]
        self._rounds = list(rounds)

    async def _once(self, key: RunKey) -> Any:
        now = self._rounds.pop(0)
        if isinstance(now, Exception):
            raise now
        return now


class Nobody:
    def doubt(self, _: RunKey) -> None:
        """Nothing is doubted."""


def left(*rounds: Any) -> frozenset[str] | None:
    places = Places()
    with contextlib.suppress(Unavailable):
        asyncio.run(Rounds(places, *rounds).reconcile(KEY))
    (told,) = places.told
    return told


@pytest.mark.parametrize(
    ("rounds", "waits"),
    [
        pytest.param([(False, frozenset({"j"}))], {"j"}, id="one-round"),
        pytest.param([(True, frozenset()), (False, frozenset({"j"}))], {"j"}, id="the-last-counts"),
        pytest.param([(True, frozenset()), Unavailable("away")], None, id="then-no-answer"),
        pytest.param([(True, frozenset()), RunGone("gone")], None, id="then-its-namespace-is-gone"),
        pytest.param([Unavailable("away")], None, id="no-answer"),
    ],
)
def test_a_run_is_at_rest_by_its_last_round_alone(
    rounds: list[Any], waits: set[str] | None
) -> None:
    """A Job may have been made that is not on record, for somebody else has written first."""
    assert left(*rounds) == waits


def test_a_worker_is_alive_with_each_round() -> None:
    """A run of hundreds of short steps keeps its worker for minutes, and that one is not stuck."""
    rounds = Rounds(Places(), *[(True, None)] * 4, (False, frozenset()))
    asyncio.run(rounds.reconcile(KEY))
    assert rounds.begun == [KEY] * 5


class Desk:
    """Everything around a plan, for a run of which nothing is known: what is written is there."""

    def __init__(self) -> None:
        run = parse_run({"metadata": {}, "spec": {"workflowName": "w", "trigger": {"type": "api"}}})
        assert isinstance(run, Run)
        self.seen = Observed(run=run, definition=Problem(Reason.REVISION_LOST, "none"))
        self.looks: list[datetime] = []

    async def observe(self, _: RunKey) -> Observed:
        return self.seen

    async def write(self, _key: RunKey, run: Run, new: RunStatus) -> Written:
        self.seen = replace(self.seen, run=replace(run, status=new))
        return Written.SAME if new == run.status else Written.DONE

    def settle(self, _: Run, *, partial: bool) -> None:
        """Nothing is kept."""

    def tell(self, *_: Any) -> None:
        """Nobody listens."""

    def look_at(self, _: RunKey, time: datetime) -> None:
        self.looks.append(time)


@pytest.mark.parametrize(("stands", "plans"), [(True, 1), (False, 2)])
def test_what_stands_is_not_decided_anew(
    monkeypatch: pytest.MonkeyPatch, stands: bool, plans: int
) -> None:
    """Written down, it is looked at again when its time comes, and not before."""
    made = list[Observed]()
    status = RunStatus(progress="1/2")

    def plan(observed: Observed, _: datetime) -> Plan:
        made.append(observed)
        return Plan(status, look_at=SOON, stands=stands)

    monkeypatch.setattr(reconcile, "plan", plan)
    desk: Any = Desk()
    asyncio.run(Reconciler(desk, desk, desk, desk, desk.look_at).reconcile(KEY))
    assert len(made) == plans
    assert desk.seen.run.status == status
    assert desk.looks == [SOON]
