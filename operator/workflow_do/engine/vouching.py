"""Whether a run that says it is another one's child is: the status of its parent tells.

    parent: the unit runs, and its record names this uid ... a child: it may begin
    parent: the unit runs, and names no run yet ............ it waits; the parent is about to
    anything else .......................................... NotAChild, for good

Only the operator writes a status, so whoever may create runs can make none a child. And since no
child begins before its parent's record names it, a run of that name that was made twice, by
whatever lost answer, begins once.
"""

from __future__ import annotations

from typing import Final

from workflow_do.api.reasons import Reason
from workflow_do.api.run import StepState
from workflow_do.engine.facts import Run
from workflow_do.engine.identity import Unit
from workflow_do.engine.kin import Call, Vouched, child_uid
from workflow_do.engine.ledger import of_status
from workflow_do.engine.problem import Problem

AWAITED: Final = Problem(Reason.PENDING, "the run that started it has not written that down yet")


def vouch(run: Run, call: Call, parent: Run | None) -> Vouched | Problem:
    """What the run has from its parent (None: there is none). Problems: NotAChild, or AWAITED."""
    no = Problem(
        Reason.NOT_A_CHILD,
        f"its owner, the run {call.run_name!r}, has not started it: create runs without an owner",
    )
    if parent is None or parent.uid != call.run_uid or run.name != call.name:
        return no
    record = of_status(parent.status).find(call.unit)
    if record is None or record.state is not StepState.RUNNING or record.tries != call.try_:
        return no
    named = child_uid(parent.name, parent.uid, call.unit, record)
    if named is None and record.job_uid is None:
        return AWAITED
    if named != run.uid:
        return no
    return Vouched(
        root_run_uid=parent.status.root_run_uid or parent.uid,
        call_path=_path(parent.status.call_path, call.unit, record.epoch or 0),
        depth=(parent.status.depth or 0) + 1,
    )


def _path(above: str | None, unit: Unit, epoch: int) -> str:
    """`settle/pay[3]`; with the epoch where the step began anew: that is another piece of work."""
    own = unit.name + (f"@{epoch}" if epoch else "")
    return f"{above}/{own}" if above else own
