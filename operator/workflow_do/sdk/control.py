"""Asking something of a run that was started: pause, resume, cancel, and retry once it has ended.

Decides what fits the state of a run and says why not, before the API server or the operator refuse
it with less to go by. The operator decides all the same: between the look and the request a run
may end.
"""

from __future__ import annotations

from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.run import DesiredState
from workflow_do.sdk.client import REVISIONS, RUNS, Client, Selection
from workflow_do.sdk.errors import Forbidden, Invalid, NotFound, WorkflowDoError, WrongState
from workflow_do.sdk.run import Run, parse_run

_DONE: Final = {
    DesiredState.PAUSED: "paused",
    DesiredState.RUNNING: "resumed",
    DesiredState.CANCELLED: "cancelled",
    DesiredState.CANCELLED_WITH_COMPENSATION: "cancelled",
}
_CANCELS: Final = (DesiredState.CANCELLED, DesiredState.CANCELLED_WITH_COMPENSATION)


def ask(
    client: Client, namespace: str, name: str, wanted: DesiredState, *, uid: str | None = None
) -> tuple[Run, bool]:
    """The run after it was asked for `wanted`, and whether that is news.

    uid: of the run that is meant; one of the same name made later is not it.
    Raises WrongState where the run has ended or was cancelled, NotFound.
    """
    run = the_run(client, namespace, name, uid)
    if _is_so(run, wanted):
        return run, False
    _require_live(run, wanted)
    if run.desired_state in _CANCELS:
        raise wrong(run, _cancelled_before(run, wanted))
    patch = {"metadata": {"uid": run.uid}, "spec": {"desiredState": str(wanted)}}
    try:
        asked = parse_run(client.merge(RUNS, namespace, name, patch))
    except Invalid:
        the_run(client, namespace, name, run.uid)  # says so if it is another one by now
        raise
    _require_live(asked, wanted)
    return asked, True


def _is_so(run: Run, wanted: DesiredState) -> bool:
    """What was cancelled stays so when it has ended; of an ended run nothing else can be said."""
    if run.completed:
        return run.cancelled and wanted in _CANCELS and run.desired_state == wanted
    return run.desired_state == wanted


def _cancelled_before(run: Run, wanted: DesiredState) -> str:
    if wanted in _CANCELS:
        undo = "without" if run.desired_state == DesiredState.CANCELLED else "with"
        return f"was cancelled {undo} undoing what it did: that cannot be changed any more"
    return "was cancelled: that cannot be taken back; once it has ended, retry it"


def _require_live(run: Run, wanted: DesiredState) -> None:
    if run.completed:
        how = "with success" if run.succeeded else f"as {run.reason}"
        raise wrong(run, f"has ended {how}: it cannot be {_DONE[wanted]} any more")


def retry_run(
    client: Client,
    namespace: str,
    name: str,
    *,
    uid: str | None = None,
    new_name: str | None = None,
    revision: str | None = None,
) -> tuple[Run, Run]:
    """The run that is retried, and the new run that retries it.

    new_name: of the new run; else one is made up. revision: a WorkflowRevision to run instead of
    the original's own. The trigger is the original's: another body is another process, not the
    same one again. Raises WrongState where the operator would refuse it, NotFound, AlreadyExists.
    """
    original = the_run(client, namespace, name, uid)
    fault = why_no_retry(original)
    if fault is not None:
        raise wrong(original, fault + _by_whom(client, original))
    _require_revision(client, original, revision)
    manifest = retry_manifest(original, name=new_name, revision=revision)
    return original, parse_run(client.create(RUNS, namespace, manifest))


def why_no_retry(original: Run) -> str | None:
    """Why the operator would refuse to retry it, with the cure; None where it would not."""
    if not original.completed:
        return "has not ended: wait for its end, or cancel it first"
    if original.succeeded is not False:
        return "succeeded: there is nothing to retry; start another run"
    if original.retried_by:
        return "was retried before"
    if not _revision_of(original):
        return "never began, so nothing can be taken over: start another run"
    return None


def retry_manifest(
    original: Run, *, name: str | None = None, revision: str | None = None
) -> dict[str, Any]:
    """A WorkflowRun that retries another: the same Workflow, the same trigger as it stands."""
    metadata: dict[str, Any] = {"name": name} if name else {"generateName": f"{original.workflow}-"}
    spec: dict[str, Any] = {
        "workflowName": original.workflow,
        "retryOf": {"runName": original.name, "runUID": original.uid},
        "trigger": original.raw["spec"]["trigger"],
    }
    if revision is not None:
        spec["revisionName"] = revision
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "metadata": {
            **metadata,
            "namespace": original.namespace,
            "labels": {names.LABEL_WORKFLOW: original.workflow},
        },
        "spec": spec,
    }


def the_run(client: Client, namespace: str, name: str, uid: str | None) -> Run:
    """The run as it is now; with a uid only if it is that one. Raises NotFound."""
    run = parse_run(client.get(RUNS, namespace, name))
    if uid is not None and run.uid != uid:
        raise NotFound(
            f'workflowrun "{name}" in namespace {namespace} is not the one that was started here: '
            "that was deleted, and another one made"
        )
    return run


def _revision_of(run: Run) -> str:
    return str((run.raw.get("status") or {}).get("revisionName") or "")


def _require_revision(client: Client, original: Run, revision: str | None) -> None:
    """The revisions that are needed are there; where they may not be read, go on."""
    own = _revision_of(original)
    try:
        for needed in dict.fromkeys(filter(None, [own, revision])):
            client.get(REVISIONS, original.namespace, needed)
    except Forbidden:
        return
    except NotFound:
        if needed == own:
            gone = f"cannot be retried: its revision {own} is gone; start another run"
            raise wrong(original, gone) from None
        raise NotFound(
            f'no WorkflowRevision "{needed}" in namespace {original.namespace}; see: kubectl get '
            f"{names.REVISION.plural}.{names.GROUP} -n {original.namespace}"
        ) from None


def _by_whom(client: Client, original: Run) -> str:
    """Which run has retried it already, where that is known and can be found."""
    if not (original.completed and original.retried_by):
        return ""
    labels = f"{names.LABEL_WORKFLOW}={original.workflow}"
    try:
        items, _ = client.list_all(Selection(RUNS, original.namespace, labels=labels))
    except WorkflowDoError:
        items = []
    found = [i["metadata"]["name"] for i in items if i["metadata"]["uid"] == original.retried_by]
    if not found:
        return ": retry the run that retried it, or start another run"
    return f", by {found[0]}: look at that run, and retry it if it failed too"


def wrong(run: Run, fault: str) -> WrongState:
    """What to raise where something does not fit the state of a run."""
    return WrongState(f"run {run.name} in namespace {run.namespace} {fault}")
