"""Starting runs and following them to their end; shared by the SDK's face and the command line.

Decides when a wait is over: when nothing of the run goes on any more, its onFailure handler
included, or when the caller's bound is passed. Knows nothing of definitions or of display.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from workflow_do.api import names
from workflow_do.sdk.client import RUNS, Client, Selection
from workflow_do.sdk.definition import run_manifest
from workflow_do.sdk.errors import Forbidden, NotFound, RunFailed, RunTimeout
from workflow_do.sdk.run import Run, parse_run
from workflow_do.sdk.watch import Deadline, changes

DEFAULT_TIMEOUT_SECONDS: Final = 3600.0
_MOST_PARENTS: Final = 50
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def start_run(
    client: Client, workflow: str, *, namespace: str, body: Any = None, name: str | None = None
) -> Run:
    """Create a WorkflowRun. Raises AlreadyExists, DefinitionError, and the connection's errors."""
    manifest = run_manifest(workflow, body=body, name=name, namespace=namespace)
    return parse_run(client.create(RUNS, namespace, manifest))


def fetch_run(client: Client, namespace: str, name: str) -> Run:
    """The run as it is now. Raises NotFound."""
    return parse_run(client.get(RUNS, namespace, name))


def fetch_children(client: Client, run: Run) -> tuple[Run, ...]:
    """The runs that steps of this one have started, as they are now, the oldest first."""
    mine = Selection(RUNS, run.namespace, labels=f"{names.LABEL_RUN_UID}={run.uid}")
    items, _ = client.list_all(mine)
    told = _started(run)
    found = [child for child in map(parse_run, items) if child.uid in told]
    return tuple(sorted(found, key=lambda child: (child.created or _LONG_AGO, child.name)))


def _started(run: Run) -> set[str]:
    """The uids of the runs that its steps have started."""
    units = (unit for step in run.steps.values() for unit in (step, *step.items))
    return {unit.run_uid for unit in units if unit.run_uid}


def with_family(client: Client, run: Run, most: int = _MOST_PARENTS) -> Run:
    """The run with its children, and theirs; of `most` parents at most the children are read, and
    none where the caller may not list runs.
    """
    if most <= 0 or not _started(run):
        return run
    try:
        children = fetch_children(client, run)
    except Forbidden:
        return run
    each = (most - 1) // max(1, len(children))
    return replace(run, children=tuple(with_family(client, c, each) for c in children))


def watch_run(
    client: Client, namespace: str, name: str, *, uid: str | None = None, timeout: float
) -> Iterator[Run]:
    """The run as it is now, then at every change; the last one yielded is completed.

    uid: of the run that is meant; one of the same name made later is not it.
    Raises NotFound where it is not there or is deleted, RunTimeout after `timeout` seconds.
    """
    deadline = Deadline(timeout)
    run: Run | None = None
    for run in _versions(client, namespace, name, uid, deadline):
        yield run
        if run.completed:
            return
    raise RunTimeout(name, namespace, timeout, run)


def _versions(
    client: Client, namespace: str, name: str, uid: str | None, deadline: Deadline
) -> Iterator[Run]:
    # Reading it first tells a missing run, and what RBAC refuses, at once and plainly.
    obj = client.get(RUNS, namespace, name)
    run = parse_run(obj)
    gone = NotFound(
        f'workflowrun "{name}" in namespace {namespace} was deleted while it was waited for'
    )
    if uid and run.uid != uid:
        raise gone
    yield run
    for change in changes(client, Selection(RUNS, namespace, name), deadline, seen=obj):
        if change.gone or change.object["metadata"].get("uid") != run.uid:
            raise gone
        yield parse_run(change.object)


def wait_run(
    client: Client, namespace: str, name: str, *, uid: str | None = None, timeout: float
) -> Run:
    """The run once it has ended well. Raises RunFailed, RunTimeout, NotFound."""
    for run in watch_run(client, namespace, name, uid=uid, timeout=timeout):
        if run.completed:
            return judged(run)
    raise AssertionError("watch_run ends with a completed run or an error")


def judged(run: Run) -> Run:
    """The run itself, if it succeeded. Raises RunFailed."""
    if run.succeeded is not True:
        raise RunFailed(run)
    return run
