"""`kubectl workflow`: start runs, watch them, steer them, look at them, read their logs.

Thin: each command reads its arguments, calls what does the work, and prints. What needs the
cluster or draws is imported inside the commands, so that `--help` and TAB are quick.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from workflow_do import __version__
from workflow_do.api import names
from workflow_do.cli import exits
from workflow_do.cli.lint import lint
from workflow_do.cli.options import (
    DEFAULT_TIMEOUT,
    Comment,
    Context,
    Data,
    GetOutput,
    Item,
    Kubeconfig,
    Namespace,
    NewName,
    Output,
    RunName,
    RunOutput,
    StepToDecide,
    StepToRead,
    Timeout,
    Wait,
    Watch,
    complete_run,
    complete_step,
    complete_workflow,
    reach,
)
from workflow_do.cli.revision_commands import COMMANDS as REVISION_COMMANDS

if TYPE_CHECKING:
    from workflow_do.cli.start import Follow

_PROGRAM = "kubectl-workflow"
app = typer.Typer(
    name=_PROGRAM,
    help="Business processes as Kubernetes objects: start, follow and steer runs of Workflows.",
    epilog="Exit codes: 0 done, 1 the run failed, 2 wrong usage or invalid, 3 the cluster cannot "
    "be reached or refuses, 124 timed out, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def run(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="WORKFLOW", help="The Workflow to run.", autocompletion=complete_workflow
        ),
    ],
    body: Annotated[
        str | None,
        typer.Option(
            "--body", metavar="JSON|@FILE|-", help="The body of the trigger; - reads stdin."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar="KEY=VALUE", help="A key of the body, as a string."),
    ] = None,
    json_param: Annotated[
        list[str] | None,
        typer.Option("--json-param", metavar="KEY=JSON", help="A key of the body, as JSON."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="REVISION", help="An older one, by number or name."),
    ] = None,
    name: NewName = None,
    watch: Watch = False,
    wait: Wait = False,
    timeout: Timeout = None,
    output: Output = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Start a run of a Workflow."""
    with exits.told():
        from workflow_do.cli.body import build_body, read_text
        from workflow_do.cli.start import start

        follow = _follow(watch, wait, timeout, output)
        given = build_body(read_text(body, sys.stdin), param or [], json_param or [])
        cluster = reach(namespace, context, kubeconfig)
        start(cluster, workflow, given, follow, name=name, revision=revision)


