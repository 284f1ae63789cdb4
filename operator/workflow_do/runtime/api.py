"""A small client of the Kubernetes API: raw dicts over one session, with typed refusals.

Decides what an HTTP answer means (gone, a conflict, a definite no, or no answer) and how many
calls go out at once; never what to do about it. Bodies and credentials are never logged. Asks a
guard before everything that writes, so that no writer can forget to.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from workflow_do.api import names
from workflow_do.engine import nesting
from workflow_do.runtime import clock
from workflow_do.runtime.lanes import Room
from workflow_do.runtime.shallow import lines_of
from workflow_do.runtime.tail import LogTail, Tail

Raw = dict[str, Any]

_PAGE: Final = 500
_AT_ONCE: Final = 16
"""Calls under way. More of them do not make a busy API server quicker, but they keep the event loop
from the watches."""
_MESSAGE_CHARS: Final = 500
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_CHARS: Final = 253
_TOO_LARGE: Final = ("etcdserver: request is too large", "message larger than max")
"""What the API server says of an object that its store does not take: as a 500, but for good."""
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind in URLs."""

    prefix: str
    plural: str

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of one object, or of all in a namespace, or of all."""
        parts = [self.prefix]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts += [p for p in (self.plural, name, subresource) if p]
        return "/".join(parts)


_OURS: Final = f"/apis/{names.API_VERSION}"
ACTIONS: Final = Resource(_OURS, names.ACTION.plural)
WORKFLOWS: Final = Resource(_OURS, names.WORKFLOW.plural)
REVISIONS: Final = Resource(_OURS, names.REVISION.plural)
RUNS: Final = Resource(_OURS, names.RUN.plural)
APPROVALS: Final = Resource(_OURS, names.APPROVAL.plural)
JOBS: Final = Resource("/apis/batch/v1", "jobs")
PODS: Final = Resource("/api/v1", "pods")
CONFIGMAPS: Final = Resource("/api/v1", "configmaps")
EVENTS: Final = Resource("/api/v1", "events")


class ApiError(Exception):
    """The API server did not do what was asked."""


class NotFound(ApiError):
    """404: the object, or its namespace, is not there."""


class Conflict(ApiError):
    """409: stale resourceVersion, or (`exists`) the name is taken."""

    def __init__(self, message: str, *, exists: bool) -> None:
        super().__init__(message)
        self.exists = exists


class Forgotten(ApiError):
    """410: what came after that resourceVersion is not known any more; list again."""


class Refused(ApiError):
    """A definite no (400, 403, 413, 422 …); asking again soon gives the same."""

    definite: Final = True

    def __init__(self, code: int, message: str, causes: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.causes = causes

    @property
    def invalid(self) -> bool:
        """Whether the object itself is refused, rather than the caller: no later call can do."""
        return self.code in (400, 413, 422)


class Unavailable(ApiError):
    """No answer, or none that says what happened; `retry_after` in seconds, 0 if it did not say."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of a list and the resourceVersion it is of; `partial`: only their metadata."""

    items: list[Raw]
    version: int
    partial: bool = False


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    return await answer.read()


def _allow() -> None:
    """The guard of a client that nothing holds back."""


def _uncounted(_verb: str, _code: int) -> None:
    """Nobody counts."""


