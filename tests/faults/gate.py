"""A step whose container runs until a test lets it end."""

from __future__ import annotations

import asyncio

from faults import scenario
from faults.lane import Lane
from support.autokubelet import Outcome, Try


class Gate:
    """Holds one step of a lane's runs; `reached` is set when its container runs."""

    def __init__(self, lane: Lane, step: str) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self._step = step
        lane.table(self.outcome)

    async def outcome(self, of: Try) -> Outcome:
        """As in the scenario, but not before the gate is open."""
        if of.step == self._step:
            self.reached.set()
            await self.open.wait()
        return await scenario.outcome(of)