@app.command()
def watch(
    run: RunName,
    timeout: Timeout = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show a run, live, until it ends; exit with 1 if it failed."""
    with exits.told():
        from workflow_do.cli.start import follow_to_end

        cluster = reach(namespace, context, kubeconfig)
        follow_to_end(cluster, run, None, timeout=timeout or DEFAULT_TIMEOUT)


@app.command()
def pause(
    run: RunName,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Hold a run: what runs goes on to its end, nothing new starts."""
    _control(run, "Paused", namespace, context, kubeconfig)


@app.command()
def resume(
    run: RunName,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a paused run go on."""
    _control(run, "Running", namespace, context, kubeconfig)


@app.command()
def cancel(
    run: RunName,
    compensate: Annotated[
        bool,
        typer.Option(
            "--compensate", help="Let what runs end by itself, then undo what the run has done."
        ),
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """End a run for good: what runs is stopped, no handler runs. Does not ask back."""
    wanted = "CancelledWithCompensation" if compensate else "Cancelled"
    _control(run, wanted, namespace, context, kubeconfig)


def _control(
    run: str, wanted: str, namespace: str | None, context: str | None, kubeconfig: str | None
) -> None:
    with exits.told():
        from workflow_do.api.run import DesiredState
        from workflow_do.cli.control import control

        control(reach(namespace, context, kubeconfig), run, DesiredState(wanted))


@app.command()
def approve(
    run: RunName,
    step: StepToDecide = None,
    item: Item = None,
    comment: Comment = None,
    data: Data = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Approve a step that waits for it, in your own name."""
    with exits.told():
        from workflow_do.cli.body import build_data, read_text
        from workflow_do.cli.deciding import Decision, Said, say

        given = build_data(read_text(data, sys.stdin, "--data"))
        said = Said(Decision.APPROVE, step, comment, given, item)
        say(reach(namespace, context, kubeconfig), run, said)


@app.command()
def reject(
    run: RunName,
    step: StepToDecide = None,
    item: Item = None,
    comment: Comment = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Reject a step that waits for approval: it ends as failed."""
    with exits.told():
        from workflow_do.cli.deciding import Decision, Said, say

        said = Said(Decision.REJECT, step, comment, None, item)
        say(reach(namespace, context, kubeconfig), run, said)


@app.command()
def retry(
    run: RunName,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision", metavar="NAME", help="A WorkflowRevision; else the original's own."
        ),
    ] = None,
    name: NewName = None,
    watch: Watch = False,
    wait: Wait = False,
    timeout: Timeout = None,
    output: Output = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Run a failed run again: what succeeded is taken over, the rest runs, on the same trigger."""
    with exits.told():
        from workflow_do.cli.control import retry as start_retry

        follow = _follow(watch, wait, timeout, output)
        cluster = reach(namespace, context, kubeconfig)
        start_retry(cluster, run, follow, new_name=name, revision=revision)


def _follow(watch: bool, wait: bool, timeout: float | None, output: RunOutput | None) -> Follow:
    from workflow_do.cli.start import Follow

    if timeout is not None and not (watch or wait):
        raise typer.BadParameter("only together with --watch or --wait", param_hint="--timeout")
    return Follow(
        mode="watch" if watch else "wait" if wait else "start",
        timeout=timeout or DEFAULT_TIMEOUT,
        output=output.value if output else None,
    )


@app.command()
def get(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="One run; absent: list them.", autocompletion=complete_run
        ),
    ] = None,
    output: Annotated[
        GetOutput, typer.Option("-o", "--output", help="How to print it.")
    ] = GetOutput.TABLE,
    all_namespaces: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="List runs of every namespace.")
    ] = False,
    workflow: Annotated[
        str | None,
        typer.Option(
            "-w",
            "--workflow",
            metavar="NAME",
            help="List only runs of this Workflow.",
            autocompletion=complete_workflow,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Rows of the table at most.")
    ] = 50,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show one run with all there is, or list runs, the newest first."""
    with exits.told():
        from workflow_do.cli.get import get_one, list_runs

        if run and (all_namespaces or workflow):
            raise typer.BadParameter("-A and -w are for lists; leave RUN out", param_hint="RUN")
        cluster = reach(namespace, context, kubeconfig)
        if run:
            get_one(cluster, run, output.value)
        else:
            list_runs(
                cluster, output.value, everywhere=all_namespaces, workflow=workflow, limit=limit
            )


@app.command()
def output(
    run: RunName,
    step: StepToRead = None,
    item: Item = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what a run gave, or one of its steps, as JSON; large ones as a whole, too."""
    with exits.told():
        from workflow_do.cli.get import print_output

        if item is not None and step is None:
            raise typer.BadParameter("only together with STEP", param_hint="--item")
        print_output(reach(namespace, context, kubeconfig), run, step, item)


@app.command()
def logs(
    run: RunName,
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="[STEP]",
            help="One step, or onFailure; absent: all of them.",
            autocompletion=complete_step,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the run has ended.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, metavar="N", help="Only the last N lines each.")
    ] = None,
    timeout: Timeout = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what the programs of a run have written."""
    with exits.told():
        from workflow_do.cli.get import print_logs

        if timeout is not None and not follow:
            raise typer.BadParameter("only together with -f", param_hint="--timeout")
        cluster = reach(namespace, context, kubeconfig)
        bound = (timeout or DEFAULT_TIMEOUT) if follow else None
        print_logs(cluster, run, step, tail=tail, follow=bound)


app.command()(lint)
for _command in REVISION_COMMANDS:
    app.command()(_command)


@app.command()
def version() -> None:
    """Print the version of this program and of the API it speaks."""
    typer.echo(f"{_PROGRAM} {__version__} ({names.API_VERSION})")


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the shell's completion script: add `source <(kubectl-workflow completion bash)`."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    if shell not in ("bash", "zsh", "fish"):
        raise typer.BadParameter("must be bash, zsh or fish", param_hint="SHELL")
    typer.echo(get_completion_script(prog_name=_PROGRAM, complete_var=_COMPLETE_VAR, shell=shell))


_COMPLETE_VAR = "_KUBECTL_WORKFLOW_COMPLETE"


def main() -> NoReturn:
    """The entry point. Every way out is an exit code; see `exits`."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What a terminal of another encoding cannot show must not end the program.
            stream.reconfigure(errors="replace")
    options: dict[str, Any] = {"complete_var": _COMPLETE_VAR, "prog_name": "kubectl workflow"}
    try:
        app(**options)
    except Exception as error:
        exits.complain(
            f"this is a mistake of {_PROGRAM} {__version__} itself ({type(error).__name__}: "
            f"{error}); please report it with the command that led to it"
        )
        sys.exit(exits.INTERNAL)
    sys.exit(exits.OK)


if __name__ == "__main__":
    main()
