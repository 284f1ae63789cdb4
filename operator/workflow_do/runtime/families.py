"""Which runs say that they are children of which, and which revisions parents name for them.

Kept apart from the records of runs: a child is spoken of before its parent is known, and after the
rest of it is forgotten. Decides nothing; whether a run is a child its parent's status tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_do.engine.kin import ChildFact, parse_call, parse_child
from workflow_do.engine.retention import child_revisions

Raw = Mapping[str, Any]
Owner = tuple[str, str]
"""Namespace and name of a Workflow."""


class Families:
    """Children by the uid of their parent, and the revisions that runs name of other Workflows."""

    def __init__(self) -> None:
        self._children: dict[tuple[str, str], dict[str, ChildFact]] = {}
        self._parents: dict[str, tuple[str, str]] = {}
        self._named: dict[Owner, dict[str, str]] = {}
        self._names: dict[str, tuple[Owner, ...]] = {}

    def see(self, raw: Raw, *, wanted: bool) -> str | None:
        """A run that is newer than before; the uid of the run that it says it is a child of.

        `wanted`: somebody may still look at it as a child.
        """
        meta = raw.get("metadata") or {}
        uid, namespace = str(meta.get("uid")), str(meta.get("namespace"))
        self._note_revisions(uid, namespace, child_revisions(raw))
        call = parse_call(raw)
        if call is None:
            self._leave(uid)
            return None
        place = (namespace, call.run_uid)
        if self._parents.get(uid, place) != place:
            self._leave(uid)
        self._parents[uid] = place
        if wanted:
            self._children.setdefault(place, {})[uid] = parse_child(raw)
        return call.run_uid

    def forget(self, uid: str) -> str | None:
        """A run is gone; the uid of the run that it said it was a child of."""
        self._note_revisions(uid, "", {})
        return self._leave(uid)

    def parent_of(self, raw: Raw) -> str:
        """The uid of the run that a raw run says it is a child of; empty for none."""
        call = parse_call(raw)
        return call.run_uid if call is not None else ""

    def children(self, namespace: str, parent: str) -> Mapping[str, ChildFact]:
        """The children of a run, as they are now, by uid."""
        return dict(self._children.get((namespace, parent), {}))

    def release(self, namespace: str, parent: str) -> None:
        """The run has ended: nobody looks at its children as such any more."""
        self._children.pop((namespace, parent), None)

    def named_of(self, owner: Owner) -> Iterator[str]:
        """The revisions of a Workflow that runs of others name."""
        yield from self._named.get(owner, {}).values()

    def _leave(self, uid: str) -> str | None:
        place = self._parents.pop(uid, None)
        if place is None:
            return None
        siblings = self._children.get(place, {})
        siblings.pop(uid, None)
        if not siblings:
            self._children.pop(place, None)
        return place[1]

    def _note_revisions(self, uid: str, namespace: str, named: Mapping[str, str]) -> None:
        for owner in self._names.pop(uid, ()):
            users = self._named[owner]
            del users[uid]
            if not users:
                del self._named[owner]
        owners = tuple((namespace, workflow) for workflow in named)
        for owner in owners:
            self._named.setdefault(owner, {})[uid] = named[owner[1]]
        if owners:
            self._names[uid] = owners
