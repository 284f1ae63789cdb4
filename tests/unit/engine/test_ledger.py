"""The ledger of a run: what is told of a changed one is what a new one would tell."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_do.api.run import CompensationStatus, HandlerStatus, ItemStatus, StepState, StepStatus
from workflow_do.engine.ledger import Ledger

ITEMS = (ItemStatus(), ItemStatus(state=StepState.FAILED))
UNDO = CompensationStatus(action="undo")
HANDLER = HandlerStatus(action="tell")


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": StepState.UNKNOWN}, id="ended"),
        pytest.param({"items": ITEMS}, id="its-list-is-known"),
        pytest.param({"items": None}, id="it-has-no-list"),
        pytest.param({"compensation": UNDO}, id="it-is-undone"),
    ],
)
def test_what_is_told_of_a_changed_ledger_is_what_it_holds(at: int, changes: Any) -> None:
    steps = (
        StepStatus(id="a"),
        StepStatus(id="b", items=ITEMS),
        StepStatus(id="c"),
        StepStatus(id="d", compensation=UNDO),
    )
    before = Ledger(steps, HANDLER)
    told = (before.units(), before.trouble(), before.newest_jobs())
    changed = before.put(steps[at].model_copy(update=changes))
    anew = Ledger(changed.steps, HANDLER)
    assert changed.units() == anew.units()
    assert changed.trouble() == anew.trouble()
    assert changed.next_step() == anew.next_step()
    assert (before.units(), before.trouble(), before.newest_jobs()) == told
