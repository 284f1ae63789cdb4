"""The Workflows and Actions as last seen, by namespace and name.

Fed by watch events only, so it may be behind: good enough for Ready conditions, which are
evaluated again with the next event; runs are pinned from live reads instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workflow_do.runtime.api import version_of

Raw = Mapping[str, Any]


class Kind(StrEnum):
    """The kinds of definitions."""

    ACTION = "Action"
    WORKFLOW = "Workflow"


@dataclass(frozen=True, slots=True)
class DefinitionKey:
    """A definition by its name: one deleted and made again is the same key."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Catalogue:
    """Raw definitions by key."""

    def __init__(self) -> None:
        self._known: dict[DefinitionKey, Raw] = {}

    def get(self, key: DefinitionKey) -> Raw | None:
        """The definition, if it was seen."""
        return self._known.get(key)

    def see(self, key: DefinitionKey, raw: Raw) -> bool:
        """Take it in; whether its spec is news, and not only its status."""
        old = self._known.get(key)
        if old is not None and version_of(raw) <= version_of(old):
            return False
        self._known[key] = _lean(raw)
        return old is None or _identity(old) != _identity(raw)

    def forget(self, key: DefinitionKey) -> None:
        """It is gone."""
        self._known.pop(key, None)

    def of_kind(self, kind: Kind) -> Iterator[tuple[DefinitionKey, Raw]]:
        """Everything of a kind."""
        for key, raw in tuple(self._known.items()):
            if key.kind is kind:
                yield key, raw

    def workflows(self, namespace: str) -> Iterator[DefinitionKey]:
        """The Workflows of a namespace."""
        return (key for key, _ in self.of_kind(Kind.WORKFLOW) if key.namespace == namespace)


def _identity(raw: Raw) -> tuple[Any, Any]:
    meta = raw.get("metadata") or {}
    return meta.get("uid"), meta.get("generation")


def _lean(raw: Raw) -> Raw:
    """Without the bookkeeping of field managers, which can be larger than the rest."""
    meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k != "managedFields"}
    return {**raw, "metadata": meta}
