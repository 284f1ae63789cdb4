"""Data too large for a status: one immutable ConfigMap each, owned by its run.

Decides what such an object is called and looks like, and whether one that is there is what it
should be. The name is derived, so making it again asks for the same; the content is told by size
and SHA-256, so a lost or another one is never taken for it. Knows nothing of when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from workflow_do.api import names
from workflow_do.api.base import Json
from workflow_do.api.run import OutputRef
from workflow_do.engine import identity
from workflow_do.engine.identity import Unit
from workflow_do.engine.raws import dict_in
from workflow_do.engine.strictjson import StrictJson, read_json

Raw = Mapping[str, Any]

FILE: Final = "data.json"
"""The one key of such a ConfigMap."""


class Use(StrEnum):
    """What the data is to its unit."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Held:
    """What a ConfigMap of that name holds. `value` is None where it is no JSON object; `owner` is
    the uid of the run that controls it, `job` that of the Job whose output it is.
    """

    sha256: str
    size: int
    value: dict[str, Json] | None
    owner: str
    job: str
    immutable: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Whose data it is: the run, its Workflow, the unit and the try (0: of all tries of
    this run, or of none)."""

    workflow: str
    run_name: str
    namespace: str
    run_uid: str
    unit: Unit
    number: int
    use: Use
    job: str = ""

    @property
    def name(self) -> str:
        """The name of the ConfigMap."""
        return identity.data_name(self.run_name, self.run_uid, self.unit, self.number, self.use)


def encode(value: Json) -> bytes:
    """The data as it is stored and measured: compact JSON, keys in their order."""
    return orjson.dumps(value)


def reference(place: Place, data: bytes) -> OutputRef:
    """What the status says of the data."""
    return OutputRef(name=place.name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def manifest(place: Place, data: bytes) -> dict[str, Any]:
    """The ConfigMap, ready to POST."""
    tags = identity.labels(place.workflow, place.run_name, place.run_uid, place.unit, place.number)
    notes = {names.ANNOTATION_JOB_UID: place.job} if place.job else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": place.name,
            "namespace": place.namespace,
            "labels": {**tags, names.LABEL_DATA: place.use.value},
            "annotations": notes,
            "ownerReferences": [identity.owner(place.run_name, place.run_uid)],
        },
        "immutable": True,
        "data": {FILE: data.decode()},
    }


def parse_held(raw: Raw) -> Held:
    """A ConfigMap as a fact; total, whatever it holds."""
    meta = dict_in(raw, "metadata")
    text = dict_in(raw, "data").get(FILE)
    data = text.encode(errors="replace") if isinstance(text, str) else b""
    parsed = read_json(text) if isinstance(text, str) else None
    value = parsed.value if isinstance(parsed, StrictJson) else None
    owners = meta.get("ownerReferences") or ()
    return Held(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        value=value if isinstance(value, dict) else None,
        owner=next((str(o.get("uid", "")) for o in owners if o.get("controller")), ""),
        job=str(dict_in(meta, "annotations").get(names.ANNOTATION_JOB_UID, "")),
        immutable=raw.get("immutable") is True,
    )


def is_it(held: Held, ref: OutputRef) -> bool:
    """Whether this is the data that was written, byte for byte."""
    return held.sha256 == ref.sha256 and held.size == ref.size


def is_ours(held: Held, place: Place) -> bool:
    """Whether it was made by this run, for this try."""
    return held.immutable and held.owner == place.run_uid and held.job == place.job
