"""A stage for faults, and lanes on it: each a namespace with an operator behind a proxy.

Lanes are independent, so several runs suffer at once. A lane's operator is a process of its own
that runs from a copy of the source, so that neither an edit nor a seeded defect meets another.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import scenario
from support.audit import jobs_created
from support.autokubelet import AutoKubelet, Outcome, Table, Try
from support.calls import Calls, calling
from support.operator import OperatorProcess
from support.proxy import Proxy, Script, proxied
from workflow_do.api import names
from workflow_do.runtime.api import ACTIONS, JOBS, RUNS, WORKFLOWS, ApiError, Resource
from workflow_do.runtime.connection import Connection, connect

Raw = dict[str, Any]
_numbers = itertools.count(1)
_NAMESPACES = Resource("/api/v1", "namespaces")
_CLOSING = 0.25
"""Seconds that aiohttp's manual asks for, after a session is closed and before its loop is."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where faults are played: a control plane, the source that operators run from, a folder."""

    kubeconfig: Path
    audit_log: Path
    source: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run left behind. `jobs` are `role/step/try`, sorted; `seconds` its wall time."""

    run: Raw
    jobs: tuple[str, ...]
    seconds: float

    def faults(self, expected: Ending) -> list[str]:
        """What is not as in the expected ending."""
        found = scenario.differences(scenario.essence(expected.run), scenario.essence(self.run))
        if self.jobs != expected.jobs:
            found.append(f"Jobs {', '.join(self.jobs)} instead of {', '.join(expected.jobs)}")
        return found


class Lane:
    """One namespace, one operator, one run at a time."""

    def __init__(
        self, api: Calls, proxy: Proxy, process: OperatorProcess, namespace: str, table: Tables
    ) -> None:
        self.api = api
        self.proxy = proxy
        self.process = process
        self.namespace = namespace
        self._tables = table

    def script(self, script: Script) -> None:
        """What befalls the operator's calls from now on."""
        self.proxy.script = script

    def table(self, table: Table) -> None:
        """How the tries of this namespace end from now on."""
        self._tables[self.namespace] = table

    async def start(self, *, ready: bool = True) -> None:
        """Start the operator; `ready`: return when it has seen everything once."""
        await asyncio.to_thread(self.process.start, ready=False)
        if ready:
            await self.until(lambda: asyncio.to_thread(self.process.ready), "it is ready", 40)

    async def define(self, name: str) -> None:
        """The scenario's Workflow under this name, judged, so that nothing of it is left to do."""
        await self.api.create(WORKFLOWS, self.namespace, scenario.workflow(name))

        async def judged() -> bool:
            raw = await self.api.get(WORKFLOWS, self.namespace, name)
            return scenario.condition(raw, "Ready").get("status") == "True"

        await self.until(judged, f"the Workflow {name} is ready")

    async def begin(self, name: str) -> None:
        """Start a run of the Workflow of that name."""
        await self.api.create(RUNS, self.namespace, scenario.run(name))

    async def completed(self, name: str) -> bool:
        """Whether a run has ended for good."""
        return scenario.completed(await self.api.get(RUNS, self.namespace, name))

    async def ending(self, name: str, seconds: float = 60) -> Ending:
        """The end of a run, awaited; AssertionError tells how far it came."""
        began = time.monotonic()
        last: Raw = {}

        async def ended() -> bool:
            nonlocal last
            last = await self.api.get(RUNS, self.namespace, name)
            return scenario.completed(last)

        try:
            await self.until(ended, f"{name} is completed", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it stands at {last.get('status')}") from None
        return Ending(last, await self.jobs(name), time.monotonic() - began)

    async def jobs(self, name: str) -> tuple[str, ...]:
        """`role/step/try` of every Job of a run, sorted."""
        found = await self.api.list_all(
            JOBS, self.namespace, labels=f"{names.LABEL_RUN}={name}", metadata_only=True
        )
        keys = (names.LABEL_ROLE, names.LABEL_STEP, names.LABEL_TRY)
        rows = [raw["metadata"]["labels"] for raw in found.items]
        return tuple(sorted("/".join(row.get(key, "") for key in keys) for row in rows))

    async def until(
        self, look: Callable[[], Awaitable[object]], what: str, seconds: float = 30
    ) -> None:
        """Wait until a look is truthy; while the API server does not answer it is not."""
        end = time.monotonic() + seconds
        while not await _answered(look):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what} ({self.process.log})")
            await asyncio.sleep(0.05)

    async def quiet(self, count: Callable[[], int], seconds: float = 1.0) -> None:
        """Wait until a number has stood still for so long."""
        seen, since = count(), time.monotonic()
        while time.monotonic() < since + seconds:
            await asyncio.sleep(0.1)
            if count() != seen:
                seen, since = count(), time.monotonic()


