"""Kind → CustomResourceDefinition: names, columns, subresources, schema and rules put together.

Decides what `kubectl get` shows of each kind and which fields can be selected on. The schemas come
from the models, the rules from `rules`; writing files is the generator's (`hack/generate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from workflow_do.api import names, rules
from workflow_do.api.action import ActionSpec, ActionStatus
from workflow_do.api.approval import ApprovalSpec
from workflow_do.api.revision import RevisionSpec
from workflow_do.api.run import RunSpec, RunStatus
from workflow_do.api.schema import Node, structural
from workflow_do.api.workflow import WorkflowSpec, WorkflowStatus


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one shows with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """All that makes one kind's CustomResourceDefinition."""

    names: names.Kind
    description: str
    spec: type[BaseModel]
    status: type[BaseModel] | None
    columns: tuple[Column, ...]
    rules: tuple[rules.Rule, ...]
    selectable: tuple[str, ...] = ()


def _condition(type_: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "When it was made.", type="date")
_READY: Final = (
    Column("Ready", _condition("Ready", "status"), "Whether it can be used."),
    Column("Reason", _condition("Ready", "reason"), "Why."),
)
_WHY: Final = Column(
    "Message", _condition("Ready", "message"), "The place and the cure.", wide=True
)

DEFINITIONS: Final = (
    Definition(
        names.ACTION,
        "An Action is one verb of a business: a single-purpose program in a container that "
        "succeeds wholly or fails wholly, with typed input and output.",
        ActionSpec,
        ActionStatus,
        (
            *_READY,
            Column("Image", ".spec.image", "The container image.", wide=True),
            _WHY,
            _AGE,
        ),
        rules.ACTION,
    ),
    Definition(
        names.WORKFLOW,
        "A Workflow is the grammar of a business process: it chains Actions, carries data from "
        "step to step, and tells somebody when a step fails.",
        WorkflowSpec,
        WorkflowStatus,
        (
            *_READY,
            Column("Title", ".spec.title", "For people.", wide=True),
            _WHY,
            _AGE,
        ),
        rules.WORKFLOW,
    ),
    Definition(
        names.REVISION,
        "A WorkflowRevision is a Workflow and all the Actions it uses, frozen as a run sees them. "
        "It is made by the operator only.",
        RevisionSpec,
        None,
        (
            Column("Workflow", ".spec.workflowName", "The Workflow it is a revision of."),
            Column("Revision", ".spec.revision", "Its number.", type="integer"),
            _AGE,
        ),
        rules.REVISION,
        (".spec.workflowName",),
    ),
    Definition(
        names.RUN,
        "A WorkflowRun is one run of a Workflow: what started it, how far it has come and how it "
        "ended.",
        RunSpec,
        RunStatus,
        (
            Column("Workflow", ".spec.workflowName", "The Workflow it runs."),
            Column("Status", _condition("Succeeded", "reason"), "How far it is or how it ended."),
            Column("Progress", ".status.progress", "Steps that succeeded, of all steps."),
            Column("Step", ".status.currentStep", "The step that runs, or that ended the run."),
            Column("Revision", ".status.revisionName", "What it is pinned to.", wide=True),
            Column("Duration", ".status.duration", "From start to end.", wide=True),
            Column(
                "Message", _condition("Succeeded", "message"), "The place and the cure.", wide=True
            ),
            _AGE,
        ),
        rules.RUN,
        (".spec.workflowName",),
    ),
    Definition(
        names.APPROVAL,
        "A WorkflowApproval is what one person has decided about a step that waits for approval. "
        "Only who may `approve` the Workflow can make one, and only in their own name.",
        ApprovalSpec,
        None,
        (
            Column("Run", ".spec.runName", "The run that waits."),
            Column("Step", ".spec.step", "The step that waits."),
            Column("Decision", ".spec.decision", "Approve or Reject."),
            Column("Approver", ".spec.approver", "Whose decision it is."),
            Column("Comment", ".spec.comment", "Why.", wide=True),
            _AGE,
        ),
        rules.APPROVAL,
        (".spec.runName", ".spec.runUID"),
    ),
)


def crd(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition (apiextensions.k8s.io/v1) as the object to apply."""
    kind = definition.names
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        "schema": {"openAPIV3Schema": _schema(definition)},
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    if definition.status:
        version["subresources"] = {"status": {}}
    return version


def _column(column: Column) -> dict[str, Any]:
    shown = {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "jsonPath": column.path,
    }
    return {**shown, "priority": 1} if column.wide else shown


def _schema(definition: Definition) -> Node:
    properties: Node = {
        "apiVersion": {"type": "string", "description": f"Always {names.API_VERSION}."},
        "kind": {"type": "string", "description": f"Always {definition.names.kind}."},
        # The API server describes metadata itself and refuses any word of ours about it.
        "metadata": {"type": "object"},
        "spec": structural(definition.spec),
    }
    if definition.status:
        properties["status"] = structural(definition.status, lenient=True)
    root: Node = {
        "type": "object",
        "description": definition.description,
        "required": ["spec"],
        "properties": properties,
    }
    attach(root, definition.rules)
    return root


def attach(root: Node, given: Iterable[rules.Rule]) -> None:
    """Put each rule at its place in the schema. Raises KeyError where the path leads nowhere."""
    for rule in given:
        said = {"rule": rule.rule, "message": rule.message}
        _at(root, rule.path).setdefault("x-kubernetes-validations", []).append(said)


def _at(root: Node, path: str) -> Node:
    node = root
    for part in path.split(".") if path else ():
        node = node["properties"][part.removesuffix("[]")]
        node = node["items"] if part.endswith("[]") else node
    return node
