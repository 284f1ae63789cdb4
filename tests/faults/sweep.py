"""The kill sweep: the operator dies at every place of a run, and nothing may come of it.

First the undisturbed run tells how many writes there are and how it ends. Then, for each write and
each of the two moments around its answer, a run in which the operator is killed there and started
again at once. Each must end as the undisturbed one did, by the same Jobs.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from faults import scenario
from faults.lane import Ending, Lane, Stage
from faults.scripts import Counting, KillAtWrite
from support.proxy import Script


@dataclass(frozen=True, slots=True)
class AtWrite:
    """Killed at the k-th write, before or after the answer."""

    number: int
    after: bool

    def __str__(self) -> str:
        return f"killed {'after' if self.after else 'before'} the answer to write {self.number}"


@dataclass(frozen=True, slots=True)
class AtTimes:
    """Killed after so many seconds, again and again; each counts from the start before.

    `in_mid_run` takes the name of the run for each kill that met it on its way.
    """

    seconds: tuple[float, ...]
    in_mid_run: list[str] = field(default_factory=list, compare=False)

    def __str__(self) -> str:
        return f"killed after {', '.join(f'{s:.2f}' for s in self.seconds)} s"


Kill = AtWrite | AtTimes


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """The run that nothing befell: its end and its writes."""

    ending: Ending
    writes: tuple[str, ...]


async def undisturbed(lane: Lane, name: str = "undisturbed") -> Undisturbed:
    """Play it, and check it against what the scenario says, so that no fault is the standard."""
    script = Counting(name)
    await lane.define(name)
    lane.script(script)
    await lane.begin(name)
    ending = await lane.ending(name)
    await lane.quiet(lambda: len(script.writes))
    lane.script(Script())
    assert ending.jobs == scenario.JOBS
    assert scenario.units(ending.run) == scenario.UNITS
    assert scenario.verdict(ending.run) == ("False", "ExitCode")
    return Undisturbed(ending, tuple(script.writes))


async def sweep(
    stage: Stage,
    expected: Ending,
    kills: Sequence[Kill],
    *,
    lanes: int,
    source: Path | None = None,
    enough: int | None = None,
) -> list[str]:
    """Play every kill, several at once; what was not as in the undisturbed run.

    Stops early after `enough` findings.
    """
    left, findings = deque(enumerate(kills, 1)), list[str]()

    async def work(lane: Lane) -> None:
        while left and (enough is None or len(findings) < enough):
            number, kill = left.popleft()
            findings.extend(await _one(lane, f"kill-{number:04}", kill, expected))

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(stage.lane(source)) for _ in range(lanes)]
        async with asyncio.TaskGroup() as tasks:
            for lane in opened:
                tasks.create_task(work(lane))
        findings.extend(await stage.unaccounted())
    return findings


def at_every_write(expected: Undisturbed, moments: int = 2) -> list[Kill]:
    """Both moments around each write of the undisturbed run, or the one and the other in turn."""
    numbers = range(1, len(expected.writes) + 1)
    return [
        AtWrite(number, after)
        for number in numbers
        for after in (False, True)
        if moments == 2 or after == bool(number % 2)
    ]


def at_random_times(seed: int, runs: int, kills: int, seconds: float) -> list[AtTimes]:
    """Runs with several kills each, within that time of the start before."""
    chance = random.Random(seed)
    return [AtTimes(tuple(chance.uniform(0, seconds) for _ in range(kills))) for _ in range(runs)]


async def _one(lane: Lane, name: str, kill: Kill, expected: Ending) -> list[str]:
    try:
        ending = await (
            _at_write(lane, name, kill)
            if isinstance(kill, AtWrite)
            else _at_times(lane, name, kill)
        )
    except AssertionError as error:
        if not lane.process.runs():
            await lane.start()
        return [f"{kill}: {error}"]
    return [f"{kill}: {fault}" for fault in ending.faults(expected)]


async def _at_write(lane: Lane, name: str, kill: AtWrite) -> Ending:
    await lane.define(name)
    script = KillAtWrite(name, kill.number, after=kill.after, kill=lane.process.kill)
    lane.script(script)
    await lane.begin(name)
    try:
        async with asyncio.timeout(60):
            await script.done.wait()
    except TimeoutError:
        raise AssertionError(f"there were only {len(script.writes)} writes") from None
    finally:
        lane.script(Script())
    return await _again(lane, name)


async def _at_times(lane: Lane, name: str, kill: AtTimes) -> Ending:
    await lane.define(name)
    await lane.begin(name)
    for seconds in kill.seconds:
        await asyncio.sleep(seconds)
        if not await lane.completed(name):
            kill.in_mid_run.append(name)
        lane.process.kill()
        await lane.start(ready=False)
    return await _settled(lane, name)


async def _again(lane: Lane, name: str) -> Ending:
    await lane.start(ready=False)
    return await _settled(lane, name)


async def _settled(lane: Lane, name: str) -> Ending:
    """The end, and an operator that is ready for the next run."""
    ending = await lane.ending(name)
    await lane.until(_ready(lane), "the operator is ready", 90)
    return ending


def _ready(lane: Lane) -> Callable[[], asyncio.Future[bool]]:
    return lambda: asyncio.get_running_loop().run_in_executor(None, lane.process.ready)
