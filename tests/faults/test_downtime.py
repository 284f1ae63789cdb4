"""R4: a Job ends, or is taken away, while the operator is down: kept or JobLost, never again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from faults import scenario
from faults.gate import Gate
from faults.lane import Lane, Site, stage
from faults.sweep import undisturbed
from workflow_do.api import names
from workflow_do.runtime.api import JOBS, PODS, RUNS, Raw, Resource

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
RUN, STEP = "away", "two"


async def _recorded(lane: Lane) -> bool:
    run = await lane.api.get(RUNS, lane.namespace, RUN)
    return any(s["id"] == STEP and s.get("jobUID") for s in run["status"]["steps"])


async def _of_step(lane: Lane, resource: Resource) -> list[Raw]:
    labels = f"{names.LABEL_RUN}={RUN},{names.LABEL_STEP}={STEP}"
    return (await lane.api.list_all(resource, lane.namespace, labels=labels)).items


async def _job_ended(lane: Lane) -> None:
    async def ended() -> bool:
        (job,) = await _of_step(lane, JOBS)
        return scenario.condition(job, "Complete").get("status") == "True"

    await lane.until(ended, "the Job is complete")


async def _pod_deleted(lane: Lane) -> None:
    await _job_ended(lane)
    await _delete(lane, PODS)


async def _job_deleted(lane: Lane) -> None:
    await _job_ended(lane)
    await _delete(lane, JOBS)
    await _gone(lane, PODS)


async def _running_job_deleted(lane: Lane) -> None:
    await _delete(lane, JOBS)
    await _gone(lane, PODS)


async def _running_pod_deleted(lane: Lane) -> None:
    await _delete(lane, PODS)

    async def failed() -> bool:
        (job,) = await _of_step(lane, JOBS)
        return scenario.condition(job, "Failed").get("status") == "True"

    await lane.until(failed, "the Job has failed")


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


@pytest.mark.parametrize(
    ("befalls", "kept"),
    [
        (_job_ended, True),
        (_pod_deleted, False),
        (_job_deleted, False),
        (_running_pod_deleted, False),
        (_running_job_deleted, False),
    ],
    ids=["ended", "ended, Pod deleted", "ended, Job deleted", "Pod deleted", "Job deleted"],
)
def test_r4_while_the_operator_is_down(
    site: Site, befalls: Callable[[Lane], Awaitable[None]], kept: bool
) -> None:
    async def test() -> None:
        async with stage(site) as played, played.lane() as lane:
            expected = (await undisturbed(lane)).ending
            gate = Gate(lane, STEP)
            await lane.define(RUN)
            await lane.begin(RUN)
            await gate.reached()
            await lane.until(lambda: _recorded(lane), "the Job is recorded")
            lane.process.kill()
            if "running" not in befalls.__name__:
                gate.open.set()
            await befalls(lane)
            gate.open.set()
            await lane.start(ready=False)
            ending = await lane.ending(RUN)
            if kept:
                assert ending.faults(expected) == []
                return
            assert scenario.verdict(ending.run) == ("False", "JobLost")
            record = next(s for s in ending.run["status"]["steps"] if s["id"] == STEP)
            assert (record["state"], record["tries"]) == ("Unknown", 1)
            assert ending.run["status"]["onFailure"]["state"] == "Succeeded"
            created = played.created(lane.namespace, RUN)
            assert len(created) == 3, "one, two and the handler, each once"
            assert set(created.values()) == {1}

    asyncio.run(test())
