"""The commands `history`, `diff` and `rollback`: their arguments and help."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow_do.cli import exits
from workflow_do.cli.options import (
    Context,
    GetOutput,
    Kubeconfig,
    Namespace,
    complete_workflow,
    reach,
)

Workflow = Annotated[
    str,
    typer.Argument(metavar="WORKFLOW", help="The Workflow.", autocompletion=complete_workflow),
]


def history(
    workflow: Workflow,
    output: Annotated[
        GetOutput, typer.Option("-o", "--output", help="How to print it.")
    ] = GetOutput.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the revisions of a Workflow: what changed, how many runs, which is current."""
    with exits.told():
        from workflow_do.cli.history import print_history

        print_history(reach(namespace, context, kubeconfig), workflow, output.value)


def diff(
    workflow: Workflow,
    first: Annotated[
        str | None,
        typer.Argument(metavar="[FROM]", help="Number or name; absent: the one before."),
    ] = None,
    second: Annotated[
        str | None,
        typer.Argument(metavar="[TO]", help="Number or name; absent: what is live."),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what differs between two revisions, Actions included."""
    with exits.told():
        from workflow_do.cli.history import print_difference

        print_difference(reach(namespace, context, kubeconfig), workflow, first, second)


def rollback(
    workflow: Workflow,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="REVISION", help="Number or name; absent: the one before."),
    ] = None,
    shared_actions: Annotated[
        bool,
        typer.Option("--shared-actions", help="Also Actions that other Workflows use."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Put a revision back into force, the Workflow with its Actions. Live runs are not touched."""
    with exits.told():
        from workflow_do.cli import history as work

        cluster = reach(namespace, context, kubeconfig)
        work.rollback(cluster, workflow, to, shared=shared_actions, dry_run=dry_run)


COMMANDS = (history, diff, rollback)
