"""Many runs as a table, newest first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from workflow_do.cli import look
from workflow_do.cli.look import Symbols
from workflow_do.sdk.run import Run

_OLDEST = datetime.min.replace(tzinfo=UTC)


def newest_first(runs: Sequence[Run]) -> list[Run]:
    """By creation; runs of one second by name."""
    return sorted(runs, key=lambda run: (run.created or _OLDEST, run.name), reverse=True)


def runs_table(
    runs: Sequence[Run], now: datetime, *, namespaces: bool, symbols: Symbols = look.UNICODE
) -> Table:
    """One row a run, in the order given; `namespaces` adds their column."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    heads = ["NAME", "WORKFLOW", "STATUS", "PROGRESS", "STEP", "DURATION", "AGE"]
    for head in ["NAMESPACE", *heads] if namespaces else heads:
        table.add_column(head, no_wrap=head in ("PROGRESS", "DURATION", "AGE"), overflow="fold")
    for run in runs:
        row = _row(run, now, symbols)
        table.add_row(*([Text(look.clean(run.namespace)), *row] if namespaces else row))
    return table


def _row(run: Run, now: datetime, symbols: Symbols) -> list[Text]:
    state = look.state_of(run)
    status = Text.assemble(
        look.symbol_of(state, symbols), " ", (look.clean(run.reason), look.style_of(state))
    )
    age = look.duration((now - run.created).total_seconds()) if run.created else ""
    return [
        Text(look.clean(run.name)),
        Text(look.clean(run.workflow)),
        status,
        Text(look.clean(run.progress)),
        Text(look.clean(run.current_step)),
        Text(look.took(run, now)),
        Text(age),
    ]
