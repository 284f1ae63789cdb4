"""A run as plain lines, one per change: for logs of CI and for pipes.

Decides what counts as a change worth a line. Pure: two moments of a run in, lines out.
"""

from __future__ import annotations

from typing import Final

from workflow_do.cli import look
from workflow_do.sdk.run import ON_FAILURE, Run, Unit

_MAX_OUTPUT: Final = 500
_LOG_LINES: Final = 8
_LOG_WIDTH: Final = 160


def change_lines(old: Run | None, new: Run) -> list[str]:
    """What has changed from `old` (None: nothing was seen yet) to `new`, in order."""
    lines = []
    if old is None:
        lines.append(f"run {new.name} of workflow {new.workflow} in namespace {new.namespace}")
    before = dict(old.steps) if old else {}
    for unit in new.steps.values():
        lines += _unit_lines(before.get(unit.id), unit)
    for unit in new.steps.values():
        if unit.undo:
            seen = before.get(unit.id)
            lines += _unit_lines(seen.undo if seen else None, unit.undo, "undo of")
    ended = {final.id: final for final in old.finals} if old else {}
    for final in new.finals:
        lines += _unit_lines(ended.get(final.id), final, "finally")
    if new.on_failure:
        lines += _unit_lines(old.on_failure if old else None, new.on_failure)
    if _changed(old, new):
        lines.append(_run_line(new))
    return [look.clean(line) for line in lines]


def log_lines(run: Run) -> list[str]:
    """How the logs of what failed for good end; only of a run that failed."""
    if run.succeeded is not False:
        return []
    lines = []
    for unit in run.units:
        lines += _log(unit, unit.id)
        if unit.compensation:
            lines += _log(unit.compensation, f"the undo of {unit.id}")
    return lines


def _log(unit: Unit, name: str) -> list[str]:
    rows = look.log_end(unit.logs_tail, _LOG_LINES, _LOG_WIDTH) if unit.failed else []
    return [f"the log of {look.clean(name)} ends:", *(f"  {row}" for row in rows)] if rows else []


def _changed(old: Run | None, new: Run) -> bool:
    if new.completed:
        return False  # the verdict says it, better
    return old is None or (old.reason, old.progress) != (new.reason, new.progress)


def _run_line(run: Run) -> str:
    line = f"run {run.name}: {look.headline(run)}"
    return f"{line}, {run.progress} steps" if run.progress else line


def _unit_lines(old: Unit | None, new: Unit, kind: str = "step") -> list[str]:
    if new.state == "Pending":
        return []
    if old and _seen(old) == _seen(new):
        return []
    place = new.id if new.id == ON_FAILURE else f"{kind} {new.id}"
    verb = look.verb(new)
    return [f"{place} ({verb}): {_state(new)}" if verb else f"{place}: {_state(new)}"]


def _seen(unit: Unit) -> tuple[object, ...]:
    return unit.state, unit.reason, unit.message, unit.tries, look.items(unit)


def _state(unit: Unit) -> str:
    words = [unit.state]
    if unit.state == "Retrying":
        at = f" at {unit.retry_time:%H:%M:%S %Z}" if unit.retry_time else ""
        words.append(f"as attempt {unit.attempts + 1}{at}")
    elif unit.taken_over:
        words.append("(taken over)")
    elif unit.start_time and unit.completion_time:
        words.append(f"in {look.took(unit, unit.completion_time)}")
    if unit.items:
        words.append(f"({look.items(unit)})")
    if unit.tries > 1 and unit.state != "Retrying":
        words.append(f"(try {unit.tries})")
    said = []
    if unit.state == "Succeeded":
        output = look.given(unit)
        if output:
            said.append(f"output {look.shorten(output, _MAX_OUTPUT)}")
    else:
        said += filter(None, [look.cause(unit), unit.message])
    return ": ".join([" ".join(words), *said])
