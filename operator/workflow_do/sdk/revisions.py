"""Revisions of a Workflow read from the cluster, and put back into force.

Decides which of them is meant by a number or a name, what of the definitions would change, and in
which order it is written. A revision is a Workflow *with* its Actions, so going back to one is
going back to both; an Action that other Workflows use, too, is changed only if that is asked for.
Rolling back makes no new revision: equal content has an equal name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow_do.api import names
from workflow_do.engine.definition import parse_revision
from workflow_do.engine.freezing import Frozen, content_of
from workflow_do.engine.problem import Problem
from workflow_do.engine.uses import child_names, used_names
from workflow_do.sdk.client import ACTIONS, REVISIONS, WORKFLOWS, Client, Object, Selection
from workflow_do.sdk.errors import Invalid, NotFound
from workflow_do.sdk.run import parse_time

_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Revision:
    """Frozen definitions: a raw Workflow spec, raw Action specs by name, and the revisions of the
    Workflows that its runs may come to.

    number: 0 for the live definitions where they are no revision yet.
    """

    name: str
    number: int
    created: datetime | None
    workflow: Mapping[str, Any]
    actions: Mapping[str, Mapping[str, Any]]
    children: Mapping[str, str] = field(default_factory=dict)
    raw: Object = field(repr=False, default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """What it freezes, as one object."""
        children = {"children": dict(self.children)} if self.children else {}
        return {"workflow": dict(self.workflow), "actions": dict(self.actions), **children}


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of one Workflow, the oldest first, and its definitions as they are now.

    live: None where the Workflow is gone.
    """

    workflow: str
    namespace: str
    revisions: tuple[Revision, ...]
    live: Revision | None
    live_workflow: Object | None = field(repr=False, default=None)

    @property
    def current(self) -> Revision | None:
        """The revision that a run started now would use; None where it does not exist yet."""
        live = self.live.name if self.live is not None else ""
        return next((r for r in self.revisions if r.name == live), None)

    def find(self, wanted: str) -> Revision:
        """The revision of that number or name. Raises NotFound with those there are."""
        for revision in self.revisions:
            if wanted in (revision.name, str(revision.number)):
                return revision
        numbers = ", ".join(str(r.number) for r in self.revisions[-_MAX_NAMED:])
        there = f"there are: {numbers}" if numbers else "it has none: no run has used it yet"
        raise NotFound(f'no revision "{wanted}" of Workflow "{self.workflow}"; {there}')

    def before(self) -> Revision:
        """The revision to go back to by default. Raises NotFound."""
        current = self.current
        older = [r for r in self.revisions if current is None or r.number < current.number]
        if not older:
            raise NotFound(
                f'there is no revision of Workflow "{self.workflow}" to go back to; see: kubectl '
                f"workflow history {self.workflow} -n {self.namespace}"
            )
        return older[-1]


def fetch_history(client: Client, namespace: str, workflow: str) -> History:
    """All that is known of a Workflow's revisions. Raises NotFound where it left no trace."""
    of_it = f"spec.workflowName={workflow}"
    items, _ = client.list_all(Selection(REVISIONS, namespace, fields=of_it))
    revisions = tuple(sorted(map(_parse, items), key=lambda r: (r.number, r.name)))
    try:
        live = client.get(WORKFLOWS, namespace, workflow)
    except NotFound:
        if not revisions:
            raise
        return History(workflow, namespace, revisions, None)
    actions = _actions(client, namespace)
    frozen = Frozen({**_workflows(client, namespace, live), workflow: live}, actions)
    content, name = frozen.content(workflow), frozen.name(workflow)
    number = next((r.number for r in revisions if r.name == name), 0)
    children = content.get("children", {})
    now = Revision(name, number, None, content["workflow"], content["actions"], children)
    return History(workflow, namespace, revisions, now, live)


def _parse(raw: Object) -> Revision:
    meta, spec = raw.get("metadata") or {}, raw.get("spec") or {}
    return Revision(
        name=str(meta.get("name", "")),
        number=int(spec.get("revision") or 0),
        created=parse_time(meta.get("creationTimestamp")),
        workflow=spec.get("workflow") or {},
        actions=spec.get("actions") or {},
        children=spec.get("children") or {},
        raw=raw,
    )


def _workflows(client: Client, namespace: str, live: Object) -> dict[str, Object]:
    """All Workflows by name, where this one may start runs of others."""
    if not child_names(live.get("spec") or {}):
        return {}
    items, _ = client.list_all(Selection(WORKFLOWS, namespace))
    return {item["metadata"]["name"]: item for item in items}


def _actions(client: Client, namespace: str) -> dict[str, Object]:
    """All Actions by name."""
    items, _ = client.list_all(Selection(ACTIONS, namespace))
    return {item["metadata"]["name"]: item for item in items}


@dataclass(frozen=True, slots=True)
class Change:
    """One object that a rollback writes. `version` is empty where it has to be made anew."""

    kind: names.Kind
    name: str
    spec: Mapping[str, Any]
    version: str
    shared_by: tuple[str, ...] = ()


def plan_rollback(client: Client, history: History, to: Revision) -> list[Change]:
    """What differs from the revision, Actions first. Raises Invalid.

    What a revision does not hold stays as it is: `suspend` and how long things are kept. What is
    gone is made anew.
    """
    usable = parse_revision(to.raw)
    if isinstance(usable, Problem):
        raise Invalid(f"revision {to.number} cannot be used any more: {usable.message}")
    actions = _actions(client, history.namespace)
    users = _users(client, history, {n: a.get("spec") or {} for n, a in actions.items()})
    changes = [
        Change(names.ACTION, name, spec, _version(actions.get(name)), users.get(name, ()))
        for name, spec in sorted(to.actions.items())
        if name not in actions or actions[name].get("spec") != spec
    ]
    live = history.live_workflow or {}
    before = live.get("spec") or {}
    frozen = content_of(live, {})["workflow"]
    kept = {key: value for key, value in before.items() if key not in frozen}
    spec = {**to.workflow, **kept}
    if spec != before:
        changes.append(Change(names.WORKFLOW, history.workflow, spec, _version(live)))
    return changes


def _users(
    client: Client, history: History, specs: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """By Action: the other Workflows that use it, also to undo something. `specs`: all Actions."""
    found: dict[str, tuple[str, ...]] = {}
    items, _ = client.list_all(Selection(WORKFLOWS, history.namespace))
    for item in items:
        name = item["metadata"]["name"]
        used = used_names(item.get("spec") or {}, specs)
        for action in used if name != history.workflow else ():
            found[action] = (*found.get(action, ()), name)
    return found


def _version(obj: Object | None) -> str:
    return str(((obj or {}).get("metadata") or {}).get("resourceVersion") or "")


def write_change(client: Client, namespace: str, change: Change) -> None:
    """Write one of them. Raises Conflict or AlreadyExists where somebody else wrote in between."""
    resource = ACTIONS if change.kind is names.ACTION else WORKFLOWS
    if change.version:
        client.replace_spec(resource, namespace, change.name, change.version, change.spec)
        return
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": change.kind.kind,
        "metadata": {"name": change.name, "namespace": namespace},
        "spec": dict(change.spec),
    }
    client.create(resource, namespace, manifest)
