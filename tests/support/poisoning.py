"""Poisons a control plane on which an operator works, and tells what came of it.

What the API server accepts is stored as it is. What it refuses is stored all the same, under a
copy of the definitions that lets everything pass, and found again when they are as before: so are
objects that were made before a rule existed. In the middle and at the end a sound run in another
namespace must come to its end in time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from support.audit import operator_writes
from support.autokubelet import AutoKubelet, Outcome, Try
from support.calls import Calls, calling
from support.operator import OperatorProcess
from support.plane import Plane, define
from support.spoil import API, Raw, Spoiled
from workflow_do.api import names
from workflow_do.runtime.api import ACTIONS, EVENTS, RUNS, WORKFLOWS, ApiError, Resource
from workflow_do.runtime.connection import Connection, connect

POISONED: Final = "poisoned"
SOUND: Final = "sound"
_PLURALS: Final = {
    kind.kind: kind.plural for kind in (names.ACTION, names.WORKFLOW, names.REVISION, names.RUN)
}
_NAMESPACES: Final = Resource("/api/v1", "namespaces")
_AT_ONCE: Final = 8


@dataclass(slots=True)
class Findings:
    """What came of it. `unexplained` are objects that nothing was said of; `seconds` are those
    that each sound run took; `restless` is what the operator still writes in `WINDOW` seconds, if
    that is more than a `FEW`; `memory` is the most that it has held, in MiB.
    """

    stored: int = 0
    forced: int = 0
    impossible: int = 0
    unexplained: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    restless: dict[str, int] = field(default_factory=dict)
    memory: float = 0


WINDOW: Final = 5.0
FEW: Final = 30


class Poisoning:
    """One operator among spoiled objects."""

    def __init__(self, plane: Plane, process: OperatorProcess, api: Calls, link: Connection):
        self.process = process
        self.findings = Findings()
        self._plane = plane
        self._api = api
        self._link = link

    async def store(self, objects: Iterable[Spoiled]) -> list[Spoiled]:
        """Send all; those that were refused."""
        refused, waiting = list[Spoiled](), iter(objects)

        async def send(session: aiohttp.ClientSession) -> None:
            for one in waiting:
                if not await self._sent(session, one):
                    refused.append(one)

        async with self._link.session(limit=0) as session, asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(send(session))
        return refused

    async def force(self, objects: list[Spoiled]) -> list[Spoiled]:
        """Send all while every rule is off; those that were refused even so."""
        await asyncio.to_thread(self._loosen)
        try:
            return await self.store(objects)
        finally:
            await asyncio.to_thread(define, self._plane.server)

    async def sound_run(self) -> None:
        """A run of the sound Workflow, from its start to its end."""
        name = f"run-{len(self.findings.seconds)}"
        began = time.monotonic()
        await self._api.create(RUNS, SOUND, _run(name))
        await self.until(lambda: self._succeeded(name), f"the sound {name} has succeeded", 60)
        self.findings.seconds.append(time.monotonic() - began)

    async def explain(self, seconds: float) -> None:
        """Wait for so long until something was said of every object; note of which not."""
        end = time.monotonic() + seconds
        while True:
            self.findings.unexplained = await self._unexplained()
            if not self.findings.unexplained or time.monotonic() > end:
                return
            await asyncio.sleep(1)

    async def rest(self, seconds: float) -> None:
        """Wait for so long until the operator has come to rest; note what it still writes."""
        end = time.monotonic() + seconds
        while True:
            since = self._plane.audit_log.stat().st_size
            await asyncio.sleep(WINDOW)
            writes = operator_writes(self._plane.audit_log, since)
            kinds = Counter(f"{write.verb} {write.resource}" for write in writes)
            self.findings.restless = dict(kinds) if len(writes) >= FEW else {}
            if not self.findings.restless or time.monotonic() > end:
                return

    async def until(self, look: Callable[[], Awaitable[object]], what: str, seconds: float) -> None:
        """Wait until a look is truthy; while the API server does not answer it is not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if await look():
                    return
            except ApiError:
                pass
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {seconds:.0f} s: {what} ({self.process.log})")

    async def _sent(self, session: aiohttp.ClientSession, one: Spoiled) -> bool:
        path = Resource(f"/apis/{names.API_VERSION}", _PLURALS[one.kind]).path(POISONED)
        headers = {"Content-Type": "application/json"}
        while True:
            async with session.post(
                self._link.server + path, data=one.body, headers=headers
            ) as answer:
                text = await answer.text()
            if answer.status == 429 or "storage is (re)initializing" in text:
                await asyncio.sleep(0.2)
                continue
            break
        if answer.status == 201 and one.status is not None:
            path = f"{path}/{one.name}/status"
            headers = {"Content-Type": "application/merge-patch+json"}
            async with session.patch(self._link.server + path, data=one.status, headers=headers):
                pass  # the API server may take it or not
        return answer.status == 201

    async def _succeeded(self, name: str) -> bool:
        raw = await self._api.get(RUNS, SOUND, name)
        return _condition(raw, "Succeeded").get("status") == "True"

    async def _unexplained(self) -> list[str]:
        found = []
        events = (await self._api.list_all(EVENTS, POISONED)).items
        told = {e["involvedObject"].get("name") for e in events if e["type"] == "Warning"}
        for resource in (ACTIONS, WORKFLOWS):
            for raw in (await self._api.list_all(resource, POISONED)).items:
                ready = _condition(raw, "Ready")
                name, generation = raw["metadata"]["name"], raw["metadata"]["generation"]
                if ready.get("observedGeneration") != generation and name not in told:
                    found.append(f"{resource.plural}/{name}")
        for raw in (await self._api.list_all(RUNS, POISONED)).items:
            name, going = raw["metadata"]["name"], "deletionTimestamp" in raw["metadata"]
            if not (_condition(raw, "Completed") or name in told or going):
                found.append(f"runs/{name}")
        return found

    def _loosen(self) -> None:
        """Every kind without schema and rules."""
        server = self._plane.server
        for plural in _PLURALS.values():
            crd = server.get("crd", f"{plural}.{names.GROUP}")
            for version in crd["spec"]["versions"]:
                schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                version["schema"] = {"openAPIV3Schema": schema}
                version.pop("selectableFields", None)
            server.kubectl("replace", "-f", "-", input=crd)


