"""The trials: a run under one kind of fault each; what is not as it must be comes back in words.

A trial takes a lane and the undisturbed run, and says what it found wrong: nothing, for an
operator that keeps its promises, something for one with a seeded defect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from faults import scenario
from faults.gate import Gate
from faults.lane import Ending, Lane, Stage
from faults.scripts import Flaky, Jumbled, KillAtJob, Remembering, Silent, Stale
from support.proxy import Script
from workflow_do.api import names
from workflow_do.runtime.api import JOBS, PODS, RUNS, Raw, Resource

Trial = Callable[[Stage, Lane, Ending], Awaitable[list[str]]]
QUICK_RESYNC: Mapping[str, str] = {"WORKFLOW_DO_RESYNC_SECONDS": "1"}
RUN, STEP = "tried", "two"


async def stale_lists(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
    """Started anew, the operator is given the lists of when only the first step had begun."""
    first, memory = Gate(lane, "one"), Remembering()
    await lane.define(RUN)
    await lane.begin(RUN)
    await first.reached()
    await _restart(lane, memory)
    later = Gate(lane, "four")
    first.open.set()
    await later.reached()
    old = Stale(memory.lists)
    await _restart(lane, old)
    assert old.served >= 5, f"only {old.served} lists were old ones"
    later.open.set()
    return await _found(stage, lane, expected)


def silent(*plurals: str) -> Trial:
    """Watches of these kinds stay open and bring nothing; no kind means all."""

    async def trial(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
        script = Silent(*plurals)
        await lane.define(RUN)
        lane.script(script)
        await lane.begin(RUN)
        found = await _found(stage, lane, expected, 40)
        assert script.swallowed > 0, "nothing was swallowed"
        return found

    return trial


def jumbled(seed: int) -> Trial:
    """Events come late, twice and out of order."""

    async def trial(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
        await lane.define(RUN)
        await _restart(lane, Jumbled(seed))
        await lane.begin(RUN)
        return await _found(stage, lane, expected)

    return trial


@dataclass
class Measured:
    """What the calls of a flaky trial met, and how long the run took, in seconds."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0


def flaky(seed: int, measured: Measured | None = None, limit: float = 150) -> Trial:
    """One call in ten fails, from the start of the operator on."""
    into = measured or Measured()

    async def trial(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
        script = Flaky(seed)
        name = f"{RUN}-{seed}"
        await lane.define(name)
        await _restart(lane, script)
        await lane.begin(name)
        found = await _found(stage, lane, expected, limit, name, into)
        into.calls, into.failed = script.calls, script.failed
        lane.script(Script())
        return found

    return trial


async def _restart(lane: Lane, script: Script) -> None:
    lane.process.kill()
    lane.script(script)
    await lane.start()


async def _found(
    stage: Stage,
    lane: Lane,
    expected: Ending,
    limit: float = 60,
    name: str = RUN,
    measured: Measured | None = None,
) -> list[str]:
    try:
        ending = await lane.ending(name, limit)
    except AssertionError as error:
        return [str(error)]
    if measured is not None:
        measured.seconds = ending.seconds
    return [*ending.faults(expected), *await stage.unaccounted(lane.namespace)]


async def job_ended(lane: Lane) -> None:
    """The step's Job comes to its end."""
    await _until_job(lane, "Complete")


async def pod_deleted(lane: Lane) -> None:
    """It ends, and its Pod is deleted."""
    await job_ended(lane)
    await _delete(lane, PODS)


async def job_deleted(lane: Lane) -> None:
    """It ends, and is deleted with its Pod."""
    await job_ended(lane)
    await _delete(lane, JOBS)
    await _gone(lane, PODS)


async def running_pod_deleted(lane: Lane) -> None:
    """Its Pod is deleted while the program runs."""
    await _delete(lane, PODS)
    await _until_job(lane, "Failed")


async def running_job_deleted(lane: Lane) -> None:
    """It is deleted while the program runs."""
    await _delete(lane, JOBS)
    await _gone(lane, PODS)


def while_down(befalls: Callable[[Lane], Awaitable[None]]) -> Trial:
    """Something befalls the Job of a step while the operator is down.

    If it only ends, all is as ever. If it, or its Pod, is taken away, the step ends as JobLost,
    with one Job, and the handler is told.
    """

    async def trial(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
        gate = Gate(lane, STEP)
        await lane.define(RUN)
        await lane.begin(RUN)
        await gate.reached()
        await lane.until(lambda: _recorded(lane), "the Job is recorded")
        lane.process.kill()
        if befalls not in (running_pod_deleted, running_job_deleted):
            gate.open.set()
        await befalls(lane)
        gate.open.set()
        await lane.start(ready=False)
        if befalls is job_ended:
            return await _found(stage, lane, expected)
        return _lost(await lane.ending(RUN), stage.created(lane.namespace, RUN))

    return trial


async def never_written_down(stage: Stage, lane: Lane, expected: Ending) -> list[str]:
    """Killed between a Job's POST and the status; the Job ends and is deleted meanwhile."""
    script = KillAtJob(STEP, lane.process.kill)
    await lane.define(RUN)
    lane.script(script)
    await lane.begin(RUN)
    async with asyncio.timeout(30):
        await script.done.wait()
    await job_deleted(lane)
    await lane.start(ready=False)
    return _lost(await lane.ending(RUN), stage.created(lane.namespace, RUN))


def _lost(ending: Ending, created: Mapping[str, int]) -> list[str]:
    """What is wrong with the end of a run whose second step's Job was lost.

    What the first step did is undone. Of the second nobody knows what there is to undo: its undo
    needs an output that it does not have.
    """
    expected = (
        ("one", "Succeeded", 1),
        ("undo one", "Succeeded", 1),
        (STEP, "Unknown", 1),
        (f"undo {STEP}", "NotStarted", 0),
        ("three", "Pending", 0),
        ("four", "Pending", 0),
        ("five", "Pending", 0),
        ("onFailure", "Succeeded", 1),
    )
    checks = {
        f"ended as {scenario.verdict(ending.run)}": scenario.verdict(ending.run)
        == ("False", "JobLost"),
        f"units {scenario.units(ending.run)}": scenario.units(ending.run) == expected,
        f"Jobs {dict(created)}": sorted(created.values()) == [1, 1, 1, 1],
    }
    return [what for what, right in checks.items() if not right]


async def _recorded(lane: Lane) -> bool:
    run = await lane.api.get(RUNS, lane.namespace, RUN)
    return any(s["id"] == STEP and s.get("jobUID") for s in run["status"]["steps"])


async def _of_step(lane: Lane, resource: Resource) -> list[Raw]:
    labels = f"{names.LABEL_RUN}={RUN},{names.LABEL_STEP}={STEP}"
    return (await lane.api.list_all(resource, lane.namespace, labels=labels)).items


async def _until_job(lane: Lane, condition: str) -> None:
    async def ended() -> bool:
        (job,) = await _of_step(lane, JOBS)
        return scenario.condition(job, condition).get("status") == "True"

    await lane.until(ended, f"the Job is {condition}")


async def _delete(lane: Lane, resource: Resource) -> None:
    """As kubectl delete would: a Pod that runs is ended by its kubelet first."""
    for raw in await _of_step(lane, resource):
        path = resource.path(lane.namespace, raw["metadata"]["name"])
        await lane.api.call("DELETE", path, {"propagationPolicy": "Background"})
    await _gone(lane, resource)


async def _gone(lane: Lane, resource: Resource) -> None:
    async def none() -> bool:
        return not await _of_step(lane, resource)

    await lane.until(none, f"the {resource.plural} are gone", 40)
