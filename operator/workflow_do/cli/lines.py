"""A run as plain lines, one per change: for logs of CI and for pipes.

Decides what counts as a change worth a line. Pure: two moments of a run in, lines out.
"""

from __future__ import annotations

from typing import Final

from workflow_do.cli import look
from workflow_do.sdk.run import ON_FAILURE, Run, Unit

_MAX_OUTPUT: Final = 500


def change_lines(old: Run | None, new: Run) -> list[str]:
    """What has changed from `old` (None: nothing was seen yet) to `new`, in order."""
    lines = []
    if old is None:
        lines.append(f"run {new.name} of workflow {new.workflow} in namespace {new.namespace}")
    before = dict(old.steps) if old else {}
    for unit in new.steps.values():
        lines += _unit_lines(before.get(unit.id), unit)
    if new.on_failure:
        lines += _unit_lines(old.on_failure if old else None, new.on_failure)
    if _changed(old, new):
        lines.append(_run_line(new))
    return [look.clean(line) for line in lines]


def _changed(old: Run | None, new: Run) -> bool:
    if new.completed:
        return False  # the verdict says it, better
    return old is None or (old.reason, old.progress) != (new.reason, new.progress)


def _run_line(run: Run) -> str:
    line = f"run {run.name}: {look.headline(run)}"
    return f"{line}, {run.progress} steps" if run.progress else line


def _unit_lines(old: Unit | None, new: Unit) -> list[str]:
    if new.state == "Pending":
        return []
    if old and _seen(old) == _seen(new):
        return []
    place = new.id if new.id == ON_FAILURE else f"step {new.id}"
    return [f"{place} ({new.action}): {_state(new)}"]


def _seen(unit: Unit) -> tuple[object, ...]:
    return unit.state, unit.reason, unit.message, unit.tries


def _state(unit: Unit) -> str:
    words = [unit.state]
    if unit.start_time and unit.completion_time:
        words.append(f"in {look.took(unit, unit.completion_time)}")
    if unit.tries > 1:
        words.append(f"(try {unit.tries})")
    said = []
    if unit.state != "Succeeded" and unit.reason and unit.reason != unit.state:
        said.append(f"{unit.reason} {unit.exit_code}" if unit.exit_code else unit.reason)
    if unit.state != "Succeeded" and unit.message:
        said.append(unit.message)
    if unit.state == "Succeeded" and unit.output:
        said.append(f"output {look.shorten(look.compact(unit.output), _MAX_OUTPUT)}")
    return ": ".join([" ".join(words), *said])
