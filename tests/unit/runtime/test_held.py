"""ConfigMaps are read once, and only so many are kept."""

from __future__ import annotations

import asyncio
from typing import Any

from workflow_do.runtime.api import CONFIGMAPS, Resource
from workflow_do.runtime.held import HeldData


class Server:
    """The one call that is made of the API client, over objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.asked: list[str] = []

    def put(self, name: str, text: str, **more: Any) -> None:
        self.objects[name] = {"immutable": True, "data": {"data.json": text}, **more}

    async def find(self, resource: Resource, namespace: str, name: str) -> Any:
        assert resource is CONFIGMAPS
        self.asked.append(name)
        return self.objects.get(name)


def read(data: HeldData, *names: str) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return [await data.read("shop", name) for name in names]

    return [held.value if held is not None else None for held in asyncio.run(all_of_them())]


def test_what_does_not_change_is_read_once() -> None:
    server = Server()
    server.put("a", '{"n": 1}')
    data = HeldData(server)  # type: ignore[arg-type]
    assert read(data, "a", "a") == [{"n": 1}, {"n": 1}]
    assert server.asked == ["a"]


def test_what_is_not_there_may_come() -> None:
    server = Server()
    data = HeldData(server)  # type: ignore[arg-type]
    assert read(data, "a") == [None]
    server.put("a", '{"n": 1}')
    assert read(data, "a") == [{"n": 1}]


def test_what_may_change_is_read_each_time() -> None:
    server = Server()
    server.put("a", '{"n": 1}', immutable=False)
    data = HeldData(server)  # type: ignore[arg-type]
    assert read(data, "a") == [{"n": 1}]
    server.put("a", '{"n": 2}', immutable=False)
    assert read(data, "a") == [{"n": 2}]


def test_the_longest_unused_is_forgotten_first() -> None:
    server = Server()
    for name in "abc":
        server.put(name, '{"n": 1}')
    data = HeldData(server, most=20)  # type: ignore[arg-type]
    read(data, "a", "b", "a", "c", "a", "b")
    assert server.asked == ["a", "b", "c", "b"]
