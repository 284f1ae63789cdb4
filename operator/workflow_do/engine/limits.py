"""What is asked of a live run from outside: pause, cancel, and the deadlines of step and run.

Decides whether something may start, and whether a live try must be stopped. Time spent paused does
not count for the run's deadline; a step's own deadline goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import Run, parse_time
from workflow_do.engine.identity import Role
from workflow_do.engine.timestamps import earliest
from workflow_do.engine.verdict import Stop


def paused(run: Run) -> bool:
    """Whether nothing new may start."""
    return run.spec.desired_state is DesiredState.PAUSED


def cancelled(run: Run) -> bool:
    """Whether the run is to end; no step and no onFailure starts any more."""
    return run.spec.desired_state.cancels


def stops_what_is_live(run: Run) -> bool:
    """Whether live steps are to be stopped rather than awaited."""
    return run.spec.desired_state is DesiredState.CANCELLED


def hurries(run: Run, definition: Definition) -> bool:
    """Whether something may stop all that is live: a cancel, or a deadline of the run."""
    return stops_what_is_live(run) or definition.spec.active_deadline_seconds is not None


def run_limit(run: Run, definition: Definition) -> datetime | None:
    """When the run's deadline passes; None without one, and while the run is paused."""
    seconds = definition.spec.active_deadline_seconds
    if seconds is None or run.status.paused_since is not None or paused(run):
        return None
    started = parse_time(run.status.start_time)
    if started is None:
        return None
    return started + timedelta(seconds=seconds + (run.status.paused_seconds or 0))


def step_limit(unit: UnitDef, since: str | None) -> datetime | None:
    """When the deadline of a step that began at `since` passes, over all tries and items; None
    without one.
    """
    started = parse_time(since) if unit.deadline is not None else None
    if unit.deadline is None or started is None:
        return None
    return started + timedelta(seconds=unit.deadline)


def limit_of(run: Run, definition: Definition, unit: UnitDef, since: str | None) -> datetime | None:
    """When a deadline of the step or of the run passes; a handler has none."""
    if unit.unit.role is not Role.DO or not _limited(definition, unit):
        return None
    return earliest(step_limit(unit, since), run_limit(run, definition))


def stop_of(
    run: Run, definition: Definition, unit: UnitDef, since: str | None, now: datetime
) -> Stop | None:
    """Why a live try of a step must be stopped now. Undo and handler never are from outside."""
    if unit.unit.role is not Role.DO:
        return None
    if stops_what_is_live(run):
        return Stop(Reason.CANCELLED, "the run was cancelled")
    return too_late(run, definition, unit, since, now)


def stop_of_wait(
    run: Run, definition: Definition, unit: UnitDef, since: str | None, now: datetime
) -> Stop | None:
    """The same of a step that waits: it ends at once however the run is cancelled."""
    if cancelled(run):
        return Stop(Reason.CANCELLED, "the run was cancelled")
    return too_late(run, definition, unit, since, now)


def too_late(
    run: Run, definition: Definition, unit: UnitDef, since: str | None, now: datetime
) -> Stop | None:
    """Whether a deadline of the run or of the step has passed; undo and handler have none."""
    if unit.unit.role is not Role.DO or not _limited(definition, unit):
        return None
    limit = run_limit(run, definition)
    if limit is not None and now >= limit:
        return Stop(Reason.RUN_DEADLINE_EXCEEDED, run_deadline_message(definition))
    limit = step_limit(unit, since)
    if limit is not None and now >= limit:
        return Stop(Reason.STEP_DEADLINE_EXCEEDED, f"the step took longer than {unit.deadline} s")
    return None


def _limited(definition: Definition, unit: UnitDef) -> bool:
    """Whether there is any deadline; most have none, and hundreds are asked about."""
    return unit.deadline is not None or definition.spec.active_deadline_seconds is not None


def run_deadline_message(definition: Definition) -> str:
    """What is said of a run that took too long."""
    return f"the steps of the run took longer than {definition.spec.active_deadline_seconds} s"
