"""The change of a status as JSON Patch (RFC 6902): only the fields that differ, steps by index."""

from __future__ import annotations

from typing import Any

Op = dict[str, Any]


def status_patch(old: dict[str, Any], new: dict[str, Any]) -> list[Op]:
    """The operations on /status that turn `old` into `new`; empty where they are equal.

    `old` is the status as stored, `{}` where there is none yet. Steps are changed field by field as
    long as their number stays the same, and so are their items one by one.
    """
    if not old and new:
        return [{"op": "add", "path": "/status", "value": new}]
    return _fields("/status", old, new)


def _fields(path: str, old: dict[str, Any], new: dict[str, Any]) -> list[Op]:
    ops: list[Op] = []
    for key in [*old, *(k for k in new if k not in old)]:
        here = f"{path}/{key}"
        if key not in new:
            ops.append({"op": "remove", "path": here})
        elif key not in old:
            ops.append({"op": "add", "path": here, "value": new[key]})
        elif old[key] != new[key]:
            ops += _field(key, here, old[key], new[key])
    return ops


def _field(key: str, path: str, old: Any, new: Any) -> list[Op]:
    """Of many items only those that differ, for a step can hold 1,000."""
    if key in ("steps", "items") and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        changed = [at for at, (was, now) in enumerate(pairs) if was != now]
        if key == "steps":
            return [op for at in changed for op in _fields(f"{path}/{at}", old[at], new[at])]
        if len(changed) <= len(new) // 2:
            return [{"op": "replace", "path": f"{path}/{at}", "value": new[at]} for at in changed]
    return [{"op": "replace", "path": path, "value": new}]
