"""How a try is called: one name per (run uid, role, step, item, try), always the same.

The uid in the hash keeps a deleted and recreated run of one name from adopting leftovers; the
exact step id keeps ids apart that differ only in case. Knows nothing of clusters or time.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import orjson

from workflow_do.api import names
from workflow_do.api.base import Json

_NAME_LIMIT: Final = 63
_DATA_NAME_LIMIT: Final = 42
_DIGEST_CHARS: Final = 10


class Role(StrEnum):
    """What a unit of work is for."""

    DO = "do"
    UNDO = "undo"
    ON_FAILURE = "onFailure"
    FINALLY = "finally"


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to be done once in a run: a step or an item of one, the undo of it, or a handler.

    `step` is empty for onFailure and the id of the entry for finally; `item` counts from 0.
    """

    role: Role
    step: str = ""
    item: int | None = None

    @property
    def place(self) -> str:
        """How people are told of it: `step pay`, `step pay[3]`, `undo of step pay`, `onFailure`."""
        if self.role is Role.ON_FAILURE:
            return self.role.value
        words = {Role.UNDO: "undo of step", Role.FINALLY: "finally"}.get(self.role, "step")
        return f"{words} {self.name}"

    @property
    def name(self) -> str:
        """The step, or the item of it: `pay`, `pay[3]`."""
        return self.step + (f"[{self.item}]" if self.item is not None else "")

    @property
    def item_word(self) -> str:
        """The item as it stands in names and labels; empty without one."""
        return "" if self.item is None else str(self.item)


@lru_cache(maxsize=8192)
def job_name(run_name: str, run_uid: str, unit: Unit, try_: int) -> str:
    """The Job's name: a readable prefix and a digest of the identity, 63 characters at most."""
    digest = hash_of([run_uid, unit.role.value, unit.step, unit.item_word, try_])[:_DIGEST_CHARS]
    undo = unit.role.value if unit.role is Role.UNDO else ""
    parts = (run_name, undo, unit.step or unit.role.value, unit.item_word)
    words = "-".join(filter(None, parts)).lower()
    room = _NAME_LIMIT - _DIGEST_CHARS - 1
    prefix = re.sub(r"[^a-z0-9-]+", "-", words)[:room].strip("-")
    return f"{prefix}-{digest}"


def idempotency_key(root_run_uid: str, unit: Unit, epoch: int = 0, call_path: str = "") -> str:
    """The same over all tries of a unit; another for every other unit and run. The steps of a child
    run are told from those of others by the path of steps that led to it.
    """
    path = [call_path] if call_path else []
    return hash_of([root_run_uid, *path, unit.role.value, unit.step, unit.item_word, epoch])[:32]


def labels(workflow: str, run_name: str, run_uid: str, unit: Unit, try_: int) -> dict[str, str]:
    """The labels of a try's Job and Pod. What it has not is left out."""
    step = {names.LABEL_STEP: unit.step} if unit.step else {}
    item = {names.LABEL_ITEM: unit.item_word} if unit.item is not None else {}
    return {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_WORKFLOW: workflow,
        names.LABEL_RUN: run_name,
        names.LABEL_RUN_UID: run_uid,
        names.LABEL_ROLE: unit.role.value,
        names.LABEL_TRY: str(try_),
        **step,
        **item,
    }


def data_name(run_name: str, run_uid: str, unit: Unit, number: int, use: str) -> str:
    """The name of the ConfigMap with data of a try: short, since the status holds many."""
    identity = [run_uid, unit.role.value, unit.step, unit.item_word, number, use]
    digest = hash_of(identity)[:_DIGEST_CHARS]
    words = f"{run_name}-{unit.step or unit.role.value}-{use}".lower()
    room = _DATA_NAME_LIMIT - _DIGEST_CHARS - 1
    prefix = re.sub(r"[^a-z0-9-]+", "-", words)[:room].strip("-")
    return f"{prefix}-{digest}"


def owner(run_name: str, run_uid: str) -> dict[str, Any]:
    """The ownerReference of what a run makes: deleted with it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "name": run_name,
        "uid": run_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def hash_of(value: Json) -> str:
    """Lower-case base32 of the SHA-256 of the canonical JSON (sorted keys), 52 characters."""
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return base64.b32encode(hashlib.sha256(data).digest()).decode().rstrip("=").lower()
