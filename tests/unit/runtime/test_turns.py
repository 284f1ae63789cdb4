"""Whose turn it is when there is room: namespaces in turn, nobody twice, nobody forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_do.api import names
from workflow_do.runtime.api import Listing
from workflow_do.runtime.store import RunKey, Store
from workflow_do.runtime.turns import Turns

Raw = dict[str, Any]


class Jobs:
    """What the API server answers to the first look."""

    def __init__(self, *there: Raw) -> None:
        self.there = [*there]

    async def list_all(self, *_: Any, **__: Any) -> Listing:
        return Listing(self.there, 1)


class Scene:
    """Runs, the Jobs of theirs, and who was woken."""

    def __init__(self, limit: int, *there: Raw) -> None:
        self.store = Store()
        self.woken: list[str] = []
        self.turns = Turns(
            Jobs(*there),  # type: ignore[arg-type]
            self.store,
            limit,
            wake=lambda key: self.woken.append(key.name),
            seen=self.store.see_job,
        )
        self._version = 10

    def run(self, name: str) -> RunKey:
        """A run; its name is `namespace/…`."""
        key = RunKey(name.split("/")[0], name, f"uid-{name}")
        self.store.see_run(
            {
                "metadata": {**self._meta(name, key.namespace), "uid": key.uid},
                "spec": {"workflowName": "flow", "trigger": {}},
            }
        )
        return key

    def job(self, key: RunKey, name: str, **status: Any) -> Raw:
        """A Job of the run, as the API server has it."""
        meta = self._meta(name, key.namespace)
        meta["labels"] = {names.LABEL_RUN_UID: key.uid}
        return {"metadata": meta, "status": status}

    def end(self, key: RunKey, name: str) -> None:
        """A Job has ended."""
        done = {"type": "Complete", "status": "True"}
        self.store.see_job(self.job(key, name, conditions=[done]))

    def ask(self, key: RunKey, *jobs: str) -> set[str]:
        """One look at the run by a worker: Jobs that got a place are made; those that wait."""
        held = self.turns.enter(key).waiting
        late = held.intersection(jobs) | self.turns.ask(key, [j for j in jobs if j not in held])
        for name in jobs:
            if name not in late:
                self.store.see_job(self.job(key, name))
        self.turns.left(key, frozenset(late) or None)  # what it made is not on record yet
        return set(late)

    async def settle(self) -> None:
        """Let the worker that gives places come to rest."""
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(self.turns.queue) == 0

    def _meta(self, name: str, namespace: str) -> Raw:
        self._version += 1
        return {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-of-{name}",
            "resourceVersion": str(self._version),
        }


def play(scene: Callable[[], Scene], act: Callable[[Scene], Awaitable[None]]) -> None:
    """Act on the scene, with the worker at work and the first look over."""

    async def go() -> None:
        made, caught_up = scene(), asyncio.Event()
        caught_up.set()
        work = asyncio.create_task(made.turns.run(caught_up))
        for _ in range(20):
            await asyncio.sleep(0)
        await act(made)
        work.cancel()

    asyncio.run(go())


def test_places_go_by_namespaces_in_turn_and_in_order_within_one() -> None:
    async def act(scene: Scene) -> None:
        crowd = [scene.run(f"a/{n}") for n in range(8)]
        other = [scene.run(f"b/{n}") for n in range(2)]
        late = [key.name for key in (*crowd, *other) if scene.ask(key, f"job-{key.name}")]
        assert late == [*(f"a/{n}" for n in range(2, 8)), "b/0", "b/1"]
        live = ["a/0", "a/1"]
        order = []
        while scene.turns.waiting:
            ended = live.pop(0)
            scene.end(scene.run(ended), f"job-{ended}")
            await scene.settle()
            [name] = scene.woken
            scene.woken.clear()
            assert not scene.ask(scene.run(name), f"job-{name}")
            live.append(name)
            order.append(name)
        assert order == ["a/2", "b/0", "a/3", "b/1", "a/4", "a/5", "a/6", "a/7"]

    play(lambda: Scene(2), act)


def test_nothing_is_given_before_the_jobs_that_there_are_were_seen() -> None:
    async def go() -> None:
        scene = Scene(1)
        old, new = scene.run("a/old"), scene.run("b/new")
        scene.turns._api.there = [scene.job(old, "job-old")]  # type: ignore[attr-defined]
        caught_up = asyncio.Event()
        work = asyncio.create_task(scene.turns.run(caught_up))
        assert scene.ask(new, "job-new"), "it might be one too many"
        caught_up.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.woken == []
        scene.end(old, "job-old")
        await scene.settle()
        assert scene.woken == ["b/new"]
        work.cancel()

    asyncio.run(go())


def _unwanted(scene: Scene, key: RunKey) -> None:
    scene.ask(key)


def _gone(scene: Scene, key: RunKey) -> None:
    scene.store.forget_run(key.uid)
    scene.turns.forget(key)


def _in_trouble(scene: Scene, key: RunKey) -> None:
    scene.turns.enter(key)
    scene.turns.left(key, None)


@pytest.mark.parametrize("ends", [_unwanted, _gone, _in_trouble])
@pytest.mark.parametrize("offered", [True, False])
def test_a_place_that_is_not_used_goes_to_the_next(
    ends: Callable[[Scene, RunKey], None], offered: bool
) -> None:
    """Cancelled, deleted, or its round failed: before it was offered the place, or after."""

    async def act(scene: Scene) -> None:
        first, second, third = (scene.run(f"a/{n}") for n in range(3))
        assert [bool(scene.ask(k, f"job-{k.name}")) for k in (first, second, third)] == [
            False,
            True,
            True,
        ]
        if not offered:
            ends(scene, second)
        scene.end(first, "job-a/0")
        await scene.settle()
        if offered:
            assert scene.woken == ["a/1"]
            ends(scene, second)
            await scene.settle()
        assert scene.woken[-1] == "a/2"

    play(lambda: Scene(1), act)


def test_an_offer_that_comes_while_the_run_is_worked_on_is_kept() -> None:
    async def act(scene: Scene) -> None:
        first, second = scene.run("a/0"), scene.run("a/1")
        scene.ask(first, "job-0")
        scene.turns.enter(second)
        late = scene.turns.ask(second, ["job-1"])
        scene.end(first, "job-0")
        await scene.settle()
        scene.turns.left(second, late)
        third = scene.run("a/2")
        assert scene.ask(third, "job-2"), "the place is the second's"
        assert scene.woken == ["a/1"]
        assert not scene.ask(second, "job-1")

    play(lambda: Scene(1), act)


def test_a_pod_that_is_over_frees_the_place_before_its_job_is() -> None:
    async def act(scene: Scene) -> None:
        first, second = scene.run("a/0"), scene.run("b/0")
        scene.ask(first, "job-0")
        scene.ask(second, "job-1")
        pod = scene.job(first, "pod-0", phase="Succeeded")
        pod["metadata"]["labels"] |= {"batch.kubernetes.io/controller-uid": "uid-of-job-0"}
        scene.store.see_pod(pod)
        scene.store.see_job(scene.job(first, "job-0", terminating=1))
        await scene.settle()
        assert scene.woken == ["b/0"]

    play(lambda: Scene(1), act)


class Walk:
    """Six runs of two namespaces that each want one Job, in an order that nobody would choose."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.runs = [scene.run(f"{'ab'[n % 2]}/{n}") for n in range(6)]
        self.live: set[str] = set()
        self.wants = {key.name for key in self.runs}

    async def touch(self, at: int, still: bool) -> None:
        """The Job of a run ends; or a worker looks at the run, which may or may not want it now."""
        key = self.runs[at]
        name = f"job-{key.name}"
        if key.name in self.live:
            self.scene.end(key, name)
            self.live.remove(key.name)
        elif key.name in self.wants:
            late = self.scene.ask(key, *([name] if still else []))
            if still and not late:
                self.live.add(key.name)
                self.wants.remove(key.name)
        await self.scene.settle()
        assert len(self.live) == len(self.scene.store.live) <= 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40))
def test_whatever_happens_there_are_never_too_many_and_in_the_end_none_waits(
    steps: list[tuple[int, bool]],
) -> None:
    async def act(scene: Scene) -> None:
        walk = Walk(scene)
        for at, still in steps:
            await walk.touch(at, still)
        for at in [*range(6)] * 6:
            await walk.touch(at, True)
        assert (walk.live, walk.wants) == (set(), set())
        assert (scene.store.live.taken, scene.turns.waiting) == (0, 0)

    play(lambda: Scene(2), act)
