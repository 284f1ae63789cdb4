"""The change of a status as JSON Patch (RFC 6902): only the fields that differ, steps by index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflow_do.api.base import dump
from workflow_do.api.run import RunStatus

Op = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A status and what it was before, as JSON objects; a step that is the same object in both
    stands in neither: of hundreds of steps a write changes a few.
    """

    status: RunStatus
    _old: dict[str, Any]
    _new: dict[str, Any]

    @classmethod
    def between(cls, old: RunStatus, new: RunStatus) -> Change:
        """From `old`, as it is stored, to `new`."""
        if old == RunStatus():
            return cls(new, {}, dump(new))
        if len(old.steps) != len(new.steps):
            return cls(new, dump(old), dump(new))
        pairs = list(zip(old.steps, new.steps, strict=True))
        before = [None if was is now else dump(was) for was, now in pairs]
        after = [None if was is now else dump(now) for was, now in pairs]
        return cls(new, _with(old, before), _with(new, after))

    def patch(self) -> list[Op]:
        """The operations on /status; empty where nothing changes."""
        return status_patch(self._old, self._new)

    def gave(self, stored: object) -> bool:
        """Whether a raw status, the answer to the patch, is what was to come of it: fields that the
        API server does not know, for its CRD is older, are not in it.
        """
        if not isinstance(stored, dict) or len(stored.get("steps") or ()) != len(self.status.steps):
            return False
        changed = zip(self._new["steps"], stored.get("steps") or (), strict=True)
        others = {key: value for key, value in stored.items() if key != "steps"}
        own = {key: value for key, value in self._new.items() if key != "steps"}
        return others == own and all(new is None or new == is_ for new, is_ in changed)


def _with(status: RunStatus, steps: list[dict[str, Any] | None]) -> dict[str, Any]:
    return dump(status.model_copy(update={"steps": ()})) | {"steps": steps}


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
