"""To which revision a run is pinned: the frozen Workflow and Actions, found by their content.

Works on live objects (watches are unordered): equal content has an equal hash and so an equal
name, and is stored once however many runs ask for it at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.engine.definition import Definition, action_names, define, parse_revision
from workflow_do.engine.facts import Pinning, Raw, Run
from workflow_do.engine.identity import hash_of
from workflow_do.engine.problem import Problem

_HASH_CHARS: Final = 10


def pin(
    run: Run, workflow: Raw | None, actions: Mapping[str, Raw], revisions: Sequence[Raw]
) -> Pinning | Problem:
    """The revision of the live Workflow and Actions (name → object; absent: not found).

    Problems: WorkflowNotFound, WorkflowNotReady, ActionNotFound, ActionNotReady.
    """
    wanted = run.spec.workflow_name
    if workflow is None:
        return Problem(
            Reason.WORKFLOW_NOT_FOUND,
            f"there is no Workflow {wanted!r} in namespace {run.namespace!r}: apply it",
        )
    spec = workflow.get("spec") or {}
    used = sorted(action_names(spec) & actions.keys())
    specs = {name: actions[name].get("spec") or {} for name in used}
    content = hash_of({"workflow": spec, "actions": specs})
    revision = f"{wanted}-{content[:_HASH_CHARS]}"
    definition = define(wanted, spec, specs, revision)
    if isinstance(definition, Problem):
        return definition
    known = any((r.get("metadata") or {}).get("name") == revision for r in revisions)
    manifest = None if known else _manifest(run, definition, content, spec, specs, revisions)
    return Pinning(definition, manifest)


def pin_named(run: Run, revision: Raw | None) -> Pinning | Problem:
    """The revision that the run asks for by name. Problem: RevisionNotFound."""
    name = run.spec.revision_name
    if revision is None:
        return Problem(Reason.REVISION_NOT_FOUND, f"there is no WorkflowRevision {name!r}")
    definition = parse_revision(revision)
    if isinstance(definition, Problem):
        return definition
    if definition.workflow_name != run.spec.workflow_name:
        of = definition.workflow_name
        return Problem(
            Reason.REVISION_NOT_FOUND,
            f"spec.revisionName: {name!r} is a revision of {of!r}, not of the run's Workflow",
        )
    return Pinning(definition, None)


def _manifest(
    run: Run,
    definition: Definition,
    content: str,
    spec: Raw,
    specs: Mapping[str, Raw],
    revisions: Sequence[Raw],
) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.REVISION.kind,
        "metadata": {
            "name": definition.revision_name,
            "namespace": run.namespace,
            "labels": {
                names.LABEL_WORKFLOW: definition.workflow_name,
                names.LABEL_MANAGED_BY: names.MANAGED_BY,
            },
        },
        "spec": {
            "workflowName": definition.workflow_name,
            "revision": 1 + max((_number(r) for r in revisions), default=0),
            "contentHash": content,
            "workflow": dict(spec),
            "actions": {name: dict(s) for name, s in specs.items()},
        },
    }


def _number(revision: Raw) -> int:
    number = (revision.get("spec") or {}).get("revision")
    return number if isinstance(number, int) else 0
