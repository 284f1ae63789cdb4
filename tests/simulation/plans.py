"""What must hold of every plan, whatever it was made from."""

from __future__ import annotations

from typing import Final

from workflow_do.api.names import LABEL_ROLE
from workflow_do.api.run import DesiredState, RunStatus, StepState
from workflow_do.engine.definition import Definition
from workflow_do.engine.effects import CreateJob, ExpirePod, MarkFinished, Plan, SuspendJob
from workflow_do.engine.facts import Observed
from workflow_do.engine.report import completed

_UPKEEP: Final = (SuspendJob, ExpirePod, MarkFinished)


def terminal_is_silent(observed: Observed, planned: Plan) -> str | None:
    """Correctness: of a Completed run nothing is done but stopping Jobs that turn up."""
    if not completed(observed.run.status):
        return None
    others = [e for e in planned.effects if not isinstance(e, _UPKEEP)]
    if others or planned.status != observed.run.status:
        return f"planned for a Completed run: {others or 'another status'}"
    return None


def nothing_starts_unasked(observed: Observed, planned: Plan) -> str | None:
    """Behaviour, Control: Paused: nothing starts. Cancelled: no next try, no onFailure."""
    desired = observed.run.spec.desired_state
    asked = desired is DesiredState.CANCELLED_WITH_COMPENSATION
    started = [
        e.name
        for e in planned.effects
        if isinstance(e, CreateJob)
        and not (asked and _role(e) == "undo")
        and not (desired.cancels and _role(e) == "finally")
    ]
    if desired is not DesiredState.RUNNING and started:
        return f"{started} would be started although the run is to be {desired.value}"
    return None


def _role(effect: CreateJob) -> str:
    return str(effect.manifest["metadata"]["labels"][LABEL_ROLE])


def the_end_is_seen_live(observed: Observed, planned: Plan) -> str | None:
    """Correctness: before Completed=True: observe by a live LIST. (Unpinned, or refused a place,
    there is no Job.)
    """
    news = completed(planned.status) and not completed(observed.run.status)
    begun = observed.run.status.revision_name is not None
    refused = observed.standing is not None and observed.standing.refused
    if news and not observed.live and begun and not refused:
        return "a plan ends the run from what watches told"
    return None


def no_wait_begins_unasked(observed: Observed, planned: Plan) -> str | None:
    """Behaviour, Control: Paused: nothing starts; nor does a step of a run that is cancelled."""
    begun = _waiting(planned.status) - _waiting(observed.run.status)
    desired = observed.run.spec.desired_state
    if begun and desired is not DesiredState.RUNNING:
        return f"{sorted(begun)} would begin to wait although the run is to be {desired.value}"
    return None


def a_cancel_ends_waits(observed: Observed, planned: Plan) -> str | None:
    """Behaviour, Control: Cancelled: what is live is stopped, and a wait has no end to await."""
    asks = planned.needs_live or planned.needs_guard or planned.needs_events or planned.needs_past
    more = asks or planned.needs_logs or planned.needs_outputs or planned.needs_held
    cancelled = observed.run.spec.desired_state is DesiredState.CANCELLED
    if not cancelled or more or not isinstance(observed.definition, Definition):
        return None
    left = _waiting(planned.status)
    return f"{sorted(left)} would go on waiting after the cancel" if left else None


def what_stands_is_not_decided_anew(first: Plan, again: Plan) -> str | None:
    """Behaviour: nobody decides again what stands; asked nevertheless, the engine says the same:
    what to do, to write, to know, and when to look again.
    """
    return f"it stood: {first}\nand then: {again}" if again != first else None


def _waiting(status: RunStatus) -> set[str]:
    """The steps that wait for a time or for people."""
    rows = status.steps
    return {s.id for s in rows if s.state is StepState.RUNNING and s.wait_until is not None}
