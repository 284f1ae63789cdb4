"""Which streams are watched, and where their events go: to the operator, unread.

kopf watches the definitions and whatever else changes seldom; runs, Jobs and Pods, a dozen events
a step, the operator follows by itself.

Every handler only hands on; none waits, patches or returns anything, so kopf writes nothing to any
object (no finalizer, no annotation: containerd refuses Pods with large ones).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import kopf

from workflow_do.api import names
from workflow_do.handlers.settings import kopf_settings
from workflow_do.runtime.catalogue import Kind
from workflow_do.runtime.connection import Connection
from workflow_do.runtime.operator import Operator

Raw = Mapping[str, Any]
Taker = Callable[[Raw], None]

OURS = (names.GROUP, names.VERSION)

_IDENTITY: Any = names.MANAGED_BY
"""For peering, which is off; without it kopf asks for the user's name, which a bare uid has not."""


async def watch(
    namespaces: tuple[str, ...],
    operator: Operator,
    link: Connection,
    halt: asyncio.Event,
    started: Callable[[], None],
) -> None:
    """Watch until `halt` is set, or until a watch fails for good (raised).

    kopf takes the signals of the process for itself; `started` is called when it has, so that the
    caller can take them back.
    """
    registry, sessions = kopf.OperatorRegistry(), list[aiohttp.ClientSession]()
    _login(registry, link, sessions)
    register(registry, operator)
    others = asyncio.all_tasks()
    busy = asyncio.create_task(operator.follow(), name="watches of runs, Jobs and Pods")
    busy.add_done_callback(lambda _: halt.set())
    try:
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings(),
            standalone=True,
            identity=_IDENTITY,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=halt,
        )
        started()
        await kopf.run_tasks(tasks, ignored={*others, busy})
        if busy.done():
            await busy  # raises what ended it
    finally:
        busy.cancel()
        for session in sessions:
            await session.close()


def _login(
    registry: kopf.OperatorRegistry, link: Connection, sessions: list[aiohttp.ClientSession]
) -> None:
    """kopf logs in as we do. It closes a session that was refused and asks for another."""

    @kopf.on.login(registry=registry)
    async def on_login(**_: Any) -> kopf.AiohttpSession:
        session = link.session(limit=0, shallow=True)
        sessions.append(session)
        return kopf.AiohttpSession(server=link.server, aiohttp_session=session)


def register(registry: kopf.OperatorRegistry, operator: Operator) -> None:
    """Register one event handler per watched kind."""
    _on_definitions(registry, operator)
    _on_approvals(registry, operator)


def _on_definitions(registry: kopf.OperatorRegistry, operator: Operator) -> None:
    @kopf.on.event(*OURS, names.WORKFLOW.plural, registry=registry)
    async def on_workflow(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(
            event,
            lambda raw: operator.definition_seen(Kind.WORKFLOW, raw),
            lambda raw: operator.definition_gone(Kind.WORKFLOW, raw),
        )

    @kopf.on.event(*OURS, names.ACTION.plural, registry=registry)
    async def on_action(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(
            event,
            lambda raw: operator.definition_seen(Kind.ACTION, raw),
            lambda raw: operator.definition_gone(Kind.ACTION, raw),
        )


def _on_approvals(registry: kopf.OperatorRegistry, operator: Operator) -> None:
    @kopf.on.event(*OURS, names.APPROVAL.plural, registry=registry)
    async def on_approval(event: kopf.RawEvent, **_: Any) -> None:
        _hand_on(event, operator.approval_seen, operator.approval_gone)


def _hand_on(event: kopf.RawEvent, seen: Taker, gone: Taker) -> None:
    take = gone if event["type"] == "DELETED" else seen
    take(event["object"])
