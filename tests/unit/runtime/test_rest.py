"""When a run is at rest: only then its Jobs that are not on record hold no place any more."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from workflow_do.runtime.api import Unavailable
from workflow_do.runtime.execute import RunGone
from workflow_do.runtime.reconcile import Reconciler
from workflow_do.runtime.store import RunKey

KEY = RunKey("team", "run-1", "u1")


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
