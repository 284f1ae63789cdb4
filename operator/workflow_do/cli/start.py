"""Start a run, and follow it to its end as the command line asks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from workflow_do.cli import exits, show
from workflow_do.cli.options import Cluster
from workflow_do.sdk.client import RUNS, WORKFLOWS, Selection
from workflow_do.sdk.definition import run_manifest
from workflow_do.sdk.errors import Forbidden, NotFound
from workflow_do.sdk.run import Run, parse_run
from workflow_do.sdk.runs import judged, wait_run, watch_run, with_family

Mode = Literal["start", "wait", "watch"]
_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Follow:
    """What comes after a start: nothing, one line at the end, or all of it, for `timeout` seconds.

    output: name, json or yaml on standard output, and everything for people on standard error.
    """

    mode: Mode
    timeout: float
    output: str | None


def start(
    cluster: Cluster,
    workflow: str,
    body: Any,
    follow: Follow,
    *,
    name: str | None = None,
    revision: str | None = None,
) -> None:
    """Start a run; then come back at once, wait for its end, or show it until then.

    revision: number or name of one that is there; else the definitions as they are.
    """
    manifest = run_manifest(workflow, body=body, name=name, namespace=cluster.namespace)
    if revision is None:
        require_workflow(cluster, workflow)
    else:
        # Loads the engine's parsers, which a plain start does not need.
        from workflow_do.sdk.revisions import fetch_history

        found = fetch_history(cluster.client, cluster.namespace, workflow).find(revision)
        manifest["spec"]["revisionName"] = found.name
    made = cluster.client.create(RUNS, cluster.namespace, manifest)
    follow_started(cluster, parse_run(made), follow)


def follow_started(cluster: Cluster, run: Run, follow: Follow) -> None:
    """Say that a run was started, and follow it as asked; exit with 1 if it failed."""
    if follow.mode == "start":
        _started(run, follow.output)
        return
    if follow.output == "name":
        show.data(run.raw, follow.output)
    aside = follow.output is not None
    if follow.mode == "watch":
        last = _watched(cluster, run.name, run.uid, follow.timeout, to_error=aside)
    else:
        last = _waited(cluster, run, follow.timeout, quiet=aside)
    if follow.output in ("json", "yaml"):
        show.data(last.raw, follow.output)
    _exit_by(last)


def require_workflow(cluster: Cluster, workflow: str) -> None:
    """Tell a wrong name at once, with the right ones; where that may not be read, go on."""
    try:
        cluster.client.get(WORKFLOWS, cluster.namespace, workflow)
    except Forbidden:
        return
    except NotFound as error:
        raise NotFound(_no_workflow(cluster, workflow)) from error


def _no_workflow(cluster: Cluster, workflow: str) -> str:
    try:
        items, _ = cluster.client.list_all(Selection(WORKFLOWS, cluster.namespace))
    except Forbidden:
        items = []
    names = sorted(item["metadata"]["name"] for item in items)
    said = ", ".join(names[:_MAX_NAMED]) + (", …" if len(names) > _MAX_NAMED else "")
    there = f"there are: {said}" if names else "there is none at all; apply it, or choose with -n"
    return f'no Workflow "{workflow}" in namespace {cluster.namespace}; {there}'


def follow_to_end(cluster: Cluster, name: str, uid: str | None, *, timeout: float) -> None:
    """Show the run until it has ended; exit with 1 if it failed."""
    _exit_by(_watched(cluster, name, uid, timeout))


def _started(run: Run, output: str | None) -> None:
    if output:
        show.data(run.raw, output)
        return
    where = f"{run.name} -n {run.namespace}"
    show.console().print(f"run {run.name} started", soft_wrap=True)
    exits.tell(f"follow it with: kubectl workflow watch {where}")


def _watched(
    cluster: Cluster, name: str, uid: str | None, timeout: float, *, to_error: bool = False
) -> Run:
    runs = watch_run(cluster.client, cluster.namespace, name, uid=uid, timeout=timeout)
    family = partial(with_family, cluster.client)
    with exits.interruptible(name, cluster.namespace):
        return show.follow(runs, show.console(error=to_error), family)


def _waited(cluster: Cluster, run: Run, timeout: float, *, quiet: bool) -> Run:
    from workflow_do.cli.tree import verdict
    from workflow_do.sdk.errors import RunFailed

    with exits.interruptible(run.name, run.namespace):
        try:
            last = wait_run(
                cluster.client, cluster.namespace, run.name, uid=run.uid, timeout=timeout
            )
        except RunFailed as error:
            last = error.run
    target = show.console(error=quiet)
    target.print(verdict(last, show.symbols_for(target)), soft_wrap=True)
    return last


def _exit_by(run: Run) -> None:
    """What has been shown is not told again: only the code."""
    import typer

    from workflow_do.sdk.errors import RunFailed

    try:
        judged(run)
    except RunFailed as error:
        raise typer.Exit(exits.code_of(error)) from None
