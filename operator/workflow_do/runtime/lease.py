"""Who leads: one Lease at the API server, competed for, renewed, and asked before every write.

Decides when this process may write, by its own steady clock alone: the clocks of two machines are
never compared. It leads from the moment before a request was sent that the API server granted,
and takes over from another only after having itself seen that one's Lease unchanged for as long as
it is good for. Decides nothing about what is written, and does not end the process.

A holder that cannot renew in time writes nothing any more, and goes on if a renewal still
succeeds: that proves, by resourceVersion and a name which no other process has, that nobody led in
between. Where somebody else did, LeaseLost is raised.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from workflow_do.engine.timestamps import micro_stamp
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import (
    Api,
    ApiError,
    Conflict,
    NotFound,
    Resource,
    Unavailable,
)

Raw = dict[str, Any]
T = TypeVar("T")

LEASES: Final = Resource("/apis/coordination.k8s.io/v1", "leases")
LEASE_SECONDS: Final = 5
RENEW_SECONDS: Final = 1.5
ASK_SECONDS: Final = 0.3
"""How often one that waits looks, and one that could not renew tries again."""
MARGIN_SECONDS: Final = 0.5
"""A holder stops writing so much earlier, so that what it has just sent arrives in time."""
_CALL_SECONDS: Final = 1.5
_LONGEST_SECONDS: Final = 60
"""However long another says its Lease is good for, it is not waited for longer than this."""
_TELL_SECONDS: Final = 5.0
_log = logs.get("lease")


class LeaseLost(Exception):
    """Somebody else leads, or the Lease was deleted; this process must not go on."""


class NotLeading(Unavailable):
    """The lease was not renewed in time, so nothing was sent; it may yet be renewed."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A state of the Lease, and when (steady seconds) it was first seen."""

    version: str
    since: float


