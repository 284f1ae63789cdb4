"""Who may write and who may take over, against a server that keeps one Lease as Kubernetes does.

The clocks are the tests' own: each process has one, and no two of them agree.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from workflow_do.runtime import lease as leases
from workflow_do.runtime.api import JOBS, RUNS, Api, Conflict
from workflow_do.runtime.lease import Lease, LeaseLost, NotLeading

Raw = dict[str, Any]
MOMENT = datetime(2026, 1, 31, 8, tzinfo=UTC)


@dataclass
class Server:
    """Keeps one Lease; `lose_answers` carries out so many writes and then hangs up."""

    lease: Raw | None = None
    lose_answers: int = 0
    down: bool = False
    forbidden: bool = False
    url: str = ""
    writes: list[str] = field(default_factory=list)
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.json_response({"kind": "Status"}, status=503)
        if self.forbidden:
            return web.json_response({"kind": "Status", "message": "not yours"}, status=403)
        code, body = self._act(request.method, await request.read() and await request.json())
        if request.method != "GET":
            self.writes.append(f"{request.method} {code}")
            if self.lose_answers and code < 300:
                self.lose_answers -= 1
                assert request.transport is not None
                request.transport.abort()
        return web.json_response(body, status=code)

    def _act(self, method: str, body: Any) -> tuple[int, Raw]:
        if method == "POST":
            if self.lease is not None:
                return 409, {"kind": "Status", "reason": "AlreadyExists"}
            self.lease = {"metadata": {}, "spec": body["spec"]}
        elif self.lease is None:
            return 404, {"kind": "Status"}
        elif method == "GET":
            return 200, self.lease
        elif body["metadata"]["resourceVersion"] != self.version:
            return 409, {"kind": "Status", "reason": "Conflict"}
        else:
            self.lease["spec"] |= body["spec"]
        self.lease["metadata"]["resourceVersion"] = str(next(self._versions))
        return 200, self.lease

    @property
    def version(self) -> str:
        assert self.lease is not None
        return str(self.lease["metadata"]["resourceVersion"])

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


@dataclass
class Process:
    """A lease and the steady clock of its process."""

    lease: Lease
    clock: list[float]

    def sleep(self, seconds: float) -> None:
        self.clock[0] += seconds


Make = Callable[..., Process]


def play(work: Callable[[Server, Make], Awaitable[None]]) -> None:
    """Run a scene: the server, and how to make a process."""

    async def test() -> None:
        server = Server()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.url = "http://{}:{}".format(*runner.addresses[0][:2])
            async with Api(server.url, aiohttp.ClientSession()) as api:
                starts = itertools.count(1000, 777)

                def make(pod: str = "", at: float | None = None) -> Process:
                    clock = [next(starts) if at is None else at]
                    steady, now = (lambda: clock[0]), (lambda: MOMENT)
                    lease = Lease(api, "ops", "wdo", pod, steady=steady, now=now)
                    return Process(lease, clock)

                await work(server, make)
        finally:
            await runner.cleanup()

    asyncio.run(test())


def test_the_first_makes_the_lease_and_leads() -> None:
    async def scene(server: Server, make: Make) -> None:
        first = make("wdo-1")
        assert not first.lease.leads
        assert await first.lease.compete()
        assert first.lease.leads
        assert server.lease is not None
        assert server.lease["spec"] == {
            "holderIdentity": first.lease.identity,
            "leaseDurationSeconds": leases.LEASE_SECONDS,
            "acquireTime": "2026-01-31T08:00:00.000000Z",
            "renewTime": "2026-01-31T08:00:00.000000Z",
            "leaseTransitions": 0,
        }
        assert first.lease.identity.startswith("wdo-1_")

    play(scene)


def test_of_two_at_once_one_leads() -> None:
    async def scene(server: Server, make: Make) -> None:
        for state in ("there is no Lease", "nobody holds it"):
            many = [make() for _ in range(5)]
            led = await asyncio.gather(*(p.lease.compete() for p in many))
            assert sum(led) == 1, state
            assert [p.lease.leads for p in many] == led
            assert server.lease is not None
            server.lease["spec"]["holderIdentity"] = ""

    play(scene)


def test_another_takes_over_only_what_it_has_itself_seen_unchanged_for_long_enough() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader, other = make(), make()
        await leader.lease.compete()
        assert not await other.lease.compete(), (
            "however old the Lease, it is seen for the first time"
        )
        other.sleep(leases.LEASE_SECONDS - 0.1)
        assert not await other.lease.compete()
        assert await leader.lease.renew()
        other.sleep(1)
        assert not await other.lease.compete(), "it was renewed meanwhile"
        other.sleep(leases.LEASE_SECONDS)
        assert await other.lease.compete()
        assert server.lease is not None
        assert server.lease["spec"]["leaseTransitions"] == 1
        assert server.holder == other.lease.identity

    play(scene)


def test_the_holders_word_on_how_long_counts_within_bounds() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        assert server.lease is not None
        for told, after in ((20, 20), (1, leases.LEASE_SECONDS), (10**6, 60)):
            server.lease["spec"] |= {"leaseDurationSeconds": told, "holderIdentity": "someone"}
            other = make()
            assert not await other.lease.compete()
            other.sleep(after - 0.1)
            assert not await other.lease.compete()
            other.sleep(0.2)
            assert await other.lease.compete()

    play(scene)


def test_what_counts_is_when_the_request_was_sent_less_a_margin() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        leader.sleep(leases.LEASE_SECONDS - leases.MARGIN_SECONDS - 0.01)
        leader.lease.check()
        leader.sleep(0.02)
        with pytest.raises(NotLeading):
            leader.lease.check()

    play(scene)


def test_no_write_without_the_lease_and_reads_as_ever() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        async with Api(server.url, aiohttp.ClientSession(), guard=leader.lease.check) as api:
            server.writes.clear()
            with pytest.raises(Conflict):
                await api.create(JOBS, "team", {"spec": {}})
            assert server.writes == ["POST 409"], "it was sent"
            leader.sleep(leases.LEASE_SECONDS)
            for write in (
                api.create(JOBS, "team", {}),
                api.json_patch(RUNS, "team", "run", [], "status"),
                api.merge_patch(JOBS, "team", "job", {}),
            ):
                with pytest.raises(NotLeading):
                    await write
            assert len(server.writes) == 1
            await api.get(JOBS, "team", "job")

    play(scene)


def test_one_that_could_not_renew_goes_on_if_nobody_led_in_between() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        server.down = True
        for _ in range(20):
            assert not await leader.lease.renew()
            leader.sleep(3)
        assert not leader.lease.leads
        server.down = False
        assert await leader.lease.renew()
        assert leader.lease.leads

    play(scene)


@pytest.mark.parametrize("released", [False, True], ids=["held by another", "released by another"])
def test_one_that_wakes_after_another_has_led_is_lost(released: bool) -> None:
    async def scene(server: Server, make: Make) -> None:
        frozen, other = make(), make()
        await frozen.lease.compete()
        await other.lease.compete()
        other.sleep(leases.LEASE_SECONDS)
        assert await other.lease.compete()
        if released:
            await other.lease.release()
        frozen.sleep(leases.LEASE_SECONDS + 1)
        with pytest.raises(NotLeading):
            frozen.lease.check()
        with pytest.raises(LeaseLost):
            await frozen.lease.renew()
        assert not frozen.lease.leads
        assert server.holder == ("" if released else other.lease.identity)

    play(scene)


def test_a_deleted_lease_is_lost() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        server.lease = None
        with pytest.raises(LeaseLost, match="ops/wdo was deleted"):
            await leader.lease.renew()

    play(scene)


def test_a_renewal_whose_answer_is_lost_is_no_loss() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        server.lose_answers = 1
        assert not await leader.lease.renew()
        leader.sleep(1)
        assert await leader.lease.renew()
        leader.sleep(leases.LEASE_SECONDS - leases.MARGIN_SECONDS - 0.1)
        assert leader.lease.leads

    play(scene)


def test_a_hand_on_the_lease_is_no_loss() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        assert server.lease is not None
        server.lease["metadata"]["resourceVersion"] = "annotated"
        assert not await leader.lease.renew()
        assert await leader.lease.renew()

    play(scene)


def test_a_claim_whose_answer_is_lost_is_found_to_be_held() -> None:
    async def scene(server: Server, make: Make) -> None:
        server.lose_answers = 1
        first = make()
        assert not await first.lease.compete()
        assert not first.lease.leads
        assert await first.lease.compete()
        assert first.lease.leads

    play(scene)


def test_a_released_lease_is_taken_at_once() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader, other = make(), make()
        await leader.lease.compete()
        assert not await other.lease.compete()
        await leader.lease.release()
        assert not leader.lease.leads
        assert await other.lease.compete()
        await leader.lease.release()
        assert server.holder == other.lease.identity, "only what is one's own is given back"

    play(scene)


def test_a_release_in_the_middle_of_a_renewal() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        server.lose_answers = 1
        assert not await leader.lease.renew()
        await leader.lease.release()
        assert server.holder == ""

    play(scene)


def test_a_release_that_nobody_answers_comes_to_an_end() -> None:
    async def scene(server: Server, make: Make) -> None:
        leader = make()
        await leader.lease.compete()
        server.down = True
        await leader.lease.release()
        assert not leader.lease.leads

    play(scene)


@pytest.mark.parametrize(
    ("first", "second", "at_once"),
    [("wdo-1", "wdo-1", True), ("wdo-1", "wdo-2", False), ("", "", False), ("wdo-1", "wdo", False)],
    ids=["the same Pod", "another Pod", "no Pods", "a prefix"],
)
def test_the_next_life_of_a_container_takes_over_at_once(
    first: str, second: str, at_once: bool
) -> None:
    async def scene(server: Server, make: Make) -> None:
        killed, restarted = make(first), make(second)
        await killed.lease.compete()
        assert await restarted.lease.compete() is at_once
        if at_once:
            with pytest.raises(LeaseLost):
                await killed.lease.renew()

    play(scene)


def test_one_that_may_not_have_a_lease_does_not_compete() -> None:
    async def scene(server: Server, make: Make) -> None:
        server.forbidden = True
        refused = make()
        assert not await refused.lease.compete()
        assert not refused.lease.competing
        server.forbidden = False
        assert await refused.lease.compete()
        assert refused.lease.competing

    play(scene)


def test_competing_goes_on_until_it_leads_and_keeping_until_it_is_lost() -> None:
    async def scene(server: Server, make: Make) -> None:
        server.down = True
        leader = make()
        acquiring = asyncio.create_task(leader.lease.acquire())
        await asyncio.sleep(0.05)
        assert not acquiring.done()
        server.down = False
        await asyncio.wait_for(acquiring, 2)
        server.lease = None
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(leader.lease.keep(), 2)

    play(scene)
