"""The work queue: each key once, in one worker at a time, until it succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from workflow_do.runtime.queue import Backoff, WorkQueue


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(work: Callable[[str], Awaitable[None]], clock: Clock | None = None) -> WorkQueue[str]:
    return WorkQueue(work, workers=4, clock=clock or Clock(), chance=lambda: 0.0)


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(5):
            return await test()

    return asyncio.run(bounded())


def test_a_key_added_twice_is_worked_on_once() -> None:
    done: list[str] = []

    async def test() -> None:
        async def work(key: str) -> None:
            done.append(key)

        keys = queue(work)
        keys.add("a")
        keys.add("b")
        keys.add("a")
        assert len(keys) == 2
        await keys.step()
        await keys.step()
        assert len(keys) == 0

    run(test)
    assert done == ["a", "b"]


def test_news_that_can_wait_are_met_by_whoever_comes_first() -> None:
    done: list[float] = []

    async def test() -> None:
        clock = Clock()

        async def work(_: str) -> None:
            done.append(clock.now)

        keys = queue(work, clock)
        keys.add_within("a", 0.3)
        clock.now += 0.1
        keys.add_within("a", 0.3)
        assert keys.release_due() == pytest.approx(0.2), "the first of a crowd counts"
        clock.now += 0.2
        keys.release_due()
        await keys.step()
        keys.add_within("a", 0.3)
        keys.add("a")
        await keys.step()
        clock.now += 1
        assert keys.release_due() is None, "it was worked on since"
        assert len(keys) == 0

    run(test)
    assert done == pytest.approx([100.3, 100.3])


def test_of_news_that_can_wait_the_shortest_wait_counts() -> None:
    async def test() -> None:
        clock = Clock()

        async def work(_: str) -> None:
            pass

        keys = queue(work, clock)
        keys.add_within("a", 5)
        keys.add_within("a", 0.3)
        assert keys.release_due() == pytest.approx(0.3)
        keys.add_within("a", 5)
        clock.now += 0.3
        assert keys.release_due() is None, "all of them were met"
        assert len(keys) == 1

    run(test)


def test_news_that_can_wait_are_not_lost_during_the_work() -> None:
    done = 0

    async def test() -> None:
        clock = Clock()

        async def work(key: str) -> None:
            nonlocal done
            done += 1
            if done == 1:
                keys.add_within(key, 0.3)

        keys = queue(work, clock)
        keys.add("a")
        await keys.step()
        keys.add_after("a", 60)
        clock.now += 0.3
        assert keys.release_due() == pytest.approx(59.7), "what was wished for apart stays"
        await keys.step()

    run(test)
    assert done == 2


def test_news_during_the_work_is_worked_on_afterwards_and_never_beside_it() -> None:
    running, most, done = 0, 0, 0

    async def test() -> None:
        enough = asyncio.Event()

        async def work(key: str) -> None:
            nonlocal running, most, done
            running += 1
            most = max(most, running)
            if done == 0:
                keys.add(key)
                keys.add(key)
            await asyncio.sleep(0)
            running -= 1
            done += 1
            if done == 2:
                enough.set()

        keys = WorkQueue(work, workers=8)
        keys.add("a")
        task = asyncio.create_task(keys.run())
        await enough.wait()
        await asyncio.sleep(0)
        assert len(keys) == 0
        task.cancel()

    run(test)
    assert (most, done) == (1, 2)


def test_keys_are_worked_on_side_by_side() -> None:
    async def test() -> None:
        together = asyncio.Barrier(3)

        async def work(_: str) -> None:
            await together.wait()

        keys = WorkQueue(work, workers=2)
        keys.add("a")
        keys.add("b")
        task = asyncio.create_task(keys.run())
        await together.wait()
        task.cancel()

    run(test)


def test_a_failure_is_retried_later_and_later_until_it_succeeds() -> None:
    clock, waits, left = Clock(), [], [RuntimeError("1"), RuntimeError("2"), RuntimeError("3")]

    async def test() -> None:
        async def work(_: str) -> None:
            if left:
                raise left.pop()

        keys = queue(work, clock)
        keys.add("a")
        await keys.step()
        while (wait := keys.release_due()) is not None:
            waits.append(round(wait, 3))
            clock.now += wait
            assert keys.release_due() is None
            await keys.step()

    run(test)
    assert waits == [0.02, 0.04, 0.08]


def test_a_definite_no_is_asked_again_but_seldom() -> None:
    clock, waits = Clock(), []

    class Refused(Exception):
        definite = True

    async def test() -> None:
        async def work(_: str) -> None:
            raise Refused

        keys = WorkQueue(work, clock=clock, chance=lambda: 0.0)
        keys.add("a")
        for _ in range(12):
            await keys.step()
            wait = keys.release_due()
            assert wait is not None
            waits.append(round(wait))
            clock.now += wait
            assert keys.release_due() is None

    run(test)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_a_flood_in_one_lane_delays_another_by_one_turn() -> None:
    done: list[str] = []

    async def test() -> None:
        async def work(key: str) -> None:
            done.append(key)

        keys = WorkQueue(work, clock=Clock(), lane=lambda key: key[0])
        for number in range(100):
            keys.add(f"a{number}")
        keys.add("b0")
        for _ in range(3):
            await keys.step()

    run(test)
    assert done == ["a0", "b0", "a1"]


def test_a_failure_that_says_when_is_obeyed() -> None:
    class Busy(Exception):
        retry_after = 7.0

    async def test() -> float | None:
        async def work(_: str) -> None:
            raise Busy

        keys = queue(work)
        keys.add("a")
        await keys.step()
        return keys.release_due()

    assert run(test) == 7.0


def test_one_bad_key_does_not_stop_the_others() -> None:
    done: list[str] = []

    async def test() -> None:
        async def work(key: str) -> None:
            if key == "bad":
                raise ValueError(key)
            done.append(key)

        keys = queue(work)
        for key in ("bad", "good", "fine"):
            keys.add(key)
        for _ in range(3):
            await keys.step()

    run(test)
    assert done == ["good", "fine"]


def test_of_several_wishes_the_earliest_counts() -> None:
    clock = Clock()

    async def test() -> None:
        async def work(_: str) -> None:
            return None

        keys = queue(work, clock)
        keys.add_after("a", 9)
        keys.add_after("a", 5)
        keys.add_after("a", 7)
        assert keys.release_due() == 5
        clock.now += 5
        assert keys.release_due() is None
        assert len(keys) == 1
        clock.now += 10
        assert keys.release_due() is None
        assert len(keys) == 1

    run(test)


def test_a_forgotten_key_does_not_come_back() -> None:
    clock = Clock()

    async def test() -> None:
        async def work(_: str) -> None:
            return None

        keys = queue(work, clock)
        keys.add_after("a", 5)
        keys.forget("a")
        clock.now += 10
        assert keys.release_due() is None
        assert len(keys) == 0

    run(test)


def test_a_timer_wakes_a_sleeping_queue() -> None:
    async def test() -> None:
        done = asyncio.Event()

        async def work(_: str) -> None:
            done.set()

        keys: WorkQueue[str] = WorkQueue(work, workers=1)
        task = asyncio.create_task(keys.run())
        await asyncio.sleep(0)
        keys.add_after("late", 60)
        keys.add_after("soon", 0.01)
        await done.wait()
        task.cancel()

    run(test)


def test_the_slowest_worker_is_known() -> None:
    clock = Clock()

    async def test() -> None:
        stuck = asyncio.Event()

        async def work(_: str) -> None:
            await stuck.wait()

        keys = queue(work, clock)
        assert keys.oldest_busy() == 0
        keys.add("a")
        step = asyncio.create_task(keys.step())
        await asyncio.sleep(0)
        clock.now += 61
        assert keys.oldest_busy() == 61
        keys.touch("a")
        keys.touch("nobody works on it")
        assert keys.oldest_busy() == 0, "it gets on"
        clock.now += 1
        assert keys.oldest_busy() == 1
        stuck.set()
        await step
        assert keys.oldest_busy() == 0

    run(test)


@pytest.mark.parametrize(
    ("failures", "chance", "delay"),
    [(1, 0.0, 0.02), (2, 0.0, 0.04), (1, 0.5, 0.015), (9, 0.0, 5.0), (10_000, 0.0, 5.0)],
    ids=["first", "doubled", "jittered", "at most", "no overflow"],
)
def test_backoff(failures: int, chance: float, delay: float) -> None:
    assert Backoff().delay(failures, chance) == pytest.approx(delay)
