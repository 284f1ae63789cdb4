"""A flood of runs in one namespace, and how long a run in another waits for its first Job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from support.audit import operator_writes
from support.calls import Calls, calling
from support.operator import OperatorProcess
from support.plane import Plane
from support.spoil import API, Raw
from workflow_do.api import names
from workflow_do.engine.facts import parse_time
from workflow_do.runtime.api import ACTIONS, RUNS, WORKFLOWS, Resource

FLOODED, CALM = "flooded", "calm"
_NAMESPACES = Resource("/api/v1", "namespaces")
_AT_ONCE = 16


async def waits(plane: Plane, process: OperatorProcess, flood: int, calm: int) -> list[float]:
    """Seconds from the making of each calm run to the POST of its first Job.

    The calm runs are made one after the other while the flood is, the last one at its end.
    """
    async with calling(plane.server.kubeconfig) as api:
        for namespace in (FLOODED, CALM):
            await api.call("POST", _NAMESPACES.path(None), {"metadata": {"name": namespace}})
            await api.create(ACTIONS, namespace, _object("Action", "act", {"image": "x:1"}))
            steps = [{"id": "one", "action": "act"}]
            await api.create(WORKFLOWS, namespace, _object("Workflow", "flow", {"steps": steps}))
        try:
            await asyncio.to_thread(process.start)
            made = await _pour(api, flood, calm)
            return await _measure(plane, made)
        finally:
            await asyncio.to_thread(process.close)


async def _pour(api: Calls, flood: int, calm: int) -> dict[str, datetime]:
    """Make all runs; when each calm one (by uid) was made, as the API server's clock has it."""
    numbers, made = iter(range(1, flood + 1)), dict[str, datetime]()
    every = flood // calm

    async def worker(numbers: Iterator[int]) -> None:
        for number in numbers:
            await api.create(RUNS, FLOODED, _run(f"flood-{number}"))
            if number % every == 0:
                raw = await api.create(RUNS, CALM, _run(f"calm-{number // every}"))
                time = parse_time(raw["metadata"]["creationTimestamp"])
                assert time is not None
                made[raw["metadata"]["name"]] = time

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(worker(numbers))
    return made


async def _measure(plane: Plane, made: dict[str, datetime]) -> list[float]:
    """Wait until every calm run has its Job; when that was asked for is in the audit log."""
    for _ in range(1200):
        posts = {
            name: write.time
            for write in operator_writes(plane.audit_log)
            if (write.verb, write.resource, write.namespace) == ("create", "jobs", CALM)
            for name in made
            if write.name.startswith(f"{name}-one-") and write.code == 201
        }
        if posts.keys() == made.keys():
            return [(posts[name] - made[name]).total_seconds() for name in made]
        await asyncio.sleep(0.1)
    raise AssertionError(f"no Job within two minutes for {sorted(made.keys() - posts.keys())}")


def _object(kind: str, name: str, spec: Raw) -> Raw:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _run(name: str) -> Raw:
    spec = {"workflowName": "flow", "trigger": {"type": "api"}}
    return {"apiVersion": API, "kind": "WorkflowRun", "metadata": {"name": name}, "spec": spec}
