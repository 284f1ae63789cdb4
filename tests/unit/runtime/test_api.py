"""What HTTP answers mean, against a server that gives them over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from workflow_do.runtime.api import (
    JOBS,
    RUNS,
    Api,
    ApiError,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
)
from workflow_do.runtime.tail import LogTail

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, reason: str = "", causes: tuple[str, ...] = (), **headers: str) -> Answer:
    body = {
        "kind": "Status",
        "code": code,
        "reason": reason,
        "message": f"told {code}",
        "details": {"causes": [{"reason": cause} for cause in causes]},
    }

    async def answer(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=code, headers=named)

    return answer


def call(answer: Answer, work: Callable[[Api], Awaitable[Any]]) -> Any:
    """What `work` makes of a server that always gives this answer."""

    async def test() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            timeout = aiohttp.ClientTimeout(total=0.3)
            session = aiohttp.ClientSession(timeout=timeout)
            async with Api(f"http://{host}:{port}", session) as api:
                return await work(api)
        finally:
            await runner.cleanup()

    return asyncio.run(test())


def refusal(answer: Answer) -> ApiError:
    with pytest.raises(ApiError) as told:
        call(answer, lambda api: api.create(JOBS, "team", {}))
    return told.value


def log(length: int, most: int) -> LogTail:
    async def answer(request: web.Request) -> web.Response:
        assert request.query == {"container": "action", "tailLines": "9"}
        return web.Response(body=bytes(at % 251 for at in range(length)))

    found = call(answer, lambda api: api.log("team", "pod", "action", 9, most))
    assert isinstance(found, LogTail)
    return found


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2500, 500_000])
def test_of_a_long_log_the_end_is_kept(length: int) -> None:
    found = log(length, most=1000)
    assert found.data == bytes(at % 251 for at in range(length))[-1000:]
    assert found.cut is (length > 1000)


@pytest.mark.parametrize("code", [400, 403, 405, 413, 415, 422])
def test_a_definite_no(code: int) -> None:
    error = refusal(status(code, causes=("FieldValueInvalid",)))
    assert isinstance(error, Refused)
    assert (error.code, error.message) == (code, f"told {code}")
    assert error.causes == {"FieldValueInvalid"}


@pytest.mark.parametrize("code", [401, 408, 410, 429, 500, 502, 503, 504])
def test_no_answer_to_the_question(code: int) -> None:
    assert isinstance(refusal(status(code)), Unavailable)


def test_retry_after_is_passed_on_and_bounded() -> None:
    soon, late = refusal(status(429, Retry_After="3")), refusal(status(503, Retry_After="9999"))
    assert isinstance(soon, Unavailable)
    assert isinstance(late, Unavailable)
    assert (soon.retry_after, late.retry_after) == (3.0, 60.0)


def test_not_found_and_find() -> None:
    assert isinstance(refusal(status(404)), NotFound)
    assert call(status(404), lambda api: api.find(RUNS, "team", "run-1")) is None


@pytest.mark.parametrize(("reason", "exists"), [("AlreadyExists", True), ("Conflict", False)])
def test_a_taken_name_is_told_from_a_stale_version(reason: str, exists: bool) -> None:
    error = refusal(status(409, reason))
    assert isinstance(error, Conflict)
    assert error.exists is exists


async def _hang(_: web.Request) -> web.Response:
    await asyncio.sleep(2)
    return web.Response()


async def _hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _nonsense(_: web.Request) -> web.Response:
    return web.Response(text="<html>hello</html>")


@pytest.mark.parametrize("answer", [_hang, _hang_up, _nonsense], ids=["slow", "cut", "html"])
def test_what_cannot_be_understood_is_not_concluded_from(answer: Answer) -> None:
    assert isinstance(refusal(answer), Unavailable)


def test_only_the_api_servers_own_words_are_quoted() -> None:
    async def proxy(_: web.Request) -> web.Response:
        return web.Response(status=403, text="token=s3cret")

    assert str(refusal(proxy)) == "HTTP 403"


def test_lists_are_read_page_by_page() -> None:
    asked: list[dict[str, str]] = []

    async def pages(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        last = "continue" in request.query
        meta = {"resourceVersion": "12"} if last else {"continue": "more"}
        items = [{"metadata": {"name": "b" if last else "a"}}]
        return web.json_response({"metadata": meta, "items": items})

    found = call(pages, lambda api: api.list_all(JOBS, "team", labels="x=y"))
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert found.version == 12
    assert asked == [
        {"limit": "500", "labelSelector": "x=y"},
        {"limit": "500", "labelSelector": "x=y", "continue": "more"},
    ]


def test_so_many_calls_at_once_and_no_more() -> None:
    running, most = 0, 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return web.json_response({})

    async def work(api: Api) -> None:
        narrow = Api(api._server, api._session, at_once=3)
        await asyncio.gather(*(narrow.get(JOBS, "team", str(n)) for n in range(9)))

    call(answer, work)
    assert most == 3


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../secrets/x", "a?watch=1", "a%2fb", "A", "x" * 254, "a\n"]
)
def test_a_name_that_nothing_can_have_is_not_asked_for(name: str) -> None:
    """An empty one would read all objects, one with a slash something else."""

    async def another(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"name": "another"}})

    assert call(another, lambda api: api.find(RUNS, "team", name)) is None
    assert call(another, lambda api: api.find(RUNS, "team", "a.b-1")) is not None
