"""What a revision freezes of live definitions, and what it is called: by its content.

Equal content has an equal hash and so an equal name, and is stored once however many runs ask for
it at the same time. Where a Workflow starts runs of others, all that its runs may come to is its
content; so also Workflows that lead back to themselves have names. Fields that are read live and
say nothing of the process are no content: changing them is no new revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.housekeeping import HOUSEKEEPING_FIELDS
from workflow_do.engine.facts import Raw, spec_of
from workflow_do.engine.identity import hash_of
from workflow_do.engine.uses import reach, used_names

_HASH_CHARS: Final = 10
_LIVE_FIELDS: Final = HOUSEKEEPING_FIELDS | {"suspend"}
"""Fields of a Workflow that are read from the live object, never from a revision."""
NOTHING: Final[Mapping[str, Raw]] = MappingProxyType({})


def content_of(workflow: Raw, actions: Mapping[str, Raw]) -> dict[str, Any]:
    """What a revision freezes: the Workflow's spec, and the specs of its Actions that are there.

    `actions` may hold others besides.
    """
    spec = {k: v for k, v in spec_of(workflow).items() if k not in _LIVE_FIELDS}
    specs = {name: spec_of(raw) for name, raw in actions.items()}
    used = sorted(used_names(spec, specs) & actions.keys())
    return {
        "workflow": spec,
        "actions": {name: dict(specs[name]) for name in used},
    }


def current_revision(
    workflow: Raw, actions: Mapping[str, Raw], workflows: Mapping[str, Raw] = NOTHING
) -> str:
    """The name of the revision that a run started now would be pinned to, were it usable.

    `workflows`: the others, by name; there may be more than its runs come to.
    """
    name = str((workflow.get("metadata") or {}).get("name", ""))
    return Frozen({**workflows, name: workflow}, actions).name(name)


class Frozen:
    """Workflows and Actions (raw, by name) as their revisions would hold them."""

    def __init__(self, workflows: Mapping[str, Raw], actions: Mapping[str, Raw]) -> None:
        self._workflows = workflows
        self._actions = actions
        self._specs = {name: spec_of(raw) for name, raw in workflows.items()}
        self._own: dict[str, tuple[dict[str, Any], str]] = {}

    def below(self, name: str) -> frozenset[str]:
        """The Workflows that runs of this one may come to, those that are there."""
        return reach(self._specs[name], self._specs) & self._specs.keys()

    def hash(self, name: str) -> str:
        """What tells the content of the Workflow's revision from any other."""
        below = self.below(name)
        if not below:
            return self._frozen(name)[1]
        hashes = {other: self._frozen(other)[1] for other in sorted({name, *below})}
        return hash_of([name, hashes])

    def name(self, name: str) -> str:
        """What the Workflow's revision is called."""
        return f"{name}-{self.hash(name)[:_HASH_CHARS]}"

    def content(self, name: str) -> dict[str, Any]:
        """What the Workflow's revision holds."""
        children = {other: self.name(other) for other in sorted(self.below(name))}
        return {**self._frozen(name)[0], **({"children": children} if children else {})}

    def manifest(self, namespace: str, name: str, revisions: Sequence[Raw]) -> dict[str, Any]:
        """The revision, ready to POST; `revisions` are those there are, of any Workflow."""
        numbers = (_number(r) for r in revisions if spec_of(r).get("workflowName") == name)
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.REVISION.kind,
            "metadata": {
                "name": self.name(name),
                "namespace": namespace,
                "labels": {
                    names.LABEL_WORKFLOW: name,
                    names.LABEL_MANAGED_BY: names.MANAGED_BY,
                },
            },
            "spec": {
                "workflowName": name,
                "revision": 1 + max(numbers, default=0),
                "contentHash": self.hash(name),
                **self.content(name),
            },
        }

    def _frozen(self, name: str) -> tuple[dict[str, Any], str]:
        """The Workflow with its own Actions, and the hash of that."""
        if name not in self._own:
            content = content_of(self._workflows[name], self._actions)
            self._own[name] = content, hash_of(content)
        return self._own[name]


def _number(revision: Raw) -> int:
    number = spec_of(revision).get("revision")
    return number if isinstance(number, int) else 0
