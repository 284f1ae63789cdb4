"""What the API server itself says was done: its audit log (JSON lines)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


def jobs_created(log: Path, since: int = 0) -> Counter[tuple[str, str]]:
    """How often a Job of a namespace and name was accepted, from byte `since` of the log on."""
    found: Counter[tuple[str, str]] = Counter()
    for event in _events(log, since):
        what = event.get("objectRef") or {}
        accepted = (event.get("responseStatus") or {}).get("code") == 201
        if event.get("verb") == "create" and what.get("resource") == "jobs" and accepted:
            found[what["namespace"], what["name"]] += 1
    return found


@dataclass(frozen=True, slots=True)
class Write:
    """A call of the operator that asked for a change, and when it came in."""

    time: datetime
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


def operator_writes(log: Path, since: int = 0) -> list[Write]:
    """What an operator asked to be changed, but for its Lease, from byte `since` of the log on."""
    found = []
    for event in _events(log, since, b'"userAgent":"workflow-do/'):
        what = event.get("objectRef") or {}
        if event["verb"] in ("get", "list", "watch") or what.get("resource") == "leases":
            continue
        found.append(
            Write(
                time=datetime.fromisoformat(event["requestReceivedTimestamp"]),
                verb=event["verb"],
                resource=what.get("resource", ""),
                namespace=what.get("namespace", ""),
                name=what.get("name", ""),
                code=(event.get("responseStatus") or {}).get("code", 0),
            )
        )
    return found


def _events(log: Path, since: int, marker: bytes = b'"jobs"') -> Iterator[dict[str, Any]]:
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            if marker in line and line.endswith(b"\n"):
                yield json.loads(line)
