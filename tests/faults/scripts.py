"""The scripts of the fault tests: when the operator dies, and what its calls meet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from support.proxy import (
    BREAK,
    GONE_EVENT,
    LOST_ANSWER,
    LOST_REQUEST,
    PASS,
    Answer,
    Call,
    Fate,
    Script,
)


class Counting(Script):
    """Notes the writes that concern one name, in the order in which they reached the server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.writes: list[str] = []

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """Counted when the API server has answered, whatever it said."""
        if call.writes and call.concerns(self.name):
            self.writes.append(f"{call} → {answer.status}")
        return answer


class KillAtWrite(Counting):
    """Ends the operator at the k-th write that concerns a name.

    `after`: when the answer is on its way; else when the API server has carried the write out and
    the operator does not know it yet.
    """

    def __init__(self, name: str, number: int, *, after: bool, kill: Callable[[], None]) -> None:
        super().__init__(name)
        self.done = asyncio.Event()
        self._number = number
        self._after = after
        self._kill = kill
        self._fatal: Call | None = None

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """The k-th is fatal, here or when it is answered."""
        before = len(self.writes)
        super().carried_out(call, answer)
        if before < len(self.writes) == self._number and not self.done.is_set():
            if not self._after:
                self._end()
                return Answer(BREAK, {}, b"")
            self._fatal = call
        return answer

    def answered(self, call: Call) -> None:
        """The fatal call's answer has left."""
        if call is self._fatal:
            self._end()

    def _end(self) -> None:
        self._kill()
        self.done.set()


class KillAtJob(Script):
    """Ends the operator when the first Job of a step was made and nobody has written it down."""

    def __init__(self, step: str, kill: Callable[[], None]) -> None:
        self.done = asyncio.Event()
        self._mark = f'"workflow.do/step":"{step}"'.encode()
        self._kill = kill

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """The POST of that Job is fatal."""
        posts = call.method == "POST" and call.plural == "jobs" and self._mark in call.body
        if not posts or self.done.is_set():
            return answer
        self._kill()
        self.done.set()
        return Answer(BREAK, {}, b"")


class Flaky(Script):
    """A share of all calls fails, drawn from a seed; watches are cut and told 410."""

    def __init__(self, seed: int, share: float = 0.1, timeout: float = 2.0) -> None:
        self._random = random.Random(seed)
        self._share = share
        self._fates: Final = (
            Fate(forward=False, answer=500),
            Fate(answer=500),
            Fate(forward=False, answer=503),
            Fate(forward=False, answer=429, retry_after=1),
            Fate(forward=False, answer=504, delay=timeout),
            Fate(answer=504, hold=timeout),
            LOST_REQUEST,
            LOST_ANSWER,
        )
        self.calls = 0
        self.failed = 0

    def fate(self, call: Call) -> Fate:
        """Each failure leaves the same doubt: was it carried out or not?"""
        self.calls += 1
        if self._random.random() >= self._share:
            return PASS
        self.failed += 1
        if call.watches:
            return self._random.choice((GONE_EVENT, LOST_REQUEST, Fate(forward=False, answer=429)))
        return self._random.choice(self._fates)

    def line(self, call: Call, line: bytes) -> Sequence[float] | None:
        """A share of the events is never seen, for the watch ends at it."""
        return None if self._random.random() < self._share else (0.0,)


class Silent(Script):
    """Watches of some kinds (of all, by default) stay open and bring nothing any more."""

    def __init__(self, *plurals: str) -> None:
        self._plurals = plurals
        self.swallowed = 0

    def line(self, call: Call, line: bytes) -> Sequence[float]:
        """Swallowed."""
        if self._plurals and call.plural not in self._plurals:
            return (0.0,)
        self.swallowed += 1
        return ()


class Jumbled(Script):
    """Events come late, twice and out of their order, drawn from a seed."""

    def __init__(self, seed: int, latest: float = 0.8) -> None:
        self._random = random.Random(seed)
        self._latest = latest

    def line(self, call: Call, line: bytes) -> Sequence[float]:
        """Each event at a time of its own, every third a second time."""
        times = 2 if self._random.random() < 0.34 else 1
        return [self._random.uniform(0.001, self._latest) for _ in range(times)]


class Remembering(Script):
    """Keeps the newest answer to each list, to be served again later by `Stale`."""

    def __init__(self) -> None:
        self.lists: dict[tuple[str, str, str], Answer] = {}

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """Remember."""
        if call.lists and answer.status == 200:
            self.lists[key(call)] = answer
        return answer


class Stale(Script):
    """Each list that feeds the watches is answered once as it was long ago.

    As by an API server that lags behind. The looks at one run are not: they ask for the newest
    state, which Kubernetes grants.
    """

    def __init__(self, old: dict[tuple[str, str, str], Answer]) -> None:
        self._old = dict(old)
        self.served = 0

    def carried_out(self, call: Call, answer: Answer) -> Answer:
        """The old answer, where there is one."""
        if not call.lists or "workflow.do/run-uid=" in call.query.get("labelSelector", ""):
            return answer
        old = self._old.pop(key(call), None)
        self.served += old is not None
        return old or answer


def key(call: Call) -> tuple[str, str, str]:
    """What makes two lists the same question."""
    return call.path, call.query.get("labelSelector", ""), call.accept
