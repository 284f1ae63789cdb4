"""The model's API server: the one truth about objects, in the order in which it was written.

Objects are never changed in place: each write stores a new one under the next resourceVersion
and appends it to `log`, from which watches are served as late as the adversary likes. Knows no
controller; what it refuses by itself is what a real one refuses: unknown names, taken names,
stale resourceVersions, a Job that admission does not like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workflow_do.engine.timestamps import stamp
from workflow_do.runtime.api import (
    JOBS,
    RUNS,
    Conflict,
    Listing,
    NotFound,
    Refused,
    Resource,
)
from workflow_do.runtime.store import Store

Raw = dict[str, Any]
START: Final = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
NAMESPACE: Final = "shop"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log: an object as written, or as it was when it was removed."""

    kind: str
    raw: Raw
    removed: bool


class Server:
    """Objects by kind (plural) and name.

    `writer` is whose call is being carried out: the store of that process; None for a call that
    arrives when nobody waits for it any more, and for controllers.
    """

    def __init__(self) -> None:
        self.now = START
        self.version = 0
        self.objects: dict[str, dict[str, Raw]] = {}
        self.log: list[Change] = []
        self.refuses: Callable[[Raw], str | None] = lambda job: None
        self.job_made: Callable[[Raw], None] = lambda job: None
        self.run_written: Callable[[Raw, Raw], None] = lambda old, new: None
        self.guarded = True
        self.told: dict[str, list[Raw]] = {}
        self.logs: dict[str, str] = {}
        self.writer: Store | None = None
        self.stale = 0
        self._uids = 0

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return (self.now - START).total_seconds()

    def at(self, seconds: float) -> datetime:
        """The time that many seconds after the beginning."""
        return START + timedelta(seconds=seconds)

    def find(self, resource: Resource, name: str) -> Raw | None:
        """An object, or None."""
        return self.objects.get(resource.plural, {}).get(name)

    def all(self, resource: Resource) -> list[Raw]:
        """All objects of a kind, oldest first."""
        return list(self.objects.get(resource.plural, {}).values())

    def get(self, resource: Resource, name: str) -> Raw:
        """GET."""
        raw = self.find(resource, name)
        if raw is None:
            raise NotFound(f"{resource.plural} {name!r} not found")
        return raw

    def tell(self, name: str, uid: str, type_: str, reason: str, message: str) -> None:
        """A controller's Event about a Job."""
        event: Raw = {"type": type_, "reason": reason, "message": message}
        event |= {"involvedObject": {"name": name, "uid": uid}, "firstTimestamp": stamp(self.now)}
        self.told.setdefault(uid, []).append(event)

    def list(self, resource: Resource, labels: str = "", fields: str = "") -> Listing:
        """LIST, as of now: what has a label, or a label of a value, or of its spec a field."""
        found = self.all(resource)
        if labels:
            key, _, value = labels.partition("=")
            found = [raw for raw in found if _has(raw["metadata"].get("labels"), key, value)]
        if fields:
            key, _, value = fields.removeprefix("spec.").partition("=")
            found = [raw for raw in found if _has(raw["spec"], key, value)]
        return Listing(found, self.version)

    def events(self, fields: str) -> Listing:
        """The Events about one Job, by its uid or its name, there or gone."""
        *_, asked = fields.split("=")
        told = [event for events in self.told.values() for event in events]
        about = [e for e in told if asked in e["involvedObject"].values()]
        return Listing(about, self.version)

    def desire(self, name: str, state: str) -> None:
        """A person asks something of a run: desiredState."""
        self.merge_patch(RUNS, name, {"spec": {"desiredState": state}})

    def try_to_create(self, resource: Resource, body: Mapping[str, Any]) -> None:
        """POST as a dry run. Of approvals in another's name: refused, where a policy does that."""
        if self.guarded:
            raise Refused(422, "ValidatingAdmissionPolicy 'approvals' denied request: no")

    def create(self, resource: Resource, body: Mapping[str, Any]) -> Raw:
        """POST. Admission comes before the question whether the name is taken, as in Kubernetes."""
        name = body["metadata"]["name"]
        if resource is JOBS:
            why = self.refuses(dict(body))
            if why is not None:
                raise Refused(403, why)
        if self.find(resource, name) is not None:
            raise Conflict(f"{resource.plural} {name!r} already exists", exists=True)
        self._uids += 1
        made = {
            "uid": f"{resource.plural}-{self._uids}",
            "creationTimestamp": stamp(self.now),
            "generation": 1,
        }
        raw = self.store(resource, {**body, "metadata": {**made, **body["metadata"]}})
        if resource is JOBS:
            self.job_made(raw)
        return raw

    def json_patch(
        self, resource: Resource, name: str, operations: list[Raw], subresource: str
    ) -> Raw:
        """PATCH by RFC 6902; through a subresource nothing else is changed."""
        old = self.get(resource, name)
        new: Raw = old
        for op in operations:
            if op["path"] == "/metadata/resourceVersion":
                if op["value"] != old["metadata"]["resourceVersion"]:
                    self.stale += 1
                    raise Conflict("the object has been modified", exists=False)
                continue
            new = _apply(new, op["path"].split("/")[1:], op)
        if subresource:
            new = {**old, subresource: new.get(subresource)}
        return self._replace(resource, old, new)

    def merge_patch(self, resource: Resource, name: str, body: Mapping[str, Any]) -> Raw:
        """PATCH by RFC 7386; what is asked of a run must be allowed by its rules."""
        old = self.get(resource, name)
        for key in ("resourceVersion", "uid"):
            wanted = (body.get("metadata") or {}).get(key)
            if wanted not in (None, old["metadata"][key]):
                raise Conflict("the object has been modified", exists=False)
        new = _merge(old, body)
        if resource is RUNS and new["spec"] != old["spec"]:
            was = old["spec"].get("desiredState", "")
            if was.startswith("Cancelled") or _completed(old):
                raise Refused(422, "a run that is cancelled, or over, stays so")
            new["metadata"] = {**new["metadata"], "generation": old["metadata"]["generation"] + 1}
        return self._replace(resource, old, new)

    def delete(self, resource: Resource, name: str, uid: str, version: int) -> None:
        """DELETE, if it is still that object, and unchanged."""
        meta = self.get(resource, name)["metadata"]
        if meta["uid"] != uid or (version and meta["resourceVersion"] != str(version)):
            raise Conflict("the object has been modified", exists=False)
        self.remove(resource, name)

    def log_of(self, resource: Resource, name: str) -> bytes:
        """GET of a Pod's log."""
        self.get(resource, name)
        return self.logs.get(name, "what the program said last\n").encode()

    def _replace(self, resource: Resource, old: Raw, new: Raw) -> Raw:
        if new == old:
            return old
        stored = self.store(resource, new)
        if resource is RUNS and new["spec"] == old["spec"]:
            self.run_written(old, stored)
        return stored

    def store(self, resource: Resource, raw: Raw) -> Raw:
        """Write an object under the next resourceVersion; controllers write with this too."""
        self.version += 1
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.version)}}
        self.objects.setdefault(resource.plural, {})[raw["metadata"]["name"]] = raw
        self.log.append(Change(resource.plural, raw, False))
        return raw

    def update(self, resource: Resource, name: str, **parts: Mapping[str, Any]) -> Raw:
        """Merge fields into metadata, spec or status, as a controller would."""
        return self.store(resource, _merge(self.get(resource, name), parts))

    def remove(self, resource: Resource, name: str) -> None:
        """The object is gone; its last state is in the log, under a resourceVersion of its own."""
        raw = self.objects.get(resource.plural, {}).pop(name, None)
        if raw is None:
            return
        self.version += 1
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.version)}}
        self.log.append(Change(resource.plural, raw, True))


def _has(fields: Mapping[str, Any] | None, key: str, value: str) -> bool:
    found = (fields or {}).get(key)
    return found is not None and (not value or found == value)


def _completed(run: Raw) -> bool:
    rows = (run.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Completed" and c["status"] == "True" for c in rows)


def _merge(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _apply(target: Any, path: list[str], op: Raw) -> Any:
    """One `add`, `replace` or `remove` of RFC 6902; a path that is not there is refused."""
    key, rest = path[0].replace("~1", "/").replace("~0", "~"), path[1:]
    if isinstance(target, list | tuple):
        rows, at = list(target), int(key)
        rows[at] = _apply(rows[at], rest, op) if rest else op["value"]
        return rows
    result = dict(target)
    if rest:
        if key not in result:
            raise Refused(422, f"the path {op['path']} is not there")
        result[key] = _apply(result[key], rest, op)
    elif op["op"] == "add":
        result[key] = op["value"]
    elif key not in result:
        raise Refused(422, f"the path {op['path']} is not there")
    elif op["op"] == "remove":
        del result[key]
    else:
        result[key] = op["value"]
    return result
