"""A run as a tree: the run, its steps in order, the runs that those have started, and the handlers.

Decides what is shown of a run and what is folded away when there is not room for every step. Pure:
a run and a moment in, a rich renderable out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from workflow_do.cli import look
from workflow_do.cli.look import Symbols
from workflow_do.sdk.run import Run, Unit, parse_time

_LIVE_MESSAGE: Final = 300
"""Characters of a message in the live tree; `get` shows all of it."""
_LIVE_OUTPUT: Final = 200
_LIVE_QUESTIONS: Final = 5
_MAX_NAME_WIDTH: Final = 40
_LIVE: Final = ("Running", "Retrying")
_UNDO: Final = "undo"
_INDENT: Final = 4
"""How much further to the right a branch of a branch begins."""
_MOST_CHILDREN: Final = 10
"""Of one step so many runs are shown."""
LOG_LINES: Final = 8
LOG_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class View:
    """How to show a run.

    room: lines for steps; more steps than that are folded (None: show all).
    full: outputs and messages as a whole, the times, and the end of the log of what failed.
    logs: the end of the log of what failed, in any case.
    ticking: the symbol of what runs turns with `now`.
    """

    now: datetime
    symbols: Symbols = look.UNICODE
    room: int | None = None
    full: bool = False
    logs: bool = False
    ticking: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Steps that are folded away."""

    units: tuple[Unit, ...]


def run_tree(run: Run, view: View) -> Tree:
    """The whole tree."""
    tree = Tree(_title(run, view), guide_style="bright_black")
    _add_units(tree, run, view)
    return tree


def _add_units(tree: Tree, run: Run, view: View) -> None:
    columns = _columns(run, view)
    for row in fold(list(run.steps.values()), _room(run, view)):
        if isinstance(row, Gap):
            tree.add(_gap(row, view))
            continue
        branch = tree.add(_unit(row, run, columns, view))
        _add_children(branch, run, row, view)
        if row.undo:
            branch.add(_undo(row.undo, run, columns, view), guide_style="bright_black")
    if run.on_failure:
        tree.add(_unit(run.on_failure, run, columns, view, style="italic"))
    for final in run.finals:
        tree.add(_unit(final, run, columns, view, style="italic"))


def _add_children(node: Tree, run: Run, step: Unit, view: View) -> None:
    """The runs that a step has started; of many those that go on or went wrong come first."""
    children = sorted(run.children_of(step), key=lambda child: child.succeeded is True)
    for child in children[:_MOST_CHILDREN]:
        _add_units(node.add(_head(child, view)), child, view)
    more = len(children) - _MOST_CHILDREN
    if more > 0:
        node.add(Text(f"{view.symbols.more} {look.count(more, 'more run')}", "bright_black"))


def verdict(run: Run, symbols: Symbols = look.UNICODE, *, message: bool = True) -> Text:
    """How a run ended, in one line; without the message where a tree has told it already."""
    state = look.state_of(run)
    text = Text.assemble(look.symbol_of(state, symbols), f" run {look.clean(run.name)} ")
    after = look.took(run, run.completion_time) if run.completion_time else ""
    if run.succeeded:
        text.append("succeeded", "bold green").append(f" in {after}" if after else "")
        return text
    if run.cancelled:
        text.append("was cancelled", "bold yellow").append(f" after {after}" if after else "")
    else:
        text.append("failed", "bold red").append(f" after {after}" if after else "")
        text.append(f": {look.clean(run.reason)}")
    said = run.message if message else ""
    text.append(run.failed_place(said))
    text.append(f": {look.clean(said)}" if said else "")
    undone = look.clean(run.compensation_message) if run.compensated is not None else ""
    return text.append(f"; {undone}" if undone else "", "" if run.compensated else "bold red")


def fold(units: Sequence[Unit], room: int | None) -> list[Unit | Gap]:
    """At most about `room` rows: what runs or failed, and its neighbourhood; the rest as gaps."""
    if room is None or len(units) <= room:
        return list(units)
    weighty = [i for i, unit in enumerate(units) if _is_weighty(unit)]
    pending = (i for i, unit in enumerate(units) if unit.state == "Pending")
    focus = weighty[-1] if weighty else next(pending, len(units) - 1)
    kept = set(
        sorted(range(len(units)), key=lambda i: (i not in weighty[-room:], abs(i - focus)))[
            : max(1, room - 2)
        ]
    )
    rows: list[Unit | Gap] = []
    hidden: list[Unit] = []
    for i, unit in enumerate(units):
        if i not in kept:
            hidden.append(unit)
            continue
        if hidden:
            rows.append(Gap(tuple(hidden)))
            hidden = []
        rows.append(unit)
    return [*rows, Gap(tuple(hidden))] if hidden else rows


