"""Taking turns: a flood in one lane delays another by one turn."""

from __future__ import annotations

import asyncio

from workflow_do.runtime.lanes import Lanes, Room


def test_lanes_are_served_in_turn_and_each_in_order() -> None:
    lanes: Lanes[str] = Lanes(lambda key: key[0])
    for key in ("a1", "a2", "a3", "b1", "a4", "c1", "b2"):
        lanes.put(key)
    assert len(lanes) == 7
    assert "a4" in lanes
    taken = [lanes.take() for _ in range(7)]
    assert taken == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert len(lanes) == 0
    assert "a4" not in lanes


def test_a_key_stands_once_and_a_lane_that_was_empty_comes_last() -> None:
    lanes: Lanes[str] = Lanes(lambda key: key[0])
    for key in ("a1", "a1", "a2"):
        lanes.put(key)
    assert lanes.take() == "a1"
    lanes.put("b1")
    assert [lanes.take(), lanes.take()] == ["a2", "b1"]


def test_room_is_given_lane_by_lane() -> None:
    done: list[str] = []

    async def test() -> None:
        room, hold = Room(1), asyncio.Event()

        async def call(name: str) -> None:
            async with room.place(name[0]):
                await hold.wait()
                done.append(name)

        names = ["a1", "a2", "a3", "a4", "b1", "b2"]
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(call(name))
            await asyncio.sleep(0)
            hold.set()

    asyncio.run(test())
    assert done == ["a1", "a2", "b1", "a3", "b2", "a4"]


def test_who_is_cancelled_takes_no_room_with_him() -> None:
    async def test() -> None:
        room, hold = Room(2), asyncio.Event()

        async def call() -> None:
            async with room.place("x"):
                await hold.wait()

        tasks = [asyncio.create_task(call()) for _ in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # holds a place
        tasks[3].cancel()  # waits for one
        await asyncio.sleep(0)
        tasks[2].cancel()  # has been given one just now
        hold.set()
        async with asyncio.timeout(5):
            await asyncio.wait(tasks)
            async with room.place("y"), room.place("z"):
                pass

    asyncio.run(test())


def test_news_of_a_flood_leaves_no_more_than_it_brought() -> None:
    async def test() -> int:
        room = Room(4)

        async def call(lane: int) -> None:
            async with room.place(lane):
                await asyncio.sleep(0)

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for number in range(1_000):
                tasks.create_task(call(number % 7))
        return room.free

    assert asyncio.run(test()) == 4
