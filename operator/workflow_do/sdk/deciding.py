"""Approving and rejecting: one WorkflowApproval in the name of whoever the API server knows us as.

Decides which step is meant, and says what does not fit before the operator would ignore it. Whether
the decision counts is the operator's to decide: it shows in the step's `approvals` and message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.approval import Decision
from workflow_do.sdk.client import APPROVALS, Client
from workflow_do.sdk.control import the_run, wrong
from workflow_do.sdk.run import Run, Unit

_NAME_ROOM: Final = names.MAX_NAME_CHARS - 5 - 1
"""The API server adds five characters; of a longer name it would take some away, unasked."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody decides: about which step (None: the only one that waits), and why."""

    decision: Decision
    step: str | None = None
    comment: str | None = None
    data: Mapping[str, Any] | None = None


def decide(
    client: Client, namespace: str, name: str, said: Said, *, uid: str | None = None
) -> Unit:
    """Make the approval; gives the step that it is about, as it was before.

    Raises WrongState where no such step waits or we have decided already, NotFound, Forbidden
    where we may not approve the Workflow.
    """
    run = the_run(client, namespace, name, uid)
    unit = _waiting(run, said.step)
    me = client.whoami()
    if me in unit.approved_by:
        raise wrong(run, f"step {unit.id} has your approval ({me}) already")
    client.create(APPROVALS, namespace, approval_manifest(run, unit.id, me, said))
    return unit


def approval_manifest(run: Run, step: str, approver: str, said: Said) -> dict[str, Any]:
    """A WorkflowApproval that goes with its run."""
    words = re.sub(r"[^a-z0-9-]+", "-", f"{run.name}-{step}".lower())[:_NAME_ROOM].strip("-")
    owner = {"apiVersion": names.API_VERSION, "kind": names.RUN.kind}
    spec: dict[str, Any] = {
        "workflowName": run.workflow,
        "runName": run.name,
        "runUID": run.uid,
        "step": step,
        "decision": said.decision.value,
        "approver": approver,
        **({"comment": said.comment} if said.comment else {}),
        **({"data": dict(said.data)} if said.data is not None else {}),
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.APPROVAL.kind,
        "metadata": {
            "generateName": f"{words}-",
            "namespace": run.namespace,
            "labels": {names.LABEL_WORKFLOW: run.workflow, names.LABEL_RUN: run.name},
            "ownerReferences": [{**owner, "name": run.name, "uid": run.uid}],
        },
        "spec": spec,
    }


def _waiting(run: Run, step: str | None) -> Unit:
    """The step that waits for approval. Raises WrongState where there is none, or not one."""
    waiting = {unit.id: unit for unit in run.steps.values() if unit.awaits_approval}
    if step is not None and step in waiting:
        return waiting[step]
    if step is not None and step not in run.steps and run.steps:
        raise wrong(run, f"has no step {step!r}")
    if step is not None:
        raise wrong(run, f"does not wait for approval at step {step}" + _instead(waiting))
    if len(waiting) == 1:
        return next(iter(waiting.values()))
    if not waiting:
        raise wrong(run, "has ended" if run.completed else "does not wait for approval")
    raise wrong(run, "waits for approval at several steps: name one of " + ", ".join(waiting))


def _instead(waiting: Mapping[str, Unit]) -> str:
    return f", but at {', '.join(waiting)}" if waiting else ""
