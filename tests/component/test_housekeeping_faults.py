"""Housekeeping in this process against a real API server: lost answers, restarts, races."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply
from support.faults import Fault, Faults, faulty
from workflow_do.api import names
from workflow_do.runtime.api import JOBS, REVISIONS, RUNS, Api, Unavailable
from workflow_do.runtime.config import Settings
from workflow_do.runtime.connection import connect
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.operator import Operator
from workflow_do.runtime.store import Store, key_of

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
STAMP = "2026-01-31T08:00:00Z"
_numbers = itertools.count(1)
Raw = dict[str, Any]


@pytest.fixture
def flow(server: ApiServer) -> Iterator[str]:
    """A Workflow of the test's own, gone with all its runs afterwards: operators see all."""
    name = f"faulty-{next(_numbers)}"
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    yield name
    server.kubectl("delete", "wfl,wfr,wfv", "--all", "--wait=false")


def define(server: ApiServer, flow: str, **spec: Any) -> None:
    apply(server, "Workflow", flow, {"steps": [{"id": "one", "action": "act"}], **spec})


@asynccontextmanager
async def working(server: ApiServer, faults: Faults) -> Any:
    """A client, and an operator without watches that meets the faults."""
    link = connect({"KUBECONFIG": str(server.kubeconfig)})
    async with faulty(link, faults) as api, Api(link.server, link.session(limit=0)) as calls:
        operator = Operator(api, Settings(namespaces=(server.namespace,)))
        task = asyncio.create_task(operator.run(resync_seconds=1))
        try:
            yield calls, operator
        finally:
            task.cancel()
            await asyncio.wait((task,))


def on_server(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Bounded by the test's own time."""
    while True:
        if await look():
            return
        await asyncio.sleep(0.1)


async def ended(api: Api, namespace: str, flow: str, **annotations: str) -> Raw:
    """A run that has ended long ago, with one Job."""
    name = f"{flow}-{next(_numbers)}"
    meta = {
        "name": name,
        "labels": {names.LABEL_FINISHED: "Succeeded"},
        "annotations": annotations,
    }
    spec = {"workflowName": flow, "trigger": {}}
    body = {"apiVersion": names.API_VERSION, "kind": names.RUN.kind, "metadata": meta, "spec": spec}
    await api.create(RUNS, namespace, body)
    rows = [
        {"type": type_, "status": "True", "reason": "Succeeded", "lastTransitionTime": STAMP}
        for type_ in ("Succeeded", "Completed")
    ]
    step = {
        "id": "one",
        "action": "act",
        "state": "Succeeded",
        "jobName": f"{name}-one",
        "jobUID": "made-before",
    }
    status = {"conditions": rows, "steps": [step], "completionTime": STAMP}
    operations = [{"op": "add", "path": "/status", "value": status}]
    return await api.json_patch(RUNS, namespace, name, operations, "status")


async def job(api: Api, run: Raw) -> None:
    """The run's Job, which has ended as far as anybody can tell: it is suspended."""
    meta = run["metadata"]
    labels = {names.LABEL_RUN_UID: meta["uid"]}
    container = {"name": names.CONTAINER, "image": "example.com/x:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    spec = {"suspend": True, "template": {"metadata": {"labels": labels}, "spec": pod}}
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "name": meta["name"],
        "uid": meta["uid"],
    }
    about = {"name": f"{meta['name']}-one", "labels": labels, "ownerReferences": [owner]}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": spec}
    await api.create(JOBS, meta["namespace"], body)


async def jobs_of(api: Api, run: Raw) -> int:
    labels = f"{names.LABEL_RUN_UID}={run['metadata']['uid']}"
    return len((await api.list_all(JOBS, run["metadata"]["namespace"], labels=labels)).items)


class Log:
    """Every request; the first of a method and an end of its path meets a fault."""

    def __init__(self, **fates: Fault) -> None:
        self.seen: Counter[str] = Counter()
        self._fates = fates

    def __call__(self, method: str, path: str) -> Fault:
        plural = next((p for p in path.split("/") if p in PLURALS), "")
        what = f"{method}_{plural}"
        self.seen[what] += 1
        return self._fates.get(what, Fault.NONE) if self.seen[what] == 1 else Fault.NONE

    def writes(self) -> dict[str, int]:
        """How often what was written, the Ready conditions of definitions aside."""
        aside = ("PATCH_workflows", "PATCH_actions")
        return {
            what: n
            for what, n in self.seen.items()
            if not what.startswith("GET") and what not in aside
        }


PLURALS = {"jobs", "workflowruns", "workflowrevisions", "workflows", "actions", "events"}


@pytest.mark.parametrize("fate", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.ERROR])
@pytest.mark.parametrize("what", ["DELETE_jobs", "PATCH_workflowruns", "DELETE_workflowruns"])
def test_whatever_answer_is_lost_it_is_done_in_the_end(
    server: ApiServer, flow: str, what: str, fate: Fault
) -> None:
    ttl = {"ttlSecondsAfterFinished": 1} if what == "DELETE_workflowruns" else {}
    define(server, flow, **ttl)

    async def work() -> None:
        log = Log(**{what: fate})
        async with working(server, log) as (api, _):
            run = await ended(api, server.namespace, flow)
            await job(api, run)
            where = (server.namespace, run["metadata"]["name"])

            async def done() -> bool:
                found = await api.find(RUNS, *where)
                if ttl:
                    return found is None
                notes = (found or {}).get("metadata", {}).get("annotations", {})
                return names.ANNOTATION_JOBS_DELETED in notes

            await until(done)
            assert log.seen[what] >= 1
            if not ttl:
                assert await jobs_of(api, run) == 0

    on_server(work)


