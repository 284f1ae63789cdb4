"""`get` and `logs`: read what is there, and print it."""

from __future__ import annotations

import sys
from typing import Final

import typer

from workflow_do.api import names
from workflow_do.cli import exits, show
from workflow_do.cli.logs import Line, Note, follow_logs, read_logs
from workflow_do.cli.options import Cluster
from workflow_do.sdk.client import RUNS, Selection
from workflow_do.sdk.control import wrong
from workflow_do.sdk.outputs import Reader, item_of, unit_named
from workflow_do.sdk.run import Run, parse_run
from workflow_do.sdk.runs import fetch_run, with_family

_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def get_one(cluster: Cluster, name: str, output: str) -> None:
    """One run: its tree with all there is, or its object."""
    obj = cluster.client.get(RUNS, cluster.namespace, name)
    if output == "table":
        show.one_run(with_family(cluster.client, parse_run(obj)), show.console())
    else:
        show.data(obj, output)


def list_runs(
    cluster: Cluster, output: str, *, everywhere: bool, workflow: str | None, limit: int
) -> None:
    """Runs of the namespace or of all, of one Workflow or of all; data is never cut by `limit`."""
    namespace = None if everywhere else cluster.namespace
    items, version = cluster.client.list_all(Selection(RUNS, namespace))
    # By the spec, not by a label: runs that kubectl made have no label.
    items = [i for i in items if workflow in (None, (i.get("spec") or {}).get("workflowName"))]
    if output != "table":
        kind = {"apiVersion": names.API_VERSION, "kind": names.RUN.kind}
        whole = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": version}}
        show.data({**whole, "items": [{**kind, **item} for item in items]}, output)
    elif items:
        runs = [parse_run(item) for item in items]
        show.many_runs(runs, show.console(), namespaces=everywhere, limit=limit)
    else:
        where = "any namespace" if everywhere else f"namespace {cluster.namespace}"
        exits.tell(f"no runs{f' of workflow {workflow}' if workflow else ''} in {where}")


def print_output(cluster: Cluster, name: str, step: str | None, item: int | None) -> None:
    """What a run gave, or a step of it, as JSON. Raises WrongState where there is nothing."""
    run = fetch_run(cluster.client, cluster.namespace, name)
    if step is None:
        if run.outputs is None:
            raise wrong(run, _no_outputs(run))
        show.value(run.outputs)
        return
    unit = unit_named(run, step)
    if item is not None:
        unit = item_of(unit, item)
    if unit.state != "Succeeded" and not unit.items:
        raise wrong(run, f"has no output of step {step}: it is {unit.state}")
    show.value(Reader(cluster.client, run).output(unit))


def _no_outputs(run: Run) -> str:
    if not run.completed:
        return "has not ended: its outputs are there at its end; name a step to read one now"
    return "has no outputs of its own; name a step: " + ", ".join(run.steps)


def print_logs(
    cluster: Cluster, name: str, step: str | None, *, tail: int | None, follow: float | None
) -> None:
    """The logs of a run or of one step; follow: for that many seconds, until the run has ended."""
    client = cluster.client
    run = fetch_run(client, cluster.namespace, name)
    if follow is None:
        lines = read_logs(client, run, step, tail)
    else:
        lines = follow_logs(client, run, step, tail, follow)
    prefixed = step is None and len(run.steps) != 1
    with exits.interruptible(run.name, run.namespace):
        for line in lines:
            _print(line, prefixed)


def _print(line: Line | Note, prefixed: bool) -> None:
    if isinstance(line, Note):
        exits.tell(line.text)
        return
    prefix = f"[{line.source}] " if prefixed else ""
    if prefix and sys.stdout.isatty():
        # The same colour for a step each time, whatever the others are.
        colour = _COLOURS[sum(line.source.encode()) % len(_COLOURS)]
        prefix = typer.style(prefix, fg=colour)
    sys.stdout.write(f"{prefix}{line.text}\n")
    sys.stdout.flush()
