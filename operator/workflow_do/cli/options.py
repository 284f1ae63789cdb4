"""Options that several commands share, spelled once, and the connection they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from workflow_do.sdk.client import Client

DEFAULT_TIMEOUT: Final = 3600.0
_CLUSTER = "Cluster"


class RunOutput(StrEnum):
    """What `run` and `retry` print on standard output."""

    NAME = "name"
    JSON = "json"
    YAML = "yaml"


class GetOutput(StrEnum):
    """What `get` prints."""

    TABLE = "table"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"


def complete_workflow(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of Workflows, for the shell."""
    from workflow_do.cli.complete import workflow_names

    return workflow_names(ctx.params, incomplete)


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs, for the shell."""
    from workflow_do.cli.complete import run_names

    return run_names(ctx.params, incomplete)


def complete_step(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the steps of the run that was named, for the shell."""
    from workflow_do.cli.complete import step_ids

    return step_ids(ctx.params, incomplete)


Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="The namespace; by default that of the kubeconfig's context.",
        rich_help_panel=_CLUSTER,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="The kubeconfig's context to use.",
        rich_help_panel=_CLUSTER,
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="The kubeconfig; by default KUBECONFIG, then ~/.kube/config, then the Pod's own.",
        rich_help_panel=_CLUSTER,
    ),
]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The name of the WorkflowRun.", autocompletion=complete_run),
]
StepToDecide = Annotated[
    str | None,
    typer.Argument(
        metavar="[STEP]",
        help="The step that waits; may be left out where it is the only one.",
        autocompletion=complete_step,
    ),
]
StepToRead = Annotated[
    str | None,
    typer.Argument(
        metavar="[STEP]",
        help="A step; absent: the outputs of the run itself.",
        autocompletion=complete_step,
    ),
]
Item = Annotated[
    int | None,
    typer.Option("--item", min=0, metavar="N", help="Of a step with forEach: only this item."),
]
Comment = Annotated[
    str | None, typer.Option("--comment", "-m", metavar="TEXT", help="Why; kept with the decision.")
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="JSON|@FILE|-", help="A JSON object: the step's output; - reads stdin."
    ),
]
NewName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The run's name; else one is made up."),
]
Watch = Annotated[bool, typer.Option("--watch", help="Show the run until it ends.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for its end, and say how.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0.1,
        metavar="SECONDS",
        help="How long to wait at most (3600); then exit with 124. The run goes on.",
    ),
]
Output = Annotated[
    RunOutput | None,
    typer.Option("-o", "--output", help="Print the run on stdout: after --wait, as it ended."),
]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A client, and the namespace that the command is about."""

    client: Client
    namespace: str


def reach(namespace: str | None, context: str | None, kubeconfig: str | None) -> Cluster:
    """Connect as asked for. Raises Unreachable where there is no usable configuration."""
    import logging

    from workflow_do.sdk.client import Client
    from workflow_do.sdk.connect import connect

    # Its warnings about repeated attempts would break into the live view; errors are told anyway.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    client = Client(connect(kubeconfig, context, namespace))
    return Cluster(client, client.namespace)