def test_a_restart_among_many_ended_runs_writes_nothing(server: ApiServer, flow: str) -> None:
    many = 300
    define(server, flow)

    async def work() -> None:
        link = connect({"KUBECONFIG": str(server.kubeconfig)})
        mark = {names.ANNOTATION_JOBS_DELETED: STAMP}
        async with Api(link.server, link.session(limit=0)) as api:
            made = (ended(api, server.namespace, flow, **mark) for _ in range(many))
            await asyncio.gather(*made)
        log = Log()
        async with working(server, log) as (api, operator):
            last = await ended(api, server.namespace, flow)
            await job(api, last)

            async def done() -> bool:
                marked = log.seen["PATCH_workflowruns"] > 0
                return await jobs_of(api, last) == 0 and marked and not operator.housekeeper.queue

            await until(done)
        assert log.writes() == {"DELETE_jobs": 1, "PATCH_workflowruns": 1}
        assert log.seen["GET_workflowrevisions"] <= 2

    on_server(work)


async def pinned(api: Api, namespace: str, flow: str, revision: str) -> Raw:
    """A run that has chosen a revision, and has not begun."""
    name = f"{flow}-{next(_numbers)}"
    spec = {"workflowName": flow, "trigger": {}}
    body = {"apiVersion": names.API_VERSION, "kind": names.RUN.kind, "metadata": {"name": name}}
    await api.create(RUNS, namespace, {**body, "spec": spec})
    step = {"id": "one", "action": "act", "state": "Pending", "tries": 0, "attempts": 0}
    status = {"startTime": STAMP, "revisionName": revision, "steps": [step]}
    operations = [{"op": "add", "path": "/status", "value": status}]
    return await api.json_patch(RUNS, namespace, name, operations, "status")


def test_a_revision_that_went_before_the_run_began_is_made_anew(
    server: ApiServer, flow: str
) -> None:
    define(server, flow)

    async def work() -> None:
        async with working(server, Log()) as (api, _):
            run = await pinned(api, server.namespace, flow, f"{flow}-gone")
            where = (server.namespace, run["metadata"]["name"])

            async def begun() -> bool:
                return await jobs_of(api, run) == 1

            await until(begun)
            revision = (await api.get(RUNS, *where))["status"]["revisionName"]
            assert revision != f"{flow}-gone"
            assert await api.find(REVISIONS, server.namespace, revision) is not None

    on_server(work)


def test_a_run_waits_while_its_revision_is_being_pruned(server: ApiServer, flow: str) -> None:
    define(server, flow)

    async def work() -> None:
        link = connect({"KUBECONFIG": str(server.kubeconfig)})
        async with Api(link.server, link.session(limit=0)) as api:
            run = await pinned(api, server.namespace, flow, f"{flow}-going")
            store = Store()
            store.see_run(run)
            store.pruning.add((server.namespace, f"{flow}-going"))
            with pytest.raises(Unavailable, match="being pruned"):
                await Observer(api, store).observe(key_of(run))

    on_server(work)
