"""The operator's process: settings, one event loop, the lease, a clean end.

Waits for an API server, for our kinds and for the lease as long as it takes; watches and works
only while it leads. Once the watches run, their end is the end of the process, because a blind
operator is worse than one that is started anew; so is the loss of the lease, at once and without
a last word to the API server.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

from workflow_do import __version__
from workflow_do.api import names
from workflow_do.handlers import probes, webhook
from workflow_do.handlers.probes import Readiness
from workflow_do.handlers.watching import watch
from workflow_do.runtime import connection, logs
from workflow_do.runtime.api import Api, ApiError
from workflow_do.runtime.config import ConfigError, Settings, read_settings
from workflow_do.runtime.lease import Lease, LeaseLost
from workflow_do.runtime.metrics import Metrics
from workflow_do.runtime.operator import Operator

_KINDS: Final = frozenset(kind.plural for kind in names.KINDS)
_ASK_EVERY: Final = 0.5
_TELL_EVERY: Final = 5.0
_GRACE: Final = 0.7
"""Seconds that a part gets to end by itself before it is left behind; twice this is under 2 s."""
_log = logs.get("main")


def main() -> None:
    """Entry point. Exit codes: 0 stopped, 1 watches or lease lost, 2 a setting cannot be used."""
    try:
        settings = read_settings(os.environ)
        link = connection.from_environment()
        logs.configure(settings.log_level, settings.log_format)
        _spare_the_collector()
        code = asyncio.run(serve(settings, link))
    except (ConfigError, connection.ConnectionFault) as error:
        print(f"workflow-do-operator: {error}", file=sys.stderr)
        code = 2
    sys.exit(code)


def _spare_the_collector() -> None:
    """What is there by now stays: to look through all of it for garbage, again and again, takes a
    tenth of the CPU time of a busy operator.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Life:
    """What the probes are told of, from the first moment on."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.operator: Operator | None = None
        self.watches: asyncio.Task[None] | None = None

    def busy(self) -> float:
        """For how many seconds the slowest worker has not got on."""
        return self.operator.queue.oldest_busy() if self.operator is not None else 0.0

    def watching(self) -> bool:
        """Whether no watch has ended; before they begin they have not."""
        return self.watches is None or not self.watches.done()

    def readiness(self) -> Readiness:
        """Ready is who stands by, and who leads and has seen everything once.

        A rolling update waits for new Pods to be ready before it ends old ones, so those that
        cannot lead yet must be.
        """
        if self.operator is not None:
            caught_up = self.operator.resync.caught_up.is_set()
            return Readiness(caught_up, "leading" if caught_up else "leading, still listing")
        if self.lease is not None and self.lease.competing:
            return Readiness(True, f"standby; {self.lease.holder or 'nobody'} leads")
        return Readiness(False, "waiting for the API server")


async def serve(settings: Settings, link: connection.Connection) -> int:
    """Run until a signal, until the watches end or the lease is lost; the exit code.

    Raises ConfigError if a port cannot be listened on.
    """
    stop, life, metrics = asyncio.Event(), Life(), Metrics()
    _on_signals(stop)
    probing = probes.serve(
        settings.port,
        busy=life.busy,
        watching=life.watching,
        readiness=life.readiness,
        metrics=metrics.render,
    )
    # The lease has a client of its own: nothing queues before a renewal.
    async with (
        probing,
        _api(link, metrics) as own,
        _api(link, metrics) as reads,
        webhook.serve(settings, reads),
    ):
        lease = Lease(own, settings.lease_namespace, settings.lease_name, settings.pod)
        life.lease = lease
        if not await _unless(stop, _until_leading(own, link.server, lease)):
            await lease.release()
            return 0
        metrics.leads(True)
        async with _api(link, metrics, guard=lease.check) as api:
            operator = Operator(api, settings, metrics)
            return await _operate(settings, link, operator, lease, stop, life)


def _api(
    link: connection.Connection, metrics: Metrics, guard: Callable[[], None] = lambda: None
) -> Api:
    return Api(link.server, link.session(limit=0), guard=guard, count=metrics.called)


async def _until_leading(api: Api, server: str, lease: Lease) -> None:
    await _wait_for_kinds(api, server)
    await lease.acquire()


async def _operate(
    settings: Settings,
    link: connection.Connection,
    operator: Operator,
    lease: Lease,
    stop: asyncio.Event,
    life: Life,
) -> int:
    keeping = asyncio.create_task(_keep(lease), name="lease")
    halt = asyncio.Event()
    work = asyncio.create_task(operator.run(settings.resync_seconds), name="operator")
    watches = asyncio.create_task(
        watch(settings.namespaces, operator, link, halt, lambda: _on_signals(stop)),
        name="watches",
    )
    life.operator, life.watches = operator, watches
    _log.info("running", version=__version__, namespaces=settings.namespaces or "all")
    try:
        return await _until_end(stop, work, watches, keeping)
    finally:
        # In this order: whoever takes over must find that nothing is written here any more.
        await _end(work)
        await _end(keeping)
        halt.set()
        await lease.release()
        await asyncio.wait((watches,), timeout=_GRACE)
        await _end(watches)


async def _keep(lease: Lease) -> None:
    try:
        await lease.keep()
    except LeaseLost as error:
        _leave(error)


def _leave(error: LeaseLost) -> NoReturn:
    """End the process here and now: a last turn of the loop might write."""
    _log.error("has lost the lease; the process must start anew", why=str(error))
    sys.stderr.flush()
    os._exit(1)


async def _wait_for_kinds(api: Api, server: str) -> None:
    """Return once the API server answers and serves all our kinds; says what it waits for."""
    clock = asyncio.get_running_loop().time
    told = 0.0
    while True:
        try:
            missing = _KINDS - await api.kinds()
            what = f"the CRDs of {', '.join(sorted(missing))} are not installed"
        except ApiError as error:
            missing, what = _KINDS, str(error)
        if not missing:
            return
        if clock() >= told + _TELL_EVERY:
            _log.warning("waiting for the API server", server=server, why=what)
            told = clock()
        await asyncio.sleep(_ASK_EVERY)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether `work` came to its end before the signal; what it raises is raised."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        await _end(task)
        await _end(stopped)


async def _until_end(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> int:
    """Wait for the signal, or for one of the tasks to end, which none should."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((stopped, *tasks), return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        _log.info("stopping")
        return 0
    await _end(stopped)
    for task in tasks:
        if task.done():
            error = task.exception() if not task.cancelled() else None
            _log.error(
                "has ended; the process must start anew", what=task.get_name(), exc_info=error
            )
    return 1


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for it; how it ended was told before."""
    task.cancel()
    await asyncio.wait((task,), timeout=_GRACE)


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


if __name__ == "__main__":
    main()