def _is_weighty(unit: Unit) -> bool:
    live = unit.state in _LIVE or unit.failed
    return live or (unit.undo is not None and _is_weighty(unit.undo))


def _room(run: Run, view: View) -> int | None:
    """Rows for steps; where there are undos a row may have a second line."""
    if view.room is None or not _undos(run):
        return view.room
    return max(3, view.room // 2)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths, so that the rows of one tree stand below each other."""

    name: int
    action: int
    time: int


def _columns(run: Run, view: View) -> _Columns:
    undos = _undos(run)
    rows = (*run.units, *undos)
    least = len(_UNDO) + _INDENT if undos else 0
    return _Columns(
        name=min(_MAX_NAME_WIDTH, max(least, look.widest(unit.id for unit in rows))),
        action=min(_MAX_NAME_WIDTH, look.widest(look.verb(unit) for unit in rows)),
        time=look.widest(look.took(unit, view.now) for unit in rows),
    )


def _undos(run: Run) -> list[Unit]:
    return [unit.undo for unit in run.steps.values() if unit.undo]


def _title(run: Run, view: View) -> Text:
    text = _head(run, view)
    for label, value in _facts(run, view):
        text.append(f"\n  {label:<9} ", "bright_black").append(look.clean(value))
    return text


def _head(run: Run, view: View) -> Text:
    """The run in one line."""
    state = look.state_of(run)
    now = view.now if view.ticking else None
    text = Text.assemble(
        look.symbol_of(state, view.symbols, now),
        " ",
        (look.clean(run.name), "bold"),
        "  ",
        (look.clean(look.headline(run)), look.style_of(state)),
    )
    parts = [run.progress, look.took(run, view.now)]
    for part in filter(None, parts):
        text.append(f" {view.symbols.dot} ", "bright_black").append(look.clean(part))
    return text


def _facts(run: Run, view: View) -> list[tuple[str, str]]:
    facts = [("workflow", run.workflow), ("namespace", run.namespace), ("retry of", run.retry_of)]
    facts.append(("parent", run.parent))
    if view.full:
        spec, status = run.raw.get("spec") or {}, run.raw.get("status") or {}
        facts.append(("revision", status.get("revisionName") or ""))
        body = (spec.get("trigger") or {}).get("body")
        facts.append(("body", "" if body is None else look.compact(body)))
        facts.append(("started", _moment(run.start_time)))
        facts.append(("paused", _since(parse_time(status.get("pausedSince")))))
        facts.append(("ended", _moment(run.completion_time)))
    unsaid = run.message and run.succeeded is not True and not _said(run)
    facts.append(("message", run.message if unsaid else ""))
    return [(label, value) for label, value in facts if value]


def _said(run: Run) -> bool:
    """Whether a row says what the run's message does: what runs, or why what failed did."""
    return any(unit.state in _LIVE for unit in (*run.units, *_undos(run))) or any(
        unit.failed and unit.message and unit.message in run.message for unit in run.units
    )


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S %Z}" if time else ""


def _since(time: datetime | None) -> str:
    return f"since {_moment(time)}" if time else ""


def _unit(unit: Unit, run: Run, columns: _Columns, view: View, style: str = "") -> RenderableType:
    """One row, and below it what needs more room; names are cut, and rows never wrap."""
    now = view.now if view.ticking else None
    name = look.shorten(look.clean(unit.id), columns.name).ljust(columns.name)
    action = look.shorten(look.clean(look.verb(unit)), columns.action).ljust(columns.action)
    started = f"{unit.start_time:%H:%M:%S}" if unit.start_time else ""
    row = Text.assemble(
        look.symbol_of(unit.state, view.symbols, now),
        " ",
        (name, f"bold {style}"),
        "  ",
        (action, "bright_black" if unit.state == "Pending" else "blue"),
        "  ",
        (f"{started:<8}  " if view.full else "", "bright_black"),
        (look.took(unit, view.now).rjust(columns.time), "bright_black"),
        no_wrap=True,
        overflow="ellipsis",
    )
    word = _word(unit, run, view.now)
    if word:
        row.append("  ").append(word, look.style_of(unit.state))
    below = _result(unit, view)
    if below and unit.state == "Succeeded" and not view.full:
        row.append("  ").append_text(below)
        below = None
    row.rstrip()
    more = [Padding(part, (0, 0, 0, 2), expand=False) for part in (below, _log(unit, view)) if part]
    return Group(row, *more) if more else row


