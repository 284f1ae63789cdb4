"""What a run gives, where it reads outputs too large for the status."""

from __future__ import annotations

import json

import pytest

from support.world import World, action, step, workflow
from workflow_do.engine.outputs import LogEnd

LARGE = {"rows": [{"n": n, "text": "x" * 60} for n in range(400)], "count": 400}


@pytest.mark.parametrize("is_there", [True, False])
def test_the_outputs_of_the_run_read_what_no_other_step_does(is_there: bool) -> None:
    """The last step to end reads nothing of it, and is not on record as ended before the run is."""
    gives = {"count": "{{ steps.a.output.count }}", "all": "{{ steps.a.output }}"}
    flow = workflow(step("a", "speak"), step("b", n=1), outputs=gives)
    w = World(flow, action("speak", output={"source": "Logs"}), action("do-it"))
    w.reconcile()
    w.outputs[w.ends()["metadata"]["name"]] = LogEnd("::output::" + json.dumps(LARGE))
    w.reconcile()
    assert "outputRef" in w.step("a")
    w.ends()
    if not is_there:
        w.maps.clear()
    w.reconcile()
    if is_there:
        assert w.verdict() == ("True", "Succeeded")
        assert w.status["outputs"] == {"count": 400, "all": LARGE}
    else:
        assert w.verdict() == ("False", "OutputLost")
