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
        pairs = zip(old[key], new[key], strict=True)
        return [op for at, (was, row) in enumerate(pairs) for op in _row(f"{path}/{at}", was, row)]
    return [{"op": "replace", "path": path, "value": new[key]}]


def _row(path: str, old: dict[str, Any], new: dict[str, Any]) -> list[Op]:
    """One step; of many items only those that differ, for a step can hold 1,000."""
    if old == new:
        return []
    items, before = new.get("items", []), old.get("items", [])
    changed = [at for at, item in enumerate(items) if before[at : at + 1] != [item]]
    if len(items) != len(before) or len(changed) > len(items) // 2:
        return [{"op": "replace", "path": path, "value": new}]
    ops = [{"op": "replace", "path": f"{path}/items/{at}", "value": items[at]} for at in changed]
    for key in [*old, *(k for k in new if k not in old)]:
        if key not in new:
            ops.append({"op": "remove", "path": f"{path}/{key}"})
        elif key != "items" and old.get(key) != new[key]:
            op = "replace" if key in old else "add"
            ops.append({"op": op, "path": f"{path}/{key}", "value": new[key]})
    return ops
