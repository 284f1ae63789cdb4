"""How often the operator asked for a change, by the API server's own audit log (JSON lines)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

_EVENTS = b'"resource":"events"'
_MARK = b'"userAgent":"workflow-do/'


def writes(log: Path, since: int = 0) -> Counter[str]:
    """Writes by resource, Leases apart, from byte `since` of the log on."""
    found: Counter[str] = Counter()
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            if _MARK in line and line.endswith(b"\n"):
                event = json.loads(line)
                resource = (event.get("objectRef") or {}).get("resource", "")
                if event["verb"] not in ("get", "list", "watch") and resource != "leases":
                    found[resource] += 1
    return found


def events(log: Path, since: int) -> int:
    """How many Events anybody wrote, from byte `since` of the log on."""
    with log.open("rb") as lines:
        lines.seek(since)
        return sum(1 for line in lines if _EVENTS in line)
