"""Putting runs on the terminal: the live tree, plain lines where there is no terminal, data.

The only place of the command line that reads the clock.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from workflow_do.api import names

if TYPE_CHECKING:
    from rich.console import Console

    from workflow_do.cli.look import Symbols
    from workflow_do.sdk.run import Run

_FRAMES_PER_SECOND: Final = 8
_PIPE_WIDTH: Final = 20_000
"""Wider than any line: what reads a pipe wants whole lines, not a terminal's width."""
_LINES_AROUND_STEPS: Final = 8
"""Title, facts, handler and its message, verdict: what the live tree needs beside its steps."""

_CONTROLS: Final = re.compile("[\x7f-\x9f]")
"""Characters that JSON allows in a text, and that a terminal acts upon."""


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def console(*, error: bool = False) -> Console:
    """A console that treats every text as data: no markup, no emoji codes, no guessing."""
    from rich.console import Console

    made = Console(stderr=error, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


def symbols_for(target: Console) -> Symbols:
    """What the terminal's encoding can show."""
    from workflow_do.cli.look import ASCII, UNICODE

    return UNICODE if target.encoding.lower().startswith("utf") else ASCII


def follow(runs: Iterator[Run], target: Console, family: Callable[[Run], Run]) -> Run:
    """Show the run until it is completed; gives the last of it. Ends with the verdict.

    `family` reads the children of a run; the live tree shows them.
    """
    from workflow_do.cli.tree import verdict

    live = target.is_terminal
    last = _follow_live(runs, target, family) if live else _follow_lines(runs, target)
    target.print(verdict(last, symbols_for(target), message=not live), soft_wrap=True)
    return last


def _follow_live(runs: Iterator[Run], target: Console, family: Callable[[Run], Run]) -> Run:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree

    from workflow_do.cli.relatives import Relatives
    from workflow_do.cli.tree import View, run_tree

    symbols = symbols_for(target)
    run: Run | None = None
    relatives = Relatives(family)

    def frame() -> Tree | Group | Text:
        if run is None:
            return Text("connecting…")
        shown = relatives.of(run)
        if run.completed:
            return Group(run_tree(shown, View(now(), symbols, logs=True)), Text())
        room = max(3, target.size.height - _LINES_AROUND_STEPS)
        return run_tree(shown, View(now(), symbols, room=room, ticking=True))

    with (
        relatives,
        Live(
            get_renderable=frame,
            console=target,
            refresh_per_second=_FRAMES_PER_SECOND,
            vertical_overflow="crop",
        ) as live,
    ):
        for seen in runs:
            run = seen
            relatives.look_at(run)
            live.refresh()
        # The last frame stays on the screen: then as a whole, scrolled if need be.
        live.vertical_overflow = "visible"
    return _ended(run)


def _follow_lines(runs: Iterator[Run], target: Console) -> Run:
    from workflow_do.cli.lines import change_lines, log_lines

    before: Run | None = None
    for run in runs:
        for line in change_lines(before, run):
            target.print(line, soft_wrap=True)
        target.file.flush()
        before = run
    last = _ended(before)
    for line in log_lines(last):
        target.print(line, soft_wrap=True)
    return last


def _ended(run: Run | None) -> Run:
    assert run is not None, "a watch gives a run or raises"
    return run


def one_run(run: Run, target: Console) -> None:
    """The tree of one run with all there is."""
    from workflow_do.cli.tree import View, run_tree

    target.print(run_tree(run, View(now(), symbols_for(target), full=True)))


def many_runs(runs: Sequence[Run], target: Console, *, namespaces: bool, limit: int) -> None:
    """The newest `limit` runs as a table; what is left out is said on standard error."""
    from workflow_do.cli.exits import tell
    from workflow_do.cli.table import newest_first, runs_table

    shown = newest_first(runs)[:limit]
    target.print(runs_table(shown, now(), namespaces=namespaces, symbols=symbols_for(target)))
    if len(runs) > len(shown):
        tell(f"the newest {len(shown)} of {len(runs)} runs; see more with --limit")


def data(obj: Mapping[str, Any], form: str, kind: names.Kind = names.RUN) -> None:
    """An object on standard output as json, yaml, or by name; without managedFields, as kubectl."""
    if form == "name":
        for item in obj.get("items", [obj]):
            typer.echo(f"{kind.singular}.{names.GROUP}/{item['metadata']['name']}")
        return
    plain = _without_managed_fields(obj)
    if form == "json":
        value(plain)
        return
    from workflow_do.sdk.yamltext import dump_yaml

    typer.echo(dump_yaml(plain), nl=False)


def value(found: Any) -> None:
    """Any JSON on standard output, with no character in it that a terminal acts upon."""
    text = json.dumps(found, indent=2, ensure_ascii=False)
    typer.echo(_CONTROLS.sub(lambda control: f"\\u{ord(control[0]):04x}", text))


def _without_managed_fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(obj)
    if "items" in plain:
        plain["items"] = [_without_managed_fields(item) for item in plain["items"]]
    meta = plain.get("metadata") or {}
    plain["metadata"] = {key: value for key, value in meta.items() if key != "managedFields"}
    return plain
