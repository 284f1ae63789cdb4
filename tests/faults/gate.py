"""A step whose container runs until a test lets it end."""

from __future__ import annotations

import asyncio

from faults import scenario
from faults.lane import Lane
from support.autokubelet import Outcome, Try


class Gate:
    """Holds one step of a lane's runs; of several gates of a lane the newest counts."""

    def __init__(self, lane: Lane, step: str) -> None:
        self.open = asyncio.Event()
        self._reached = asyncio.Event()
        self._step = step
        self._lane = lane
        lane.table(self.outcome)

    async def reached(self, seconds: float = 40) -> None:
        """Return once the step's container runs."""
        try:
            async with asyncio.timeout(seconds):
                await self._reached.wait()
        except TimeoutError:
            why = f"step {self._step} does not run within {seconds:.0f} s"
            raise AssertionError(f"{why} ({self._lane.process.log})") from None

    async def outcome(self, of: Try) -> Outcome:
        """As in the scenario, but not before the gate is open."""
        if of.step == self._step:
            self._reached.set()
            await self.open.wait()
        return await scenario.outcome(of)
