"""Exit codes: which end of a command is which number, and how an error is told.

One ladder, so that scripts can rely on it. No error ever shows a traceback to the user.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from workflow_do.sdk.errors import ConnectError, RunFailed, RunTimeout, WorkflowDoError

OK: Final = 0
RUN_FAILED: Final = 1
INVALID: Final = 2
"""Wrong usage, an invalid definition or body, something that is not there or there already."""
CANNOT_REACH: Final = 3
"""No API server, no permission, or no workflow-do in the cluster."""
INTERNAL: Final = 70
"""A mistake of this program (sysexits.h, EX_SOFTWARE)."""
TIMEOUT: Final = 124
"""As timeout(1)."""
INTERRUPTED: Final = 130
"""As a shell tells of a program that SIGINT ended."""


def code_of(error: WorkflowDoError) -> int:
    """The exit code that tells of the error."""
    if isinstance(error, RunFailed):
        return RUN_FAILED
    if isinstance(error, RunTimeout):
        return TIMEOUT
    if isinstance(error, ConnectError):
        return CANNOT_REACH
    return INVALID


@contextmanager
def told() -> Iterator[None]:
    """Tell an error of the SDK on standard error, and exit with its code."""
    try:
        yield
    except WorkflowDoError as error:
        complain(str(error))
        raise typer.Exit(code_of(error)) from None


@contextmanager
def interruptible(run: str, namespace: str) -> Iterator[None]:
    """While a run is watched: Ctrl-C ends the watching, and says that the run goes on."""
    try:
        yield
    except KeyboardInterrupt:
        tell(
            f"stopped watching; run {run} goes on "
            f"(watch on: kubectl workflow watch {run} -n {namespace})"
        )
        raise typer.Exit(INTERRUPTED) from None


def complain(text: str) -> None:
    """One line on standard error."""
    tell(f"error: {text}")


def tell(text: str) -> None:
    """A note for people: to standard error, so that standard output stays data."""
    typer.echo(text, file=sys.stderr)