@asynccontextmanager
async def poisoning(plane: Plane, process: OperatorProcess) -> AsyncIterator[Poisoning]:
    """The operator started, its nodes playing, the sound definitions in both namespaces."""
    link = connect({"KUBECONFIG": str(plane.server.kubeconfig)})
    async with calling(plane.server.kubeconfig) as api:
        for namespace in (POISONED, SOUND):
            await api.call("POST", _NAMESPACES.path(None), {"metadata": {"name": namespace}})
            await api.create(ACTIONS, namespace, _object("Action", "act", {"image": "x:1"}))
            await api.create(WORKFLOWS, namespace, _object("Workflow", "flow", {"steps": _STEPS}))
        kubelet = asyncio.create_task(AutoKubelet(link, api, _outcome).run())
        try:
            await asyncio.to_thread(process.start)
            yield Poisoning(plane, process, api, link)
        finally:
            await asyncio.to_thread(process.close)
            kubelet.cancel()
            await asyncio.wait((kubelet,))


async def campaign(plane: Plane, process: OperatorProcess, objects: list[Spoiled]) -> Findings:
    """The whole story; at the end a second life of the operator begins among all that."""
    async with poisoning(plane, process) as it:
        await it.sound_run()
        refused = await it.store(objects)
        await it.sound_run()
        impossible = await it.force(refused)
        await it.sound_run()
        found = it.findings
        found.stored, found.forced = len(objects) - len(refused), len(refused) - len(impossible)
        found.impossible = len(impossible)
        await it.explain(30 + len(objects) / 20)
        await it.rest(60)
        assert process.runs(), "it has ended"
        found.memory = process.peak_memory()
        await asyncio.to_thread(process.stop, seconds=5)
        await asyncio.to_thread(process.start)
        await it.sound_run()
        found.memory = max(found.memory, process.peak_memory())
    return found


def log_faults(process: OperatorProcess) -> list[str]:
    """Lines of its log that tell of something nobody foresaw; of the API server's first moments
    with a changed definition everybody knows.
    """
    lines = [li for li in process.text().splitlines() if "storage is (re)initializing" not in li]
    rows = [json.loads(li) for li in lines if li.startswith("{")]
    strange = [li for li in lines if li and not li.startswith("{")]
    faults = [r for r in rows if r.get("level") in ("error", "critical") or "exception" in r]
    return strange + [json.dumps(row)[:2000] for row in faults]


_STEPS: Final = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]


def _object(kind: str, name: str, spec: Raw) -> Raw:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _run(name: str) -> Raw:
    return _object("WorkflowRun", name, {"workflowName": "flow", "trigger": {"type": "api"}})


def _condition(raw: Raw, type_: str) -> dict[str, Any]:
    status = raw.get("status")
    rows = status.get("conditions") if isinstance(status, dict) else None
    good = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return next((row for row in good if row.get("type") == type_), {})


async def _outcome(_: Try) -> Outcome:
    return Outcome({})
