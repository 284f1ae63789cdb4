"""What the API server itself says was done: its audit log (JSON lines)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
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


def _events(log: Path, since: int) -> Iterator[dict[str, Any]]:
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            if b'"jobs"' in line and line.endswith(b"\n"):
                yield json.loads(line)