def _undo(unit: Unit, run: Run, columns: _Columns, view: View) -> RenderableType:
    """The row of an undo, below that of its step and in line with it."""
    inside = replace(columns, name=columns.name - _INDENT)
    return _unit(replace(unit, id=_UNDO), run, inside, view, style="italic")


def _word(unit: Unit, run: Run, now: datetime) -> str:
    """What a row says of the state, beside its symbol."""
    if unit.state == "Pending":
        return "not run" if run.completed else ""
    if unit.taken_over:
        return "taken over"
    if unit.state == "Skipped":
        return "skipped"
    if unit.state == "Succeeded":
        return " ".join(filter(None, [look.items(unit), look.tries(unit)]))
    if unit.state == "Retrying":
        return _next_try(unit, run, now)
    if unit.awaits_approval:
        given = f"{len(unit.approved_by)} of {unit.approvals_required}"
        return f"waits for approval ({look.items(unit) or given})"
    cause = look.cause(unit)
    if unit.state == "Running" and unit.items:
        return f"Running, {look.items(unit)}"
    if unit.state == "Running":
        tried = f" try {unit.tries}" if unit.tries > 1 else ""
        return f"Running{tried} ({cause})" if cause else f"Running{tried}"
    words = f"{look.clean(unit.state)}: {cause}" if cause else look.clean(unit.state)
    words += ", continued" if unit.continued else ""
    return " ".join(filter(None, [words, look.items(unit), look.tries(unit)]))


def _next_try(unit: Unit, run: Run, now: datetime) -> str:
    """`retrying in 3s, attempt 2 (ExitCode 3)`: the status does not know of how many."""
    left = (unit.retry_time - now).total_seconds() if unit.retry_time else 0
    if run.reason == "Paused":
        when = "retrying once resumed"
    elif left > 0:
        when = f"retrying in {look.duration(ceil(left))}"
    else:
        when = "retrying now"
    cause = look.cause(unit)
    return f"{when}, attempt {unit.attempts + 1}" + (f" ({cause})" if cause else "")


def _result(unit: Unit, view: View) -> Text | None:
    """What the program gave, or what is wrong."""
    if unit.state == "Succeeded":
        output = look.given(unit)
        if not output:
            return None
        return Text(output if view.full else look.shorten(output, _LIVE_OUTPUT), "bright_black")
    if unit.items and unit.awaits_approval:
        return _questions(unit, view)
    message = look.clean(unit.message)
    if not message:
        return None
    return Text(message if view.full else look.shorten(message, _LIVE_MESSAGE))


def _questions(unit: Unit, view: View) -> Text:
    """What is asked of each item that waits now."""
    asked = [(at, item) for at, item in enumerate(unit.items) if item.awaits_approval]
    shown = asked if view.full else asked[:_LIVE_QUESTIONS]
    rows = [
        f"[{at}] {look.shorten(look.clean(item.message), _LIVE_MESSAGE)}"
        + (f" ({len(item.approved_by)} of {item.approvals_required})" if item.approved_by else "")
        for at, item in shown
    ]
    more = len(asked) - len(shown)
    return Text("\n".join([*rows, f"and {more} more"] if more else rows))


def _log(unit: Unit, view: View) -> Text | None:
    """How the log of what failed ends."""
    if not ((view.full or view.logs) and (unit.failed or unit.state == "Retrying")):
        return None
    rows = look.log_end(unit.logs_tail, LOG_LINES, LOG_WIDTH)
    if not rows:
        return None
    text = Text("its log ends:", "bright_black")
    for row in rows:
        text.append(f"\n  {row}")
    return text


def _gap(gap: Gap, view: View) -> Text:
    counts = Counter(unit.state for unit in gap.units)
    said = ", ".join(f"{number} {state.lower()}" for state, number in counts.items())
    return Text(f"{view.symbols.more} {said}", "bright_black")
