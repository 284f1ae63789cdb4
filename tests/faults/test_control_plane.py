"""R6: the API server and its store are held for a minute; the operator waits and goes on."""

from __future__ import annotations

import asyncio
import time

import pytest

from component.server import tool
from faults.conftest import CLUSTER
from faults.gate import Gate
from faults.lane import Ending, Lane, Site, stage
from workflow_do.api import names
from workflow_do.runtime.api import JOBS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300), pytest.mark.long]
AWAY = 60
BACK = 30
"""Seconds within which the next step must have begun."""


@pytest.mark.parametrize("components", [("apiserver",), ("etcd",), ("etcd", "apiserver")])
def test_r6_the_control_plane_is_away(
    site: Site, expected: Ending, components: tuple[str, ...]
) -> None:
    """A step ends just before; whatever becomes of the write for the next, it happens once."""

    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            gate = Gate(lane, "two")
            await lane.define("held")
            await lane.begin("held")
            await gate.reached()
            starts = Supervisor(lane)
            watching = asyncio.create_task(starts.run())
            for component in components:
                await asyncio.to_thread(tool, "pause", CLUSTER, component)
            gate.open.set()
            await asyncio.sleep(AWAY)
            for component in components:
                await asyncio.to_thread(tool, "resume", CLUSTER, component)
            back = time.monotonic()
            await lane.until(lambda: _begun(lane, "held", "three"), "the next step begins", BACK)
            print(f"R6 {'+'.join(components)}: progress {time.monotonic() - back:.1f} s after")
            assert (await lane.ending("held")).faults(expected) == []
            assert await played.unaccounted() == []
            watching.cancel()
            assert starts.count <= 1, "at most the loss of the lease ends the process, once"

    asyncio.run(test())


class Supervisor:
    """Starts the operator again when it ends, as a kubelet does, and counts."""

    def __init__(self, lane: Lane) -> None:
        self.count = 0
        self._lane = lane

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            if not self._lane.process.runs():
                self.count += 1
                await self._lane.start(ready=False)


async def _begun(lane: Lane, run: str, step: str) -> bool:
    labels = f"{names.LABEL_RUN}={run},{names.LABEL_STEP}={step}"
    return bool((await lane.api.list_all(JOBS, lane.namespace, labels=labels)).items)
