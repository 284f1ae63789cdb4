"""Waiting for changes, by watch: resumed where it broke off, listed anew when that is too old.

A watch ends after a minute by itself and at any time by accident (a new API server, a proxy); the
loop here hides that until the caller's own bound is passed. Knows nothing of what the objects mean.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from workflow_do.sdk.client import Client, Object, Selection
from workflow_do.sdk.errors import ServerError, Unreachable, VersionExpired

WINDOW_SECONDS: Final = 60.0
"""One watch request. A connection that died in silence is noticed at its end."""
OUTAGE_SECONDS: Final = 60.0
"""How long the API server may be away before the wait gives up."""
_MAX_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it is now; `gone` when it was deleted."""

    object: Object
    gone: bool = False


class Deadline:
    """A bound in monotonic seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, 0 when it is passed."""
        return max(0.0, self._end - time.monotonic())


@dataclass(slots=True)
class _Outage:
    """Counts failures in a row, and pauses longer after each."""

    stop: threading.Event
    since: float | None = None
    pause: float = field(default=0.1)

    def over(self) -> None:
        self.since, self.pause = None, 0.1

    def note(self, error: Unreachable | ServerError | None, deadline: Deadline) -> None:
        """Pause before the next attempt; raises `error` when it has lasted too long."""
        now = time.monotonic()
        self.since = now if self.since is None else self.since
        if error is not None and now - self.since > OUTAGE_SECONDS:
            raise error
        self.stop.wait(min(self.pause, deadline.left()))
        self.pause = min(self.pause * 2, _MAX_PAUSE_SECONDS)


def changes(
    client: Client,
    selection: Selection,
    deadline: Deadline,
    *,
    seen: Object | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Change]:
    """What the selection is now, then every change of it, until the deadline is passed.

    seen: the one object that the caller has read already; only what comes after it is told.
    stop: set by another thread to end early, seen when the watch under way ends.
    Raises what the first list raises; later failures only when they last over a minute.
    """
    stop = stop or threading.Event()
    outage = _Outage(stop)
    known = {_key(seen): seen} if seen else {}
    version = _version(seen) if seen else ""
    first = not version
    while deadline.left() > 0 and not stop.is_set():
        began = time.monotonic()
        try:
            if not version:
                items, version = client.list_all(selection)
                yield from _relisted(known, items)
            first = False
            window = min(WINDOW_SECONDS, deadline.left())
            for kind, obj in client.watch_once(selection, version, window):
                outage.over()
                version = _version(obj) or version
                if kind in ("ADDED", "MODIFIED", "DELETED"):
                    yield _change(known, obj, kind == "DELETED")
                if deadline.left() <= 0 or stop.is_set():
                    return
            # A watch that ends at once and empty would otherwise be asked for in a tight loop.
            if time.monotonic() - began < 1:
                outage.note(None, deadline)
        except VersionExpired:
            version = ""
        except (Unreachable, ServerError) as error:
            if first:
                raise
            outage.note(error, deadline)


def _key(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace") or "", meta["name"]


def _version(obj: Object) -> str:
    return (obj.get("metadata") or {}).get("resourceVersion") or ""


def _change(known: dict[tuple[str, str], Object], obj: Object, gone: bool) -> Change:
    if gone:
        known.pop(_key(obj), None)
    else:
        known[_key(obj)] = obj
    return Change(obj, gone)


def _relisted(known: dict[tuple[str, str], Object], items: list[Object]) -> Iterator[Change]:
    """What a list tells after a gap: what is gone meanwhile, and what is new or changed."""
    listed = {_key(item): item for item in items}
    for key in set(known) - set(listed):
        yield Change(known.pop(key), gone=True)
    for key, item in listed.items():
        if key not in known or _version(known[key]) != _version(item):
            yield _change(known, item, gone=False)