Tables = dict[str, Table]


class Stage:
    """A control plane with nodes that play, and the means to open lanes on it."""

    def __init__(self, site: Site, api: Calls, link: Connection) -> None:
        self.site = site
        self.api = api
        self.link = link
        self.tables: Tables = {}
        self._since = site.audit_log.stat().st_size if site.audit_log.exists() else 0

    async def outcome(self, of: Try) -> Outcome:
        """How a try ends: by the table of its namespace, else by the scenario's."""
        return await self.tables.get(of.namespace, scenario.outcome)(of)

    @asynccontextmanager
    async def lane(
        self, source: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Lane]:
        """A namespace with the scenario's Actions, and its operator, ready."""
        namespace = f"lane-{next(_numbers)}"
        await self.api.call("POST", _NAMESPACES.path(None), {"metadata": {"name": namespace}})
        for name in scenario.ACTIONS:
            await self.api.create(ACTIONS, namespace, scenario.action(name))
        async with proxied(self.link) as proxy:
            kubeconfig = proxy.write_kubeconfig(self.site.folder / f"{namespace}.json")
            more = {"PYTHONPATH": str(source or self.site.source), **(environment or {})}
            log = self.site.folder / f"{namespace}.log"
            process = OperatorProcess(kubeconfig, namespace, log, more)
            lane = Lane(self.api, proxy, process, namespace, self.tables)
            try:
                await lane.start()
                yield lane
            finally:
                await asyncio.to_thread(process.close)

    def created(self, namespace: str, prefix: str) -> dict[str, int]:
        """How often each Job of that namespace and beginning of its name was accepted."""
        found = jobs_created(self.site.audit_log, self._since)
        return {
            name: times
            for (place, name), times in found.items()
            if place == namespace and name.startswith(prefix)
        }

    async def unaccounted(self, namespace: str | None = None) -> list[str]:
        """Jobs accepted more than once, or not there any more: of one lane, or of all."""
        created = {
            place: times
            for place, times in jobs_created(self.site.audit_log, self._since).items()
            if place[0] == namespace or (namespace is None and place[0].startswith("lane-"))
        }
        found = await self.api.list_all(JOBS, None, labels=names.LABEL_RUN_UID, metadata_only=True)
        there = Counter(
            (raw["metadata"]["namespace"], raw["metadata"]["name"]) for raw in found.items
        )
        return [
            f"{place}/{name}: accepted {times} times, {there[place, name]} there"
            for (place, name), times in sorted(created.items())
            if times != 1 or there[place, name] != 1
        ]


@asynccontextmanager
async def stage(site: Site) -> AsyncIterator[Stage]:
    """The stage, with its nodes playing until the block ends."""
    link = connect({"KUBECONFIG": str(site.kubeconfig)})
    async with calling(site.kubeconfig) as api:
        made = Stage(site, api, link)
        kubelet = asyncio.create_task(AutoKubelet(link, api, made.outcome).run())
        try:
            yield made
            if kubelet.done():
                kubelet.result()
        finally:
            kubelet.cancel()
            await asyncio.wait((kubelet,))
    await asyncio.sleep(_CLOSING)


def try_on(
    site: Site,
    trial: Callable[[Stage, Lane, Ending], Awaitable[list[str]]],
    expected: Ending,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """What a trial finds on a lane of its own."""

    async def test() -> list[str]:
        async with stage(site) as played, played.lane(environment=environment) as lane:
            return await trial(played, lane, expected)

    return asyncio.run(test())


async def _answered(look: Callable[[], Awaitable[object]]) -> object:
    try:
        return await look()
    except ApiError:
        return False
