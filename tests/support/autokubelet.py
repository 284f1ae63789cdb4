"""Plays every node of a control plane that has none, on its own, by a table of outcomes.

Each Pod of a run is bound, runs and ends as the table says for its unit and try, whoever looks or
does not look: an operator that is down finds finished Jobs when it comes back. The order of writes
is the kubelet's own: the container state first, the Pod's phase after it. It outlives outages of
the API server: what could not be written is written again until it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from support.calls import Calls
from support.kubelet import NODE, timestamp
from workflow_do.api import names
from workflow_do.runtime.api import PODS, ApiError, Conflict, NotFound, Refused, Resource
from workflow_do.runtime.connection import Connection

Pod = dict[str, Any]
_NODES: Final = Resource("/api/v1", "nodes")
_PAUSE: Final = 0.2
_WATCH: Final = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=20)


@dataclass(frozen=True, slots=True)
class Try:
    """Which try of which unit a Pod is; `step` is empty for the onFailure handler."""

    namespace: str
    run: str
    role: str
    step: str
    number: int

    @classmethod
    def of(cls, pod: Pod) -> Try:
        """From the labels of a Pod."""
        meta = pod["metadata"]
        labels = meta["labels"]
        return cls(
            namespace=meta["namespace"],
            run=labels[names.LABEL_RUN],
            role=labels[names.LABEL_ROLE],
            step=labels.get(names.LABEL_STEP, ""),
            number=int(labels[names.LABEL_TRY]),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ends, and after how many seconds; `output` is its termination message."""

    output: dict[str, Any] | None = None
    exit_code: int = 0
    seconds: float = 0.0


Table = Callable[[Try], Awaitable[Outcome]]
"""The outcome of a try, told when it is to end; until then its container runs."""


class AutoKubelet:
    """Plays the Pods of a namespace, or of all, until its `run` is cancelled."""

    def __init__(
        self, link: Connection, api: Calls, table: Table, namespace: str | None = None
    ) -> None:
        self._link = link
        self._api = api
        self._table = table
        self._namespace = namespace
        self._seen: set[str] = set()
        self._playing: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch the Pods of runs, and play each once."""
        await self._make_node()
        async with asyncio.TaskGroup() as tasks, self._link.session(limit=0) as session:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    await self._watch(session, tasks)
                await asyncio.sleep(_PAUSE)

    async def _make_node(self) -> None:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        try:
            await self._api.call("POST", _NODES.path(None), body)
        except Conflict:
            return

    async def _watch(self, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        """Without a resourceVersion the API server first sends everything that is there."""
        query = {"watch": "true", "labelSelector": names.LABEL_RUN_UID}
        url = self._link.server + PODS.path(self._namespace)
        async with session.get(url, params=query, timeout=_WATCH) as stream:
            while line := await stream.content.readuntil(b"\n"):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"], tasks)

    def _see(self, pod: Pod, tasks: asyncio.TaskGroup) -> None:
        uid, deleted = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
        if uid in self._seen:
            playing = self._playing.pop(uid, None) if deleted else None
            if playing is not None:
                playing.cancel()
                tasks.create_task(self._end(pod), name=f"end {pod['metadata']['name']}")
        elif "nodeName" not in pod["spec"]:
            self._seen.add(uid)
            self._playing[uid] = tasks.create_task(
                self._play(pod), name=f"play {pod['metadata']['name']}"
            )

    async def _play(self, pod: Pod) -> None:
        """The life of one Pod; it ends early where the Pod is taken away."""
        with suppress(NotFound, Refused):
            await self._until_done(self._bind, pod)
            await self._until_done(self._status, pod, "Running", running())
            outcome = await self._table(Try.of(pod))
            await asyncio.sleep(outcome.seconds)
            await self._until_done(self._status, pod, "Running", terminated(outcome))
            phase = "Failed" if outcome.exit_code else "Succeeded"
            await self._until_done(self._status, pod, phase, terminated(outcome))

    async def _end(self, pod: Pod) -> None:
        """The Pod was deleted: what still runs is ended, then the Pod is taken away."""
        meta = pod["metadata"]
        with suppress(NotFound, Refused):
            if pod["status"].get("phase") == "Running":
                state = terminated(Outcome(exit_code=143))
                await self._until_done(self._status, pod, "Failed", state)
            await self._until_done(self._api.delete, PODS, meta["namespace"], meta["name"])

    async def _until_done(self, write: Callable[..., Awaitable[None]], *given: Any) -> None:
        while True:
            try:
                return await write(*given)
            except (NotFound, Refused):
                raise
            except ApiError:
                await asyncio.sleep(_PAUSE)

    async def _bind(self, pod: Pod) -> None:
        meta = pod["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        try:
            path = PODS.path(meta["namespace"], meta["name"], "binding")
            await self._api.call("POST", path, body)
        except Conflict:
            return  # bound by an earlier call whose answer was lost

    async def _status(self, pod: Pod, phase: str, state: dict[str, Any]) -> None:
        meta, container = pod["metadata"], pod["spec"]["containers"][0]
        row = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "sha256:" + "0" * 64,
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "startTime": timestamp(), "containerStatuses": [row]}
        path = PODS.path(meta["namespace"], meta["name"], "status")
        headers = {"Content-Type": "application/merge-patch+json"}
        await self._api.call("PATCH", path, {"status": status}, headers)


def running() -> dict[str, Any]:
    """The state of a container that runs."""
    return {"running": {"startedAt": timestamp()}}


def terminated(outcome: Outcome) -> dict[str, Any]:
    """The state of a container that has ended."""
    message = {} if outcome.output is None else {"message": json.dumps(outcome.output)}
    return {
        "terminated": {
            "exitCode": outcome.exit_code,
            "reason": "Error" if outcome.exit_code else "Completed",
            "startedAt": timestamp(),
            "finishedAt": timestamp(),
            **message,
        }
    }
