"""An event loop that stands still: callbacks run only in `drain`, time is what the model says.

So a process of the operator can be held between any two calls to the API server, and dropped
there, as a crash would drop it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Any


def _close(coroutine: Any) -> None:
    """Nothing of it goes on; a group of tasks would first await them, and is told again."""
    for _ in range(2 if coroutine is not None else 0):
        with suppress(RuntimeError):
            coroutine.close()
            return


class StillLoop(asyncio.AbstractEventLoop):
    """What asyncio's tasks, futures, sleeps and gathers need of a loop, and nothing more."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._serial = 0
        self._tasks: list[asyncio.Task[Any]] = []

    def drain(self) -> None:
        """Run everything that can run now; afterwards every task waits for an answer or a time."""
        with self.entered():
            self._fire()
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Within, this is the loop that runs."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    @property
    def ready(self) -> bool:
        """Whether something can run now."""
        return bool(self._ready)

    def next_timer(self) -> float | None:
        """When the next sleep is over, in seconds of `time`."""
        return self._timers[0][0] if self._timers else None

    def drop(self) -> None:
        """Die: no task goes on, no clean-up runs that would await anything."""
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        self._ready.clear()
        self._timers.clear()

    def time(self) -> float:
        return self._seconds()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        self._tasks = [t for t in self._tasks if not t.done()]
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """asyncio's own remarks, e.g. an exception nobody fetched: `Leader` judges its task."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its time comes."""

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= self.time():
            _, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._ready.append(handle)
