"""Before its first step: a run whose Workflow limits how many go on asks for a place.

Decides that nothing starts before the place is written into the status, and what a run says
while it waits. Which run gets a place is decided among all of them (`admission`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from workflow_do.api.concurrency import ConcurrencyPolicy
from workflow_do.api.reasons import Reason
from workflow_do.engine import admission, inputs, limits, report
from workflow_do.engine import expressions as ex
from workflow_do.engine.admission import Wish
from workflow_do.engine.definition import Definition
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Observed, Run
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp

_KEY_CHARS: Final = 253


def hold(observed: Observed, definition: Definition, now: datetime) -> Plan | None:
    """The plan of a run that has no place yet; None where it may go on.

    A paused run does not ask, a cancelled one needs no place to end; one that has begun keeps going
    whatever its Workflow says since.
    """
    run = observed.run
    begun = run.status.admitted_time is not None or run.started_uid == run.uid
    if begun or limits.cancelled(run) or limits.paused(run) or run.deleting:
        return None
    wish = wish_of(run, definition)
    if wish is None:
        return None
    if isinstance(wish, Problem):
        return Plan(report.refused(run, wish, now))
    standing = observed.standing
    if standing is None:
        return Plan(run.status, asks=wish)
    if standing.granted:
        place = {"concurrency_key": wish.key or None, "admitted_time": stamp(now)}
        begins = {"start_time": stamp(now)}  # time spent waiting is no part of the run
        return Plan(run.status.model_copy(update={**place, **begins}), look_at=now)
    why = admission.describe(wish, standing)
    if standing.stuck:
        why = f"{why}; they wait for this run, and it for them"
        return Plan(report.refused(run, Problem(Reason.CONCURRENCY_DEADLOCK, why), now))
    if standing.refused:
        return Plan(report.refused(run, Problem(Reason.CONCURRENCY_FORBIDDEN, why), now))
    return Plan(report.waiting(run, Problem(Reason.QUEUED, why), now))


def wish_of(run: Run, definition: Definition) -> Wish | Problem | None:
    """What the run has to ask for; None where it may go on unasked. Problem: InvalidTemplate."""
    asked = definition.spec.concurrency
    if asked is None or asked.policy is ConcurrencyPolicy.ALLOW:
        return None
    if definition.concurrency_key is None:
        return Wish("", asked.policy, asked.max)
    value = ex.render(definition.concurrency_key, inputs.start_scope(definition, run))
    if isinstance(value, ex.TemplateFailure):
        return inputs.invalid(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        what = "an empty text" if value == "" else type(value).__name__
        message = f"concurrency.key: it must give a text or a whole number, not {what}"
        return Problem(Reason.INVALID_TEMPLATE, message)
    if len(str(value)) > _KEY_CHARS:
        message = f"concurrency.key: it is longer than {_KEY_CHARS} characters"
        return Problem(Reason.INVALID_TEMPLATE, message)
    return Wish(str(value), asked.policy, asked.max)
