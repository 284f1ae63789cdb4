"""The two ways to run a chain of Jobs that are compared, in one program; it runs in a Pod.

    bare   Jobs chained by the least that can do it: one watch of Pods, and the next Job is POSTed
           when the container of the one before has ended. No status, no templates, no restarts.
    runs   WorkflowRuns made and awaited: the operator does the chaining.

Both are timed in here, from the first POST to the last end that is seen, so that neither has the
shorter way to the API server. Takes one JSON object as its argument and prints one JSON object.
Stands alone: in its Pod there is nothing but this file, Python and aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

Raw = dict[str, Any]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_AT_ONCE = 32
"""Calls under way; more do not make an API server on the same machine quicker."""
RUN_LABEL, STEP_LABEL = "bench/run", "bench/step"
RUNS_PATH = "/apis/workflow.do/v1alpha1"


class Server:
    """An API server: POST, and a watch that goes on from a resourceVersion."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._session = session
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def post(self, path: str, body: Raw) -> Raw:
        """The object as stored; RuntimeError with what the API server says if it refuses."""
        async with self._room, self._session.post(self._address + path, json=body) as answer:
            found: Raw = await answer.json()
            if answer.status >= 300:
                raise RuntimeError(f"POST {path}: {answer.status} {found.get('message')}")
            return found

    async def get(self, path: str, **query: str) -> Raw:
        """The list or object at that path."""
        async with self._session.get(self._address + path, params=query) as answer:
            found: Raw = await answer.json()
            return found

    async def watch(self, path: str, labels: str, seconds: float) -> AsyncIterator[bytes]:
        """The lines of a watch that begins now; TimeoutError after that many seconds."""
        begun = await self.get(path, labelSelector=labels, limit="1")
        version = begun["metadata"]["resourceVersion"]
        query = {"watch": "1", "labelSelector": labels, "resourceVersion": version}
        query["timeoutSeconds"] = str(int(seconds))
        limits = aiohttp.ClientTimeout(total=seconds)
        where = self._address + path
        async with self._session.get(where, params=query, timeout=limits) as answer:
            rest = b""
            async for data in answer.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line
        raise TimeoutError(f"the watch of {path} ended after {seconds:.0f} s")


class Chains:
    """Jobs, each POSTed when the container of the one before it has ended."""

    def __init__(self, server: Server, order: Raw) -> None:
        self._server = server
        self._order = order
        self._ended: set[str] = set()
        self._posts: set[asyncio.Task[None]] = set()
        self.gaps: list[float] = []
        self.ends: dict[str, float] = {}

    async def run(self) -> None:
        """Make the first Job of each run; return when the last of each has ended."""
        namespace, tag = self._order["namespace"], self._order["tag"]
        selector, seconds = f"bench={tag}", self._order["seconds"]
        lines = self._server.watch(f"/api/v1/namespaces/{namespace}/pods", selector, seconds)
        first = asyncio.create_task(self._start_all())
        async for line in lines:
            if b'"terminated"' in line:
                self._see(json.loads(line)["object"])
            if len(self.ends) == self._order["runs"]:
                break
            for task in [t for t in self._posts if t.done()]:
                self._posts.discard(task)
                task.result()
        await asyncio.gather(first, *self._posts)

    async def _start_all(self) -> None:
        await asyncio.gather(*(self._make(str(n), 1) for n in range(self._order["runs"])))

    def _see(self, pod: Raw) -> None:
        meta, now = pod["metadata"], time.monotonic()
        rows = pod["status"].get("containerStatuses") or ()
        if meta["uid"] in self._ended or not any("terminated" in r["state"] for r in rows):
            return
        self._ended.add(meta["uid"])
        run, step = meta["labels"][RUN_LABEL], int(meta["labels"][STEP_LABEL])
        if step == self._order["steps"]:
            self.ends[run] = now
        else:
            self._posts.add(asyncio.create_task(self._make(run, step + 1, since=now)))

    async def _make(self, run: str, step: int, since: float | None = None) -> None:
        tag, namespace = self._order["tag"], self._order["namespace"]
        labels = {"bench": tag, RUN_LABEL: run, STEP_LABEL: str(step)}
        spec = self._order["job"]
        template = {**spec["template"], "metadata": {"labels": labels}}
        meta = {"name": f"{tag}-{run}-{step}", "namespace": namespace, "labels": labels}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}
        body = {**job, "spec": {**spec, "template": template}}
        await self._server.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", body)
        if since is not None:
            self.gaps.append(time.monotonic() - since)


class Runs:
    """WorkflowRuns of one Workflow, all made at once and awaited."""

    def __init__(self, server: Server, order: Raw) -> None:
        self._server = server
        self._order = order
        self.ends: dict[str, float] = {}
        self.gaps: list[float] = []

    async def run(self) -> None:
        """Make them; return when all are Completed. RuntimeError for one that did not succeed."""
        path = f"{RUNS_PATH}/namespaces/{self._order['namespace']}/workflowruns"
        selector = f"bench={self._order['tag']}"
        lines = self._server.watch(path, selector, self._order["seconds"])
        first = asyncio.create_task(self._start_all(path))
        async for line in lines:
            if b'"completionTime"' in line:
                self._see(json.loads(line)["object"])
            if len(self.ends) == self._order["runs"]:
                break
        await first

    async def _start_all(self, path: str) -> None:
        tag = self._order["tag"]
        spec = {"workflowName": self._order["workflow"], "trigger": {"type": "api", "body": {}}}
        kind = {"apiVersion": "workflow.do/v1alpha1", "kind": "WorkflowRun"}
        bodies = (
            {**kind, "metadata": {"name": f"{tag}-{n}", "labels": {"bench": tag}}, "spec": spec}
            for n in range(self._order["runs"])
        )
        await asyncio.gather(*(self._server.post(path, body) for body in bodies))

    def _see(self, run: Raw) -> None:
        name = run["metadata"]["name"]
        found = {c["type"]: c for c in run["status"].get("conditions") or ()}
        if name in self.ends or found.get("Completed", {}).get("status") != "True":
            return
        verdict = found["Succeeded"]
        if verdict["status"] != "True":
            raise RuntimeError(f"the run {name} ended as {verdict['reason']}")
        self.ends[name] = time.monotonic()


WAYS: dict[str, Callable[[Server, Raw], Chains | Runs]] = {"bare": Chains, "runs": Runs}


async def measure(order: Raw) -> Raw:
    """Seconds in all and of CPU time of this process, seconds of each run, and of the bare way the
    gaps between Jobs.
    """
    token = (_ACCOUNT / "token").read_text(encoding="ascii").strip()
    tls = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    connector = aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=60)
    head = {"Authorization": f"Bearer {token}", "User-Agent": "bench"}
    async with aiohttp.ClientSession(connector=connector, headers=head) as session:
        server = Server(f"https://{host}:{port}", session)
        await server.get("/version")
        way = WAYS[order["way"]](server, order)
        began, cpu = time.monotonic(), time.process_time()
        await way.run()
        ended, cpu = time.monotonic(), time.process_time() - cpu
    return {
        "seconds": ended - began,
        "cpu": cpu,
        "runs": sorted(end - began for end in way.ends.values()),
        "gaps": sorted(way.gaps),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.argv[1])))))
