"""A watch for the streams that bring most events: a line in, a dict out.

A framework's machinery for each event costs more than all that is done with it, and of runs,
Jobs and Pods there are a dozen events a step. Lists, follows, resumes after a cut and lists again
where the API server has forgotten; decides nothing about what an object means. What was deleted
while nobody watched is not told: the resync finds it. Repeats and stale states may be told; whoever
takes them compares resourceVersions.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from workflow_do.engine import nesting
from workflow_do.runtime import logs
from workflow_do.runtime.api import (
    Api,
    ApiError,
    Forgotten,
    Resource,
    Unavailable,
    version_of,
)
from workflow_do.runtime.queue import Backoff

Raw = Mapping[str, Any]

_BACKOFF: Final = Backoff(first=0.05, last=5.0)
_PATIENCE: Final = 300.0
"""Seconds of nothing but failures, then the stream is given up and the process starts anew."""
_SERVER_SECONDS: Final = (240, 300)
"""After so long the API server ends a watch in good order; spread, so that not all end at once."""
_SILENCE: Final = 65.0
"""Seconds without even a bookmark, which comes once a minute: the stream is dead."""
_log = logs.get("watch")


class GivenUp(Exception):
    """The watch has failed for too long."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is watched, and who takes it. `namespace` is None for all of them."""

    resource: Resource
    namespace: str | None
    labels: str
    seen: Callable[[Raw], None]
    gone: Callable[[Raw], None]

    def __str__(self) -> str:
        return f"{self.resource.plural} of {self.namespace or 'all namespaces'}"


class Watcher:
    """Follows one stream until it is cancelled or has to be given up."""

    def __init__(self, api: Api, stream: Stream) -> None:
        self._api = api
        self._stream = stream
        self._version = ""
        self._good = 0.0

    async def run(self) -> None:
        """Raises GivenUp."""
        clock = asyncio.get_running_loop().time
        self._good = clock()
        failures = 0
        while True:
            begun = self._good
            try:
                await self._once()
            except Forgotten as error:
                _log.info("is listed again", what=str(self._stream), why=str(error))
                self._version = ""
                await self._rest(error, failures=1)
            except ApiError as error:
                failures = 1 if self._good > begun else failures + 1
                await self._rest(error, failures)
            if clock() - self._good > _PATIENCE:
                raise GivenUp(f"{self._stream}: nothing but failures for {_PATIENCE:.0f} s")

    async def _rest(self, error: Exception, failures: int) -> None:
        if failures == 2:  # one cut is an everyday matter
            why = (str(error) or type(error).__name__)[:300]
            _log.warning("is not heard of; tried again", what=str(self._stream), why=why)
        least = error.retry_after if isinstance(error, Unavailable) else 0.0
        await asyncio.sleep(max(least, _BACKOFF.delay(failures, random.random())))

    async def _once(self) -> None:
        """List if need be, then follow to the end of a watch."""
        stream = self._stream
        if not self._version:
            found = await self._api.list_all(
                stream.resource, stream.namespace, labels=stream.labels
            )
            for raw in found.items:
                self._hand_on(stream.seen, raw)
            self._version = str(found.version)
            self._good = asyncio.get_running_loop().time()
        lines = self._api.watch(
            stream.resource,
            stream.namespace,
            labels=stream.labels,
            version=self._version,
            seconds=random.randint(*_SERVER_SECONDS),
            silence=_SILENCE,
        )
        heard = False
        async for line in lines:
            if line:
                self._take(line)
                heard = True
        if not heard:
            raise Unavailable("the watch ended at once")

    def _take(self, line: bytes) -> None:
        try:
            event = nesting.parse(line)
        except orjson.JSONDecodeError as error:
            raise Unavailable("the watch brought what is not JSON") from error
        kind, raw = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            message = str(raw.get("message") or raw.get("reason"))[:300]
            if raw.get("code") == 410:
                raise Forgotten(message)
            raise Unavailable(message)
        self._good = asyncio.get_running_loop().time()
        self._version = str(version_of(raw) or self._version)
        if kind == "DELETED":
            self._hand_on(self._stream.gone, raw)
        elif kind in ("ADDED", "MODIFIED"):
            self._hand_on(self._stream.seen, raw)

    def _hand_on(self, take: Callable[[Raw], None], raw: Raw) -> None:
        """One object that nobody foresaw must not blind the operator to all others."""
        try:
            take(raw)
        except Exception:
            name = str((raw.get("metadata") or {}).get("name"))[:300]
            _log.exception("cannot be taken in", what=str(self._stream), name=name)