class Lease:
    """One process's claim to a Lease. `pod` is the name of its Pod, "" outside of one.

    A holder of the same Pod is an earlier life of this container, which has ended: the kubelet
    starts no second one beside it. Its Lease is taken over at once.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        pod: str,
        *,
        steady: Callable[[], float] = clock.steady,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.identity = f"{pod or socket.gethostname()}_{secrets.token_hex(4)}"
        self.holder = ""
        self.competing = False
        self._api = api
        self._namespace = namespace
        self._name = name
        self._pod = pod
        self._steady = steady
        self._now = now
        self._seen = Sighting("", -math.inf)
        self._version: str | None = None
        self._good_until = -math.inf
        self._asked = False
        self._told = -math.inf

    @property
    def leads(self) -> bool:
        """Whether this process may write now."""
        return self._steady() < self._good_until - MARGIN_SECONDS

    def check(self) -> None:
        """Raise NotLeading unless this process may write now."""
        if not self.leads:
            raise NotLeading("the lease was not renewed in time", retry_after=ASK_SECONDS)

    async def acquire(self) -> None:
        """Compete until this process leads."""
        while True:
            if await self.compete():
                _log.info("leading", lease=self._where(), identity=self.identity)
                return
            await asyncio.sleep(ASK_SECONDS)

    async def keep(self) -> None:
        """Renew until cancelled. Raises LeaseLost."""
        while True:
            renewed = await self.renew()
            await asyncio.sleep(RENEW_SECONDS if renewed else ASK_SECONDS)

    async def compete(self) -> bool:
        """Look once, and take the Lease if it is free; whether this process leads now."""
        try:
            return await _in_time(self._compete())
        except Conflict:
            return False  # another was quicker
        except (ApiError, TimeoutError) as error:
            self._tell("cannot compete for the lease", error)
            return False

    async def renew(self) -> bool:
        """Renew once; whether that succeeded. Raises LeaseLost."""
        try:
            await _in_time(self._renew())
        except NotFound as error:
            raise LeaseLost(f"the Lease {self._where()} was deleted") from error
        except (ApiError, TimeoutError) as error:
            self._tell("cannot renew the lease", error)
            return False
        return True

    async def release(self) -> None:
        """Write nothing any more, and let another take over at once; nothing is raised."""
        self._good_until = -math.inf
        if not self._asked:
            return
        try:
            await _in_time(self._release())
        except (ApiError, TimeoutError) as error:
            _log.warning("the lease was not given back; it runs out", why=_words(error))

    async def _compete(self) -> bool:
        sent = self._steady()
        raw = await self._api.find(LEASES, self._namespace, self._name)
        self.competing = True
        if raw is None:
            self._asked = True
            spec = self._claim({})
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": spec,
            }
            self._hold(await self._api.create(LEASES, self._namespace, body), sent)
            return True
        before = self.holder
        self._see(raw)
        if not self._is_free(raw):
            if self.holder != before:
                _log.info("standing by", leader=self.holder, lease=self._where())
            return False
        self._asked = True
        sent = self._steady()
        self._hold(await self._patch(_version(raw), self._claim(_spec(raw))), sent)
        return True

    async def _renew(self) -> None:
        if self._version is None:
            await self._find_again()
        assert self._version is not None
        version, sent = self._version, self._steady()
        self._version = None  # unknown until the answer is there
        try:
            self._hold(await self._patch(version, {"renewTime": micro_stamp(self._now())}), sent)
        except Conflict:
            # Our own renewal of before, of which the answer was lost, or a hand; or another holder.
            await self._find_again()
            raise

    async def _find_again(self) -> None:
        raw = await self._api.get(LEASES, self._namespace, self._name)
        holder = _spec(raw).get("holderIdentity") or "nobody"
        if holder != self.identity:
            self._good_until = -math.inf
            raise LeaseLost(f"{holder} holds the Lease {self._where()}")
        self._version = _version(raw)

    async def _release(self) -> None:
        """Only what is surely ours is given back."""
        while True:
            try:
                if self._version is None:
                    await self._find_again()
                assert self._version is not None
                version, self._version = self._version, None
                await self._patch(version, {"holderIdentity": "", "renewTime": None})
            except Conflict:
                continue
            except (LeaseLost, NotFound):
                return
            _log.info("the lease is given back", lease=self._where())
            return

    def _claim(self, old: Raw) -> Raw:
        """The spec with this process as holder."""
        time = micro_stamp(self._now())
        transitions = int(old.get("leaseTransitions") or 0) + 1 if old else 0
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": time,
            "renewTime": time,
            "leaseTransitions": transitions,
        }

    async def _patch(self, version: str, spec: Raw) -> Raw:
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._api.merge_patch(LEASES, self._namespace, self._name, body)

    def _hold(self, raw: Raw, sent: float) -> None:
        self._version = _version(raw)
        self._good_until = sent + LEASE_SECONDS
        self.holder = self.identity

    def _see(self, raw: Raw) -> None:
        self.holder = str(_spec(raw).get("holderIdentity") or "")
        if _version(raw) != self._seen.version:
            self._seen = Sighting(_version(raw), self._steady())

    def _is_free(self, raw: Raw) -> bool:
        if not self.holder or self.holder == self.identity:
            return True
        if self._pod and self.holder.rpartition("_")[0] == self._pod:
            return True
        told = int(_spec(raw).get("leaseDurationSeconds") or 0)
        good_for = min(max(told, LEASE_SECONDS), _LONGEST_SECONDS)
        return self._steady() - self._seen.since >= good_for

    def _tell(self, what: str, error: Exception) -> None:
        """One line every few seconds, however often it fails."""
        if self._steady() >= self._told + _TELL_SECONDS:
            self._told = self._steady()
            _log.warning(what, lease=self._where(), why=_words(error))

    def _where(self) -> str:
        return f"{self._namespace}/{self._name}"


async def _in_time(call: Awaitable[T]) -> T:
    async with asyncio.timeout(_CALL_SECONDS):
        return await call


def _spec(raw: Raw) -> Raw:
    spec = raw.get("spec")
    return spec if isinstance(spec, dict) else {}


def _version(raw: Raw) -> str:
    return str(raw["metadata"]["resourceVersion"])


def _words(error: Exception) -> str:
    return str(error) or f"no answer within {_CALL_SECONDS} s"