class Api:
    """Calls to one API server; close it by leaving its `async with`.

    `guard` is called right before each write is sent; what it raises is raised, and nothing sent.
    `count` is told the verb and the code of each answer, 0 where there was none.
    """

    def __init__(
        self,
        server: str,
        session: aiohttp.ClientSession,
        at_once: int = _AT_ONCE,
        guard: Callable[[], None] = _allow,
        count: Callable[[str, int], None] = _uncounted,
    ) -> None:
        self._server = server
        self._session = session
        self.clock = clock.ServerClock()
        self._room = Room(at_once)
        self._guard = guard
        self._count = count

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Raw:
        """One object. Raises NotFound, unasked, for a name that no object of ours can have."""
        if not is_name(name):
            raise NotFound(f"nothing can be called {name[:80]!r}")
        return await self._call("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, namespace: str, name: str) -> Raw | None:
        """One object, or None where it is not there."""
        try:
            return await self.get(resource, namespace, name)
        except NotFound:
            return None

    async def list_all(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Listing:
        """All objects that match, read page by page, as of the last page's resourceVersion."""
        query = {"limit": str(_PAGE)}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        headers = {"Accept": _METADATA_ONLY} if metadata_only else None
        items: list[Raw] = []
        while True:
            page = await self._call("GET", resource.path(namespace), query=query, headers=headers)
            items += page.get("items") or ()
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                return Listing(items, version_of(page), metadata_only)
            query["continue"] = meta["continue"]

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str,
        version: str,
        seconds: int,
        silence: float,
    ) -> AsyncIterator[bytes]:
        """The lines of a watch from a resourceVersion on, for at most so many seconds.

        Takes no place among the calls. Raises Forgotten, Unavailable or Refused where it is not
        opened, Unavailable where it is cut or says nothing for `silence` seconds.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            **({"labelSelector": labels} if labels else {}),
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=silence)
        where = self._server + resource.path(namespace)
        try:
            async with self._session.get(where, params=query, timeout=limits) as answer:
                if answer.status == 410:
                    raise Forgotten(f"the resourceVersion {version} is too old")
                if answer.status >= 300:
                    raise _error(answer.status, answer.headers, await answer.read())
                async for line in lines_of(answer.content):
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = str(error) or type(error).__name__
            raise Unavailable(f"watch of {where}: {what}"[:_MESSAGE_CHARS]) from error

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Raw:
        """A new object, as stored."""
        return await self._call("POST", resource.path(namespace), body)

    async def try_to_create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> None:
        """Everything that a creation goes through, but for the store (a dry run). Raises as it."""
        await self._call("POST", resource.path(namespace), body, query={"dryRun": "All"})

    async def json_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: list[Raw],
        subresource: str = "",
    ) -> Raw:
        """The object after RFC 6902 operations."""
        path = resource.path(namespace, name, subresource)
        headers = {"Content-Type": "application/json-patch+json"}
        return await self._call("PATCH", path, operations, headers=headers)

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> Raw:
        """The object after an RFC 7386 merge."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._call("PATCH", resource.path(namespace, name), body, headers=headers)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: int = 0
    ) -> None:
        """Delete the object of that uid (and, with a version, only unchanged since); what it owns
        is collected afterwards. Raises NotFound, or Conflict where it is another or has changed.
        """
        only = {"uid": uid, **({"resourceVersion": str(version)} if version else {})}
        path = resource.path(namespace, name)
        await self._call("DELETE", path, _delete_options(preconditions=only))

    async def delete_all(self, resource: Resource, namespace: str, labels: str) -> None:
        """Delete all objects that a selector matches, in one call; what they own is collected
        afterwards. Raises ValueError for a selector without a value: it could match everything.
        """
        if not labels.partition("=")[2]:
            raise ValueError(f"a selector `label=value` is needed, not {labels!r}")
        query = {"labelSelector": labels}
        await self._call("DELETE", resource.path(namespace), _delete_options(), query=query)

    async def log(self, namespace: str, pod: str, container: str, lines: int, most: int) -> LogTail:
        """Of the last lines of a container's log the last `most` bytes, as they are."""
        query = {"container": container, "tailLines": str(lines)}
        tail = Tail(most)
        path = PODS.path(namespace, pod, "log")
        await self._send("GET", path, query=query, read=tail.read)
        return LogTail(bytes(tail.kept), tail.cut)

    async def kinds(self) -> frozenset[str]:
        """The plurals that the API server serves in our group; empty before the CRDs are there."""
        try:
            found = await self._call("GET", _OURS)
        except NotFound:
            return frozenset()
        return frozenset(str(r.get("name")) for r in found.get("resources") or ())

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Raw:
        return _parse(await self._send(method, path, body, query=query, headers=headers))

    async def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[bytes]] = _whole,
    ) -> bytes:
        data = orjson.dumps(body) if body is not None else None
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            async with self._room.place(_namespace_of(path)):
                if method != "GET":
                    self._guard()  # here, not where it was decided: there may have been a queue
                asked = clock.now()
                async with self._session.request(
                    method, self._server + path, data=data, params=query, headers=sent
                ) as answer:
                    self.clock.heard(answer.headers.get("Date", ""), asked, clock.now())
                    self._count(method, answer.status)
                    if answer.status < 300:
                        return await read(answer)
                    raise _error(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._count(method, 0)
            what = str(error) or type(error).__name__
            raise Unavailable(f"{method} {path}: {what}"[:_MESSAGE_CHARS]) from error


def _namespace_of(path: str) -> str:
    """Calls of one namespace wait among themselves; those of none are one lane more."""
    return path.partition("/namespaces/")[2].partition("/")[0]


def _delete_options(**more: object) -> Raw:
    kind = {"apiVersion": "v1", "kind": "DeleteOptions"}
    return {**kind, "propagationPolicy": "Background", **more}


def is_name(text: str) -> bool:
    """Whether an object that this operator reads can be called so. What comes from an object that
    was never checked must not become a path or a selector.
    """
    return len(text) <= _NAME_CHARS and _NAME.fullmatch(text) is not None


def version_of(raw: Mapping[str, Any]) -> int:
    """An object's resourceVersion as the integer it is compared by; 0 where it has none."""
    text = (raw.get("metadata") or {}).get("resourceVersion")
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def _parse(content: bytes) -> Raw:
    try:
        parsed = nesting.parse(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable("the answer was cut off or is not JSON") from error
    return parsed if isinstance(parsed, dict) else {}


def _error(status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """What a refusal means. Only the API server's own Status objects are quoted."""
    try:
        told = nesting.parse(content)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or told.get("kind") != "Status":
        told = {}
    message = str(told.get("message") or f"HTTP {status}")[:_MESSAGE_CHARS]
    if status == 404:
        return NotFound(message)
    if status == 409:
        return Conflict(message, exists=told.get("reason") == "AlreadyExists")
    if status == 500 and any(words in message for words in _TOO_LARGE):
        return Refused(413, message)
    if status in (401, 408, 410, 429) or status >= 500:
        return Unavailable(message, _retry_after(headers, told))
    causes = (told.get("details") or {}).get("causes") or ()
    return Refused(status, message, frozenset(str(c.get("reason")) for c in causes))


def _retry_after(headers: Mapping[str, str], told: Mapping[str, Any]) -> float:
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return min(float(text), 60.0)
    seconds = (told.get("details") or {}).get("retryAfterSeconds")
    return min(float(seconds), 60.0) if isinstance(seconds, int) else 0.0
