"""A run as its status tells: records by unit, conditions, and words for a person."""

from __future__ import annotations

import json
from collections import deque
from hashlib import sha256
from typing import Any, Final

from simulation.cluster import Try
from simulation.server import Raw, Server
from workflow_do.runtime.api import CONFIGMAPS

Unit = tuple[str, str]
HANDLER: Final = ("onFailure", "")
ENDED: Final = frozenset({"Succeeded", "Failed", "NotStarted", "Unknown", "Skipped"})
BAD: Final = ENDED - {"Succeeded", "Skipped"}


_read: Final[deque[tuple[Raw, dict[Unit, Raw]]]] = deque(maxlen=4)
"""Runs as last stored, which nobody changes in place, and their records: every promise asks."""


def records(run: Raw) -> dict[Unit, Raw]:
    """The records of a run's status by unit. Not to be changed."""
    for known, found in _read:
        if known is run:
            return found
    found = _records(run)
    _read.append((run, found))
    return found


def _records(run: Raw) -> dict[Unit, Raw]:
    status = run.get("status") or {}
    found: dict[Unit, Raw] = {}
    for step in status.get("steps") or ():
        parts = {step["id"]: step}
        if step.get("items") is not None:  # the items are what is done, not the step
            parts = {f"{step['id']}[{at}]": item for at, item in enumerate(step["items"])}
        for name_, part in parts.items():
            found["do", name_] = {k: v for k, v in part.items() if k != "compensation"}
            if part.get("compensation"):
                found["undo", name_] = part["compensation"]
    if status.get("onFailure"):
        found[HANDLER] = status["onFailure"]
    for final in status.get("finally") or ():
        found["finally", final["id"]] = final
    return found


def step_state(run: Raw, step: str) -> str:
    """How far a step is, with items or without."""
    steps = (run.get("status") or {}).get("steps") or ()
    return next((str(s["state"]) for s in steps if s["id"] == step), "Pending")


def output(server: Server, record: Raw) -> Any:
    """What a unit gave, wherever it is kept: "lost" where it is not there, or not what was said."""
    ref = record.get("outputRef")
    if ref is None:
        return record.get("output")
    kept = server.find(CONFIGMAPS, ref["name"])
    data = kept["data"]["data.json"].encode() if kept is not None else b""
    same = (len(data), sha256(data).hexdigest()) == (ref["size"], ref["sha256"])
    return json.loads(data) if same and "output" not in record else "lost"


def ended(run: Raw) -> bool:
    """Whether Completed is True."""
    return conditions(run).get("Completed") == "True"


def fresh(old: Raw, new: Raw) -> list[tuple[Unit, Raw]]:
    """The units that this write ends."""
    before = records(old)
    return [
        (unit, record)
        for unit, record in records(new).items()
        if record.get("state") in ENDED and before.get(unit, {}).get("state") not in ENDED
    ]


def conditions(run: Raw) -> dict[str, str]:
    rows = (run.get("status") or {}).get("conditions") or ()
    return {c["type"]: c["status"] for c in rows}


def reason(run: Raw) -> str:
    rows = (run.get("status") or {}).get("conditions") or ()
    return next((c["reason"] for c in rows if c["type"] == "Succeeded"), "")


def name(this: Try) -> str:
    return f"{this.role} {this.step} try {this.number}"


def verdict(record: Raw) -> str:
    return f"{record.get('state')} ({record.get('reason')})"
