"""The Workflows and Actions as last seen, by namespace and name.

Fed by watch events only, so it may be behind: good enough for Ready conditions, which are
evaluated again with the next event; runs are pinned from live reads instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from workflow_do.engine.facts import spec_of
from workflow_do.engine.uses import action_names, child_names, named_to_undo
from workflow_do.runtime.api import version_of

Raw = Mapping[str, Any]


class Kind(StrEnum):
    """The kinds of definitions."""

    ACTION = "Action"
    WORKFLOW = "Workflow"


class News(Enum):
    """What of a definition has changed; a status that somebody else wrote is to be mended."""

    NONE = "nothing that matters"
    STATUS = "its status only"
    SPEC = "its spec"


@dataclass(frozen=True, slots=True)
class DefinitionKey:
    """A definition by its name: one deleted and made again is the same key."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Catalogue:
    """Raw definitions by key, and which Workflows use an Action or another Workflow."""

    def __init__(self) -> None:
        self._known: dict[DefinitionKey, Raw] = {}
        self._users: dict[DefinitionKey, set[DefinitionKey]] = {}

    def get(self, key: DefinitionKey) -> Raw | None:
        """The definition, if it was seen."""
        return self._known.get(key)

    def see(self, key: DefinitionKey, raw: Raw) -> News:
        """Take it in; what of it is news."""
        old = self._known.get(key)
        if old is not None and version_of(raw) <= version_of(old):
            return News.NONE
        self._note_uses(key, old, raw)
        self._known[key] = _lean(raw)
        if old is None or _identity(old) != _identity(raw):
            return News.SPEC
        return News.STATUS if old.get("status") != raw.get("status") else News.NONE

    def forget(self, key: DefinitionKey) -> None:
        """It is gone."""
        self._note_uses(key, self._known.pop(key, None), None)

    def of_kind(self, kind: Kind) -> Iterator[tuple[DefinitionKey, Raw]]:
        """Everything of a kind."""
        for key, raw in tuple(self._known.items()):
            if key.kind is kind:
                yield key, raw

    def users_of(self, used: DefinitionKey) -> frozenset[DefinitionKey]:
        """The Workflows that use an Action or a Workflow, whether that is there or not.

        Also those of which another Action names it as what undoes it, and those that start runs of
        a Workflow that uses it.
        """
        found, new = set[DefinitionKey](), {used}
        while new:
            new = set[DefinitionKey]().union(*(self._users.get(key, set()) for key in new)) - found
            found |= new
        return frozenset(key for key in found if key.kind is Kind.WORKFLOW)

    def _note_uses(self, key: DefinitionKey, old: Raw | None, new: Raw | None) -> None:
        for action in _uses(key, old) - _uses(key, new):
            users = self._users[action]
            users.discard(key)
            if not users:
                del self._users[action]
        for action in _uses(key, new):
            self._users.setdefault(action, set()).add(key)


def _uses(key: DefinitionKey, raw: Raw | None) -> frozenset[DefinitionKey]:
    """What a Workflow names, or undoes an Action."""
    if raw is None:
        return frozenset()
    spec, space = spec_of(raw), key.namespace
    if key.kind is Kind.ACTION:
        return frozenset(DefinitionKey(Kind.ACTION, space, name) for name in named_to_undo(spec))
    started = (DefinitionKey(Kind.WORKFLOW, space, name) for name in child_names(spec))
    return frozenset(
        {DefinitionKey(Kind.ACTION, space, n) for n in action_names(spec)}.union(started)
    )


def _identity(raw: Raw) -> tuple[Any, Any]:
    meta = raw.get("metadata") or {}
    return meta.get("uid"), meta.get("generation")


def _lean(raw: Raw) -> Raw:
    """Without the bookkeeping of field managers, which can be larger than the rest."""
    meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k != "managedFields"}
    return {**raw, "metadata": meta}
