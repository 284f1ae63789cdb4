"""To which revision a run is pinned: the frozen Workflow and Actions, found by their content.

Works on live objects (watches are unordered). What a revision holds and is called `freezing` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from workflow_do.api import conditions as cond
from workflow_do.api import names
from workflow_do.api.base import Spec
from workflow_do.api.conditions import ConditionType
from workflow_do.api.reasons import Reason
from workflow_do.engine.check import Finding, check_workflow, errors, tell
from workflow_do.engine.definition import Definition, UnitDef, define, parse_revision
from workflow_do.engine.facts import Pinning, Raw, Run, spec_of
from workflow_do.engine.freezing import NOTHING, Frozen
from workflow_do.engine.problem import Problem
from workflow_do.engine.uses import child_names, reach


def pin(
    run: Run,
    workflow: Raw | None,
    actions: Mapping[str, Raw],
    revisions: Sequence[Raw],
    workflows: Mapping[str, Raw] = NOTHING,
) -> Pinning | Problem:
    """The revision of the live Workflow and Actions (name → object; absent: not found).

    `workflows` are the others that its runs may come to, `revisions` those of all of them. What the
    checker has against them stops the run. Content that has a revision already was checked when
    that was made: an operator that has learned more stops no process that works.
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
    family = {**workflows, wanted: workflow}
    absent = _absent(spec_of(workflow), family)
    if absent is not None:
        return absent
    frozen = Frozen(family, actions)
    content = frozen.content(wanted)
    definition = define(wanted, content["workflow"], content["actions"], frozen.name(wanted))
    if isinstance(definition, Problem):
        return definition
    known = {(r.get("metadata") or {}).get("name") for r in revisions}
    if definition.revision_name not in known:
        wrong = errors(_check(wanted, content["workflow"], family, actions))
        if wrong:
            return Problem(Reason.WORKFLOW_NOT_READY, _clip(tell(wrong)))
    missing = [n for n in sorted({*frozen.below(wanted), wanted}) if frozen.name(n) not in known]
    made = {name: frozen.manifest(run.namespace, name, revisions) for name in missing}
    before = tuple(manifest for name, manifest in made.items() if name != wanted)
    definition = replace(definition, children=content.get("children", {}))
    return Pinning(definition, made.get(wanted), before=before)


def _check(
    name: str, spec: Raw, family: Mapping[str, Raw], actions: Mapping[str, Raw]
) -> tuple[Finding, ...]:
    specs = {action: spec_of(raw) for action, raw in actions.items()}
    others = {workflow: spec_of(raw) for workflow, raw in family.items()}
    return check_workflow(name, spec, specs, workflows=others)


def _absent(spec: Raw, family: Mapping[str, Raw]) -> Problem | None:
    """Whether a Workflow is not there that its runs may come to."""
    specs = {name: spec_of(raw) for name, raw in family.items()}
    missing = sorted(reach(spec, specs) - specs.keys())
    if not missing:
        return None
    users = (name for name in sorted(specs) if missing[0] in child_names(specs[name]))
    message = f"there is no Workflow {missing[0]!r}, which {next(users, '')!r} starts runs of"
    return Problem(Reason.WORKFLOW_NOT_FOUND, f"{message}: apply it")


def _clip(text: str) -> str:
    """What a run's condition holds; that of the Workflow holds all of it."""
    limit = names.MAX_MESSAGE_CHARS
    return text if len(text) <= limit else text[: limit - 1] + "…"


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
    verbs = {s.unit.step: _verb(before, s) for s in before.steps}
    same = (s for s in definition.steps if verbs.get(s.unit.step) == _verb(definition, s))
    alike = frozenset(s.unit.step for s in same)
    return Pinning(definition, None, original, alike)


def _verb(definition: Definition, step: UnitDef) -> Spec | tuple[str, str | None]:
    """What a step does: its Action, what it waits for, or what it starts a run of."""
    if step.child is not None:
        return step.child.name, definition.children.get(step.child.name)
    return step.action.spec if step.waits is None else step.waits.spec


def _not_to_be_retried(run: Run, original: Run) -> str | None:
    if original.call is not None and run.call is None:
        return f"was started by the run {original.call.run_name!r}: retry that one"
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
