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

_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody decides: about which step (None: the only one that waits), or which item of it,
    and why.
    """

    decision: Decision
    step: str | None = None
    comment: str | None = None
    data: Mapping[str, Any] | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits for a decision: a step, or one item of it."""

    step: str
    item: int | None
    unit: Unit

    @property
    def name(self) -> str:
        """`approve`, or `approve[3]`."""
        return self.step if self.item is None else f"{self.step}[{self.item}]"


def decide(
    client: Client, namespace: str, name: str, said: Said, *, uid: str | None = None
) -> Asked:
    """Make the approval; gives what it is about, as it was before.

    Raises WrongState where no such step or item waits or we have decided already, NotFound,
    Forbidden where we may not approve the Workflow.
    """
    run = the_run(client, namespace, name, uid)
    asked = _waiting(run, said)
    me = client.whoami()
    if me in asked.unit.approved_by:
        raise wrong(run, f"step {asked.name} has your approval ({me}) already")
    client.create(APPROVALS, namespace, approval_manifest(run, asked, me, said))
    return asked


def approval_manifest(run: Run, asked: Asked, approver: str, said: Said) -> dict[str, Any]:
    """A WorkflowApproval that goes with its run."""
    words = re.sub(r"[^a-z0-9-]+", "-", f"{run.name}-{asked.step}".lower())
    words = words[:_NAME_ROOM].strip("-")
    owner = {"apiVersion": names.API_VERSION, "kind": names.RUN.kind}
    spec: dict[str, Any] = {
        "workflowName": run.workflow,
        "runName": run.name,
        "runUID": run.uid,
        "step": asked.step,
        **({} if asked.item is None else {"item": asked.item}),
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


def _waiting(run: Run, said: Said) -> Asked:
    """What waits for approval and is meant. Raises WrongState where there is none, or not one."""
    waiting = [
        asked for unit in run.steps.values() if unit.awaits_approval for asked in _parts(unit)
    ]
    meant = [
        asked
        for asked in waiting
        if said.step in (None, asked.step) and said.item in (None, asked.item)
    ]
    if len(meant) == 1:
        return meant[0]
    if said.step is not None and said.step not in run.steps and run.steps:
        raise wrong(run, f"has no step {said.step!r}")
    if meant:
        raise wrong(run, "waits for approval at several places: name one of " + _names(meant))
    if said.step is None and said.item is None:
        raise wrong(run, "has ended" if run.completed else "does not wait for approval")
    where = "" if said.step is None else f" at step {said.step}"
    where += "" if said.item is None else f" for item {said.item}"
    instead = f", but at {_names(waiting)}" if waiting else ""
    raise wrong(run, f"does not wait for approval{where}{instead}")


def _parts(unit: Unit) -> list[Asked]:
    """What of a step waits: it, or some of its items."""
    if not unit.items:
        return [Asked(unit.id, None, unit)]
    return [Asked(unit.id, at, i) for at, i in enumerate(unit.items) if i.awaits_approval]


def _names(rows: list[Asked]) -> str:
    shown = ", ".join(asked.name for asked in rows[:_NAMED])
    return shown if len(rows) <= _NAMED else f"{shown}, and {len(rows) - _NAMED} more"
