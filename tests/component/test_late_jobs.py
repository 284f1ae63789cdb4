"""A Job that turns up for a run that is over, and an API server that does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime_faults import Stage, on_stage
from support.faults import Fault, Faults
from workflow_do.api import names
from workflow_do.runtime.api import JOBS, RUNS
from workflow_do.runtime.config import Settings
from workflow_do.runtime.operator import Operator

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]


def first_patch_of_a_job(fate: Fault) -> tuple[Faults, list[str]]:
    """This fate for the first PATCH of a Job, and the paths of all of them."""
    asked: list[str] = []

    def fates(method: str, path: str) -> Fault:
        if method != "PATCH" or "/jobs/" not in path:
            return Fault.NONE
        asked.append(path)
        return fate if len(asked) == 1 else Fault.NONE

    return fates, asked


@pytest.mark.parametrize("fate", [Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.ERROR])
def test_a_stray_job_whose_stop_stays_unanswered_is_stopped_all_the_same(
    server: ApiServer, fate: Fault
) -> None:
    """It turns up for a run that is over, about which nothing else brings news any more. Where the
    order was carried out unheard, the next look finds that, and nobody need ask again.
    """
    faults, asked = first_patch_of_a_job(fate)
    least = 2 if fate is Fault.LOST_REQUEST else 1

    async def work(stage: Stage) -> None:
        await stage.api.json_patch(RUNS, stage.key.namespace, stage.key.name, OVER, "status")
        label = {"metadata": {"labels": {names.LABEL_FINISHED: "Cancelled"}}}
        raw = await stage.api.merge_patch(RUNS, stage.key.namespace, stage.key.name, label)
        operator = Operator(stage.api, Settings(namespaces=(server.namespace,)))
        operator.run_seen(raw)
        task = asyncio.create_task(operator.run(resync_seconds=600))
        job = await stage.api.create(JOBS, stage.key.namespace, stage.job().manifest)
        operator.job_seen(job)
        while True:
            if asked and await suspended(stage):
                break
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait((task,))

    on_stage(server, work, faults)
    assert len(set(asked)) == 1, "one Job"
    assert len(asked) >= least, "asked again, for it was not carried out"


async def suspended(stage: Stage) -> bool:
    """Whether the one Job of the run is suspended."""
    (name,) = await stage.jobs()
    job = await stage.api.get(JOBS, stage.key.namespace, name)
    return job["spec"].get("suspend") is True


OVER: list[dict[str, Any]] = [
    {
        "op": "add",
        "path": "/status",
        "value": {
            "conditions": [
                {
                    "type": type_,
                    "status": status,
                    "reason": "Cancelled",
                    "message": "",
                    "lastTransitionTime": "2026-01-31T08:00:00Z",
                }
                for type_, status in (("Succeeded", "False"), ("Completed", "True"))
            ]
        },
    }
]
"""The status of a run that was cancelled before anything of it began."""
