"""The ledger of a run that has not begun: what it takes over from the run that it is a retry of."""

from __future__ import annotations

from typing import Any, Final

from workflow_do.api.run import ItemStatus, StepState, StepStatus
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.facts import Run
from workflow_do.engine.identity import Unit, job_name
from workflow_do.engine.kin import child_uid
from workflow_do.engine.ledger import Ledger

_MAY_HAVE_UNDONE: Final = frozenset(set(StepState) - {StepState.PENDING, StepState.NOT_STARTED})


def opening(definition: Definition, original: Run | None, alike: frozenset[str]) -> Ledger:
    """The ledger of a run that has not begun: every step Pending, in order.

    In a retry, a step that succeeded in the original run keeps its output and the hash of its
    input: it is taken over when its turn comes, if it would get the same input again.
    """
    before = {s.id: s for s in original.status.steps} if original is not None else {}
    return Ledger(
        tuple(
            _opened(s, before.get(s.unit.step), s.unit.step in alike, original)
            for s in definition.steps
        )
    )


def _opened(
    unit: UnitDef, before: StepStatus | None, alike: bool, original: Run | None
) -> StepStatus:
    """Pending. The epoch never falls; the hash of an input stands for one that succeeded."""
    fresh = StepStatus(
        id=unit.unit.step,
        action=unit.action.name or None,
        workflow=unit.child.name if unit.child is not None else None,
        on_error="Continue" if unit.lenient else None,
    )
    if before is None or original is None:
        return fresh
    if before.workflow != fresh.workflow:
        return fresh.model_copy(update={"epoch": before.epoch})
    items = before.items
    if items is not None and unit.items is not None:
        units = (unit.of_item(at).unit for at in range(len(items)))
        rows = zip(units, items, strict=True)
        kept_items = tuple(ItemStatus(**_kept(one, item, alike, original)) for one, item in rows)
        return fresh.model_copy(update={"items": kept_items})
    return fresh.model_copy(update=_kept(unit.unit, before, alike, original))


def _kept(
    unit: Unit, before: StepStatus | ItemStatus, alike: bool, original: Run
) -> dict[str, Any]:
    """What the record of a unit in the run before says of its next one.

    What was undone, or may have been, runs again as another piece of work.
    """
    undo = before.compensation
    if undo is not None and undo.state in _MAY_HAVE_UNDONE:
        return {"epoch": (before.epoch or 0) + 1}
    not_run = (StepState.PENDING, StepState.SKIPPED)
    waits = before.state in not_run and before.input_hash is not None
    if before.state is not StepState.SUCCEEDED and not waits:
        return {"epoch": before.epoch, **_child_before(unit, before, original)}
    kept: dict[str, Any] = {"input_hash": before.input_hash, "epoch": before.epoch}
    if alike and (before.state is StepState.SUCCEEDED or before.taken_over):
        given = {"output": before.output, "output_ref": before.output_ref}
        kept |= {**given, "taken_over": True}
    return kept


def _child_before(unit: Unit, before: StepStatus | ItemStatus, original: Run) -> dict[str, Any]:
    """The child run that did something and did not succeed: the next one is a retry of it. So it is
    where this one was to be a retry of it, and never came to that.
    """
    own = child_uid(original.name, original.uid, unit, before)
    nothing_done = own is not None and before.state is StepState.NOT_STARTED
    if before.run_uid is None or before.state is StepState.SUCCEEDED or nothing_done:
        return {}
    name = before.run_name or job_name(original.name, original.uid, unit, before.tries)
    return {"run_uid": before.run_uid, "run_name": name}
