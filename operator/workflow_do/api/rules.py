"""What one object can say of itself beyond types: CEL rules, and the messages of their refusals.

Decides what the API server refuses at once. A rule sees one object only, so whatever needs a
second one (does the Action exist, does a template parse) is the operator's to report. Names
nothing of Kubernetes but the paths of our own schemas.

Costs bind the shape of the rules: the API server estimates every rule at its worst case (all lists
full) when the definition is installed, and stops one that gets too costly while an object is
checked. `startsWith` with a literal is cheap, a walk of a list inside a walk of a list is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workflow_do.api import names

NAME_MAX: Final = names.MAX_NAME_CHARS
WORKFLOW_NAME_MAX: Final = 50
"""Leaves room for the suffix that makes a run's name from its Workflow's."""
UNIQUE_IDS_UP_TO: Final = 300
"""Longer lists are left to the operator: at some 350 steps, comparing all pairs passes the most
that the API server spends on one rule, and the refusal would speak of costs."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule at one place of a kind's schema.

    `path` names fields joined by dots from the object's root, `[]` the items of a list; the empty
    path is the object itself.
    """

    path: str
    rule: str
    message: str


def _name_at_most(limit: int, why: str) -> Rule:
    return Rule(
        "",
        f"size(self.metadata.name) <= {limit}",
        f"metadata.name may have at most {limit} characters: {why}",
    )


def _immutable(what: str, cure: str) -> Rule:
    """On the whole spec, not on its fields: a rule on an optional field does not see it removed."""
    return Rule("spec", "self == oldSelf", f"the spec of a {what} is immutable: {cure}")


_RESERVED_KEY: Final = " || ".join(
    (
        f"k.startsWith('{names.GROUP}/')",
        "k.startsWith('batch.kubernetes.io/')",
        "k == 'job-name'",
        "k == 'controller-uid'",
    )
)


def _no_reserved_keys(path: str) -> Rule:
    return Rule(
        path,
        f"self.all(k, !({_RESERVED_KEY}))",
        f"{names.GROUP}/…, batch.kubernetes.io/…, job-name and controller-uid are set by the "
        "operator and by Kubernetes: use another name",
    )


_APPARMOR: Final = Rule(
    "spec.podMetadata.annotations",
    "self.all(k, !k.startsWith('container.apparmor.security.beta.kubernetes.io/'))",
    "an annotation may not choose an AppArmor profile: Pods keep the one of the container runtime",
)
"""Of old, Kubernetes took a profile from an annotation, `unconfined` too, and it still does."""


def _one_of(path: str, *fields: str) -> Rule:
    given = ", ".join(f"has(self.{field})" for field in fields)
    return Rule(
        path,
        f"[{given}].exists_one(given, given)",
        f"exactly one of {', '.join(fields[:-1])} and {fields[-1]} must be given",
    )


ACTION: Final = (
    _name_at_most(NAME_MAX, "workflows refer to it by this name"),
    Rule(
        "spec.image",
        "!self.contains('{{')",
        "image is literal: templates stand only in the values of env",
    ),
    Rule(
        "spec.env[].name",
        "!self.startsWith('ACTION_') && !self.startsWith('WORKFLOW_')",
        "names that start with ACTION_ or WORKFLOW_ are set by the operator: use another name",
    ),
    _one_of("spec.env[]", "value", "valueFrom"),
    _one_of("spec.env[].valueFrom", "secretKeyRef", "configMapKeyRef"),
    _one_of("spec.envFrom[]", "secretRef", "configMapRef"),
    _one_of("spec.volumes[]", "secret", "configMap", "emptyDir", "persistentVolumeClaim"),
    Rule(
        "spec",
        "!has(self.volumeMounts) || self.volumeMounts.all(m, "
        "has(self.volumes) && self.volumes.exists(v, v.name == m.name))",
        "each of volumeMounts must name one of volumes",
    ),
    *(
        _no_reserved_keys(f"spec.{owner}.{part}")
        for owner in ("podMetadata", "jobMetadata")
        for part in ("labels", "annotations")
    ),
    _APPARMOR,
)

_OF_WORK_ONLY: Final = ("input", "activeDeadlineSeconds", "compensate")
"""What says how an Action or a Workflow runs: a step that waits has none."""

WORKFLOW: Final = (
    _name_at_most(WORKFLOW_NAME_MAX, "the names of its runs and Jobs are made from it"),
    Rule(
        "spec.steps[].id",
        "self != 'trigger'",
        "the id `trigger` is reserved: it stands for what started the run",
    ),
    _one_of("spec.steps[]", "action", "workflow", "wait", "approval"),
    Rule(
        "spec.steps[]",
        "has(self.action) || has(self.workflow) || !("
        + " || ".join(f"has(self.{field})" for field in _OF_WORK_ONLY)
        + ")",
        f"{', '.join(_OF_WORK_ONLY)} are for steps with an action or a workflow: leave them out",
    ),
    Rule(
        "spec.steps[]",
        "has(self.action) || !has(self.retry)",
        "retry is for steps with an action: leave it out (the steps of a child run have their own)",
    ),
    Rule(
        "spec.steps[]",
        "!has(self.wait) || !has(self.forEach)",
        "forEach is for steps with an action, a workflow or an approval: wait once",
    ),
    _one_of("spec.steps[].wait", "seconds", "until"),
    Rule(
        "spec.steps",
        f"size(self) > {UNIQUE_IDS_UP_TO} || self.all(s, self.exists_one(t, t.id == s.id))",
        "each step needs an id of its own: two have the same",
    ),
    Rule(
        "spec.steps[].compensate",
        "has(self.action) ? (!has(self.disabled) || !self.disabled)"
        " : (has(self.disabled) && self.disabled && !has(self.input))",
        "give either `disabled: true`, or the action that undoes the step with its input",
    ),
)

REVISION: Final = (_immutable("WorkflowRevision", "the operator makes a new one for each change"),)

RUN: Final = (
    _name_at_most(NAME_MAX, "it is a label of the run's Jobs"),
    Rule(
        "spec",
        "self.workflowName == oldSelf.workflowName && self.trigger == oldSelf.trigger"
        " && has(self.revisionName) == has(oldSelf.revisionName)"
        " && (!has(self.revisionName) || self.revisionName == oldSelf.revisionName)"
        " && has(self.retryOf) == has(oldSelf.retryOf)"
        " && (!has(self.retryOf) || self.retryOf == oldSelf.retryOf)",
        "the spec of a WorkflowRun is immutable but for desiredState: create a new run instead",
    ),
    Rule(
        "spec",
        "!has(oldSelf.desiredState) || !oldSelf.desiredState.startsWith('Cancelled')"
        " || (has(self.desiredState) && self.desiredState == oldSelf.desiredState)",
        "a cancelled run cannot be resumed, nor cancelled in the other way: retry it, or create a "
        "new run",
    ),
    Rule(
        "",
        "!has(oldSelf.status) || !has(oldSelf.status.conditions)"
        " || !oldSelf.status.conditions.exists(c, c.type == 'Completed' && c.status == 'True')"
        " || self.spec == oldSelf.spec",
        "the run has ended: it cannot be paused, resumed or cancelled any more",
    ),
)

APPROVAL: Final = (
    _name_at_most(NAME_MAX, "the run's status names it"),
    _immutable("WorkflowApproval", "one who has decided cannot decide anew"),
)
