"""To which revision a run is pinned: the frozen Workflow and Actions, found by their content.

Works on live objects (watches are unordered): equal content has an equal hash and so an equal
name, and is stored once however many runs ask for it at the same time. Fields of the Workflow that
are read live and say nothing of the process are not content: changing them is no new revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from workflow_do.api import conditions as cond
from workflow_do.api import names
from workflow_do.api.base import Spec
from workflow_do.api.conditions import ConditionType
from workflow_do.api.housekeeping import HOUSEKEEPING_FIELDS
from workflow_do.api.reasons import Reason
from workflow_do.engine.check import check_workflow, errors, tell
from workflow_do.engine.definition import Definition, UnitDef, define, parse_revision
from workflow_do.engine.facts import Pinning, Raw, Run, spec_of
from workflow_do.engine.identity import hash_of
from workflow_do.engine.problem import Problem
from workflow_do.engine.uses import used_names

_HASH_CHARS: Final = 10
_LIVE_FIELDS: Final = HOUSEKEEPING_FIELDS | {"suspend"}
"""Fields of a Workflow that are read from the live object, never from a revision."""


def pin(
    run: Run, workflow: Raw | None, actions: Mapping[str, Raw], revisions: Sequence[Raw]
) -> Pinning | Problem:
    """The revision of the live Workflow and Actions (name → object; absent: not found).

    What the checker has against them stops the run. Content that has a revision already was checked
    when that was made: an operator that has learned more stops no process that works.
    Problems: WorkflowNotFound, WorkflowNotReady, ActionNotFound, ActionNotReady.
    """
    wanted = run.spec.workflow_name
    if workflow is None:
        return Problem(
            Reason.WORKFLOW_NOT_FOUND,
            f"there is no Workflow {wanted!r} in namespace {run.namespace!r}: apply it",
        )
    if spec_of(workflow).get("suspend") is True:
        return Problem(Reason.WORKFLOW_SUSPENDED, f"the Workflow {wanted!r} is suspended")
    content = content_of(workflow, actions)
    revision = _revision_name(wanted, content)
    definition = define(wanted, content["workflow"], content["actions"], revision)
    if isinstance(definition, Problem):
        return definition
    known = any((r.get("metadata") or {}).get("name") == revision for r in revisions)
    wrong = () if known else errors(check_workflow(wanted, content["workflow"], content["actions"]))
    if wrong:
        return Problem(Reason.WORKFLOW_NOT_READY, _clip(tell(wrong)))
    manifest = None if known else _manifest(run, definition, content, revisions)
    return Pinning(definition, manifest)


def _clip(text: str) -> str:
    """What a run's condition holds; that of the Workflow holds all of it."""
    limit = names.MAX_MESSAGE_CHARS
    return text if len(text) <= limit else text[: limit - 1] + "…"


def current_revision(workflow: Raw, actions: Mapping[str, Raw]) -> str:
    """The name of the revision that a run started now would be pinned to, were it usable."""
    meta = workflow.get("metadata") or {}
    return _revision_name(str(meta.get("name", "")), content_of(workflow, actions))


def _revision_name(workflow_name: str, content: Raw) -> str:
    """The name of the revision of some content."""
    return f"{workflow_name}-{hash_of(content)[:_HASH_CHARS]}"


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


def pin_retry(
    run: Run, original: Run | None, revision: Raw | None, revision_before: Raw | None
) -> Pinning | Problem:
    """The revision of a run that retries another: by default the original's own.

    Raw revisions; None where they are not there. Problem: RetryRefused, and those of a revision.
    """
    asked = run.spec.retry_of
    name = asked.run_name if asked is not None else ""
    if original is None or asked is None or original.uid != asked.run_uid:
        return _refused(f"there is no WorkflowRun {name!r} of that uid")
    fault = _not_to_be_retried(run, original)
    if fault is not None:
        return _refused(f"the WorkflowRun {name!r} {fault}")
    if revision is None or revision_before is None:
        return _refused(f"the WorkflowRevision of {name!r} is gone: start a new run")
    definition, before = parse_revision(revision), parse_revision(revision_before)
    if isinstance(definition, Problem):
        return definition
    if isinstance(before, Problem):
        return before
    verbs = {s.unit.step: _verb(s) for s in before.steps}
    alike = frozenset(s.unit.step for s in definition.steps if verbs.get(s.unit.step) == _verb(s))
    return Pinning(definition, None, original, alike)


def _verb(step: UnitDef) -> Spec:
    """What a step does: its Action, or what it waits for."""
    return step.action.spec if step.waits is None else step.waits.spec


def _not_to_be_retried(run: Run, original: Run) -> str | None:
    if original.spec.workflow_name != run.spec.workflow_name:
        return f"is a run of the Workflow {original.spec.workflow_name!r}"
    verdict = cond.find(original.status.conditions, ConditionType.SUCCEEDED)
    if verdict is None or verdict.status == "Unknown":
        return "has not ended"
    if verdict.status == "True":
        return "succeeded: there is nothing to retry"
    if original.retried_by not in ("", run.uid):
        return "was retried before: retry that run instead"
    asked = run.spec.retry_of
    if asked is not None and asked.same_trigger and run.spec.trigger != original.spec.trigger:
        return "had another trigger: it was not copied whole (kubectl workflow retry does)"
    return None


def _refused(message: str) -> Problem:
    return Problem(Reason.RETRY_REFUSED, message)


def _manifest(
    run: Run, definition: Definition, content: Raw, revisions: Sequence[Raw]
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
            "contentHash": hash_of(content),
            **content,
        },
    }


def _number(revision: Raw) -> int:
    number = spec_of(revision).get("revision")
    return number if isinstance(number, int) else 0
