"""How states, times and data look on a terminal: symbols, colours, and short texts.

Pure. What comes from programs and callers (outputs, messages) is data here: control characters
are made visible, never sent to the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from workflow_do.sdk.run import Run, Unit

SPINNER_PER_SECOND: Final = 8


@dataclass(frozen=True, slots=True)
class Symbols:
    """One character a state. `spinner` turns while a step runs."""

    succeeded: str
    failed: str
    pending: str
    retrying: str
    paused: str
    stopped: str
    unknown: str
    spinner: str
    still: str
    dot: str
    more: str


UNICODE: Final = Symbols("✔", "✘", "○", "↻", "‖", "⊘", "?", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "●", "·", "…")
ASCII: Final = Symbols("+", "x", "o", "~", "=", "-", "?", "|/-\\", "*", "-", "...")

_STYLES: Final = {
    "Succeeded": "green",
    "Failed": "bold red",
    "Running": "cyan",
    "Pending": "bright_black",
    "Retrying": "yellow",
    "Paused": "yellow",
    "Cancelled": "yellow",
    "Skipped": "bright_black",
    "NotStarted": "yellow",
    "Unknown": "bold magenta",
}


def style_of(state: str) -> str:
    """The colour of a unit's state; a state that is not known looks like Unknown."""
    return _STYLES.get(state, _STYLES["Unknown"])


def symbol_of(state: str, symbols: Symbols, now: datetime | None = None) -> Text:
    """The character of a unit's state. With `now` the one of Running turns."""
    if state == "Running" and now is not None:
        at = int(now.timestamp() * SPINNER_PER_SECOND) % len(symbols.spinner)
        return Text(symbols.spinner[at], style_of(state))
    character = {
        "Succeeded": symbols.succeeded,
        "Failed": symbols.failed,
        "Pending": symbols.pending,
        "Retrying": symbols.retrying,
        "Paused": symbols.paused,
        "Cancelled": symbols.stopped,
        "NotStarted": symbols.stopped,
        "Skipped": symbols.stopped,
        "Running": symbols.still,
    }.get(state, symbols.unknown)
    return Text(character, style_of(state))


def state_of(run: Run) -> str:
    """A run's state in the words of a unit's, for its symbol and colour; or Paused, Cancelled."""
    if run.cancelled:
        return "Cancelled"
    if run.succeeded is not None:
        return "Succeeded" if run.succeeded else "Failed"
    return run.reason if run.reason in ("Pending", "Paused") else "Running"


def headline(run: Run) -> str:
    """A run's state for people: `Running`, `Succeeded`, `Cancelled`, `Failed: ExitCode`."""
    failed = run.succeeded is False and not run.cancelled
    return f"Failed: {run.reason}" if failed else run.reason


def cause(unit: Unit) -> str:
    """Why a unit is as it is, in a word: `ExitCode 3`; empty where the state says it all."""
    if not unit.reason or unit.reason == unit.state:
        return ""
    reason = clean(unit.reason)
    return f"{reason} {unit.exit_code}" if unit.exit_code else reason


def verb(unit: Unit) -> str:
    """What a unit does: its Action, or the Workflow that it starts a run of."""
    return unit.action or (f"workflow {unit.workflow}" if unit.workflow else "")


def tries(unit: Unit) -> str:
    """`after 3 tries`; says how many counted where the infrastructure was at fault for some."""
    if unit.tries <= 1:
        return ""
    text = f"after {count(unit.tries, 'try')}"
    if 0 < unit.attempts < unit.tries:
        text += f" ({unit.attempts} counted)"
    return text


def items(unit: Unit) -> str:
    """`12 of 50 items`: how many have succeeded; empty without any."""
    if not unit.items:
        return ""
    done = sum(1 for item in unit.items if item.state == "Succeeded")
    return f"{done} of {count(len(unit.items), 'item')}"


def took(unit: Run | Unit, now: datetime) -> str:
    """How long it took, or has taken until now; empty before its start."""
    if unit.start_time is None:
        return ""
    end = unit.completion_time or now
    return duration((end - unit.start_time).total_seconds())


def duration(seconds: float) -> str:
    """`7s`, `1m05s`, `2h03m`, `3d04h`; never negative, whatever the two clocks say."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def clean(text: str) -> str:
    """On one line, and harmless to a terminal: what cannot be printed shows as U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def log_end(text: str, lines: int, width: int) -> list[str]:
    """The last lines of a log, harmless to a terminal, each cut to `width`; no blank ones first."""
    rows = [
        "".join(c if c.isprintable() else "\ufffd" for c in row.expandtabs(4).rstrip())
        for row in text.splitlines()
    ]
    last = rows[-lines:]
    while last and not last[0]:
        last.pop(0)
    return [shorten(row, width) for row in last]


def compact(value: Any) -> str:
    """JSON on one line, harmless to a terminal."""
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def given(unit: Unit) -> str:
    """The output of a step on one line, or where it is; empty where there is none."""
    if unit.output_ref:
        ref = unit.output_ref
        return clean(f"{ref.get('size'):,} bytes in ConfigMap {ref.get('name')}")
    return compact(unit.output) if unit.output else ""


def shorten(text: str, width: int) -> str:
    """At most `width` characters; a cut shows."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def count(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `3 tries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def widest(texts: Iterable[str]) -> int:
    """The length of the longest text, 0 without any."""
    return max(map(len, texts), default=0)
