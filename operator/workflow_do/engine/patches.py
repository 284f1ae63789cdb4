"""The change of a status as JSON Patch (RFC 6902): only the fields that differ, steps by index."""

from __future__ import annotations

from typing import Any

Op = dict[str, Any]


def status_patch(old: dict[str, Any], new: dict[str, Any]) -> list[Op]:
    """The operations on /status that turn `old` into `new`; empty where they are equal.

    `old` is the status as stored, `{}` where there is none yet. Steps are replaced one by one as
    long as their number stays the same.
    """
    if old == new:
        return []
    if not old:
        return [{"op": "add", "path": "/status", "value": new}]
    ops = []
    for key in [*old, *(k for k in new if k not in old)]:
        ops += _field(key, old, new)
    return ops


def _field(key: str, old: dict[str, Any], new: dict[str, Any]) -> list[Op]:
    path = f"/status/{key}"
    if key not in new:
        return [{"op": "remove", "path": path}]
    if key not in old:
        return [{"op": "add", "path": path, "value": new[key]}]
    if old[key] == new[key]:
        return []
    if key == "steps" and len(old[key]) == len(new[key]):
        return [
            {"op": "replace", "path": f"{path}/{at}", "value": row}
            for at, row in enumerate(new[key])
            if row != old[key][at]
        ]
    return [{"op": "replace", "path": path, "value": new[key]}]
