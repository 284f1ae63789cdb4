"""Outputs too large for the status: where they go, and that none is lost or read wrongly."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from support.world import World, action, step, workflow
from workflow_do.api import names
from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.api.run import OutputRef, StepStatus
from workflow_do.engine import held, stored
from workflow_do.engine.effects import StoreData
from workflow_do.engine.facts import Refusal
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.outputs import LogEnd
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size

LARGE = {"rows": [{"n": n, "text": "x" * 60} for n in range(400)], "count": 400}
TEXT = "::output::" + json.dumps(LARGE)
COUNT = "{{ steps.a.output.count }}"


def world(*more: Any, **spec: Any) -> World:
    """A step with a large output, and two that read it (the last one as a whole)."""
    steps = (step("a", "speak"), step("b", n=COUNT), step("c", n="{{ steps.a.output.rows[7] }}"))
    speaker = action("speak", output={"source": "Logs"}, **spec)
    return World(workflow(*steps, *more), speaker, action("do-it"))


def given(w: World, text: str = TEXT) -> None:
    """The newest program ends well and has given this by its log."""
    pod = w.ends()
    w.outputs[pod["metadata"]["name"]] = LogEnd(text)


def run_a(w: World) -> None:
    w.reconcile()
    given(w)
    w.reconcile()


def input_of(w: World, id_: str) -> Any:
    [container] = w.job(id_)["spec"]["template"]["spec"]["containers"]
    return json.loads(next(e["value"] for e in container["env"] if e["name"] == "ACTION_INPUT"))


def test_a_large_output_stands_in_a_config_map_of_the_run() -> None:
    w = world()
    run_a(w)
    record = w.step("a")
    assert record["state"] == "Succeeded"
    assert "output" not in record
    [(name, made)] = w.maps.items()
    data = made["data"]["data.json"].encode()
    digest = hashlib.sha256(data).hexdigest()
    assert json.loads(data) == LARGE
    assert record["outputRef"] == {"name": name, "size": len(data), "sha256": digest}
    assert made["immutable"] is True
    assert made["metadata"]["labels"]["workflow.do/run-uid"] == "uid-run-1"
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("WorkflowRun", "uid-run-1", True)


def test_it_is_stored_before_the_status_refers_to_it() -> None:
    w = world()
    w.reconcile()
    given(w)
    planned = w.plan()
    [effect] = planned.effects
    assert isinstance(effect, StoreData)
    assert dump(planned.status)["steps"][0].get("outputRef") is None
    assert w.plan() == planned, "asked again, it is the same object"


def test_expressions_read_through_it() -> None:
    w = world()
    run_a(w)
    assert input_of(w, "b") == {"n": 400}
    w.ends()
    w.reconcile()
    assert input_of(w, "c") == {"n": {"n": 7, "text": "x" * 60}}
    w.ends()
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")
    assert "output" not in w.step("a")


def test_a_new_process_reads_it_again_and_only_if_it_must() -> None:
    w = world()
    run_a(w)
    w.looked_for = frozenset()
    assert w.plan().needs_held == set(w.maps)
    other = World(workflow(step("a", "speak"), step("b", n=1)), *w.actions.values())
    run_a(other)
    other.looked_for = frozenset()
    assert other.plan().needs_held == frozenset(), "nothing to come reads it"


@pytest.mark.parametrize("how", ["gone", "altered", "no-json"])
def test_an_output_that_is_lost_is_never_null(how: str) -> None:
    w = world()
    w.reconcile()
    given(w)
    w.reconcile()
    w.ends()
    [name] = w.maps
    if how == "gone":
        del w.maps[name]
    else:
        w.maps[name]["data"] = {"data.json": "{" if how == "no-json" else '{"rows":[]}'}
    w.reconcile()
    assert (w.step("c")["state"], w.step("c")["reason"]) == ("NotStarted", "OutputLost")
    assert "step a" in w.step("c")["message"]
    assert name in w.step("c")["message"]
    assert w.verdict() == ("False", "OutputLost")
    assert len(w.created) == 2


def test_a_lost_output_that_nothing_reads_does_no_harm() -> None:
    w = World(workflow(step("a", "speak"), step("b", n=1)), *world().actions.values())
    run_a(w)
    w.maps.clear()
    w.ends()
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")


def test_it_is_there_already_after_a_crash() -> None:
    w = world()
    w.reconcile()
    given(w)
    [effect] = w.plan().effects
    w.do(effect)
    w.looked_for = frozenset()  # killed between the two writes
    w.reconcile()
    assert w.step("a")["state"] == "Succeeded"
    assert len(w.maps) == 1


def test_it_proves_a_success_whose_pod_is_gone_since() -> None:
    """Killed between the two writes, and the Pod lost before anybody looked again."""
    w = world()
    w.reconcile()
    given(w)
    w.do(w.plan().effects[0])
    w.looked_for = frozenset()
    w.pods.clear()
    w.jobs[w.created[0]]["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    w.reconcile()
    assert w.step("a")["state"] == "Succeeded"
    assert input_of(w, "b") == {"n": 400}


@pytest.mark.parametrize("what", ["nothing", "other-job", "other-run", "not-immutable"])
def test_nothing_else_proves_it(what: str) -> None:
    w = world()
    w.reconcile()
    given(w)
    w.do(w.plan().effects[0])
    [made] = w.maps.values()
    if what == "nothing":
        w.maps.clear()
    elif what == "other-job":
        made["metadata"]["annotations"]["workflow.do/job-uid"] = "job-9"
    elif what == "other-run":
        made["metadata"]["ownerReferences"][0]["uid"] = "uid-run-9"
    else:
        made["immutable"] = False
    w.looked_for = frozenset()
    w.jobs.clear()
    w.pods.clear()
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "JobLost")


@pytest.mark.parametrize("what", ["content", "owner", "job"])
def test_an_object_of_somebody_else_is_not_adopted(what: str) -> None:
    w = world()
    w.reconcile()
    given(w)
    w.do(w.plan().effects[0])
    [made] = w.maps.values()
    if what == "content":
        made["data"] = {"data.json": "{}"}
    elif what == "owner":
        made["metadata"]["ownerReferences"] = []
    else:
        made["metadata"]["annotations"] = {}
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "NameConflict")


def test_a_refusal_is_waited_for_and_shown() -> None:
    w = world()
    w.reconcile()
    given(w)
    name = w.plan().effects[0].name  # type: ignore[union-attr]
    w.refusals[name] = Refusal(Reason.DATA_NOT_STORED, "HTTP 403: exceeded quota")
    w.reconcile()
    assert w.step("a")["state"] == "Running"
    assert w.step("a")["reason"] == "DataNotStored"
    del w.refusals[name]
    w.tick(250)
    w.reconcile()
    assert w.step("a")["state"] == "Succeeded"
    assert "reason" not in w.step("a")


def test_a_refusal_for_good_ends_the_step() -> None:
    w = world()
    w.reconcile()
    given(w)
    name = w.plan().effects[0].name  # type: ignore[union-attr]
    w.refusals[name] = Refusal(Reason.DATA_NOT_STORED, "HTTP 403: exceeded quota")
    w.reconcile()
    w.tick(301)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "DataNotStored")
    assert "quota" in w.step("a")["message"]


def failed_after(w: World) -> World:
    """The run failed at b; a new run retries it."""
    run_a(w)
    w.ends(code=1)
    w.reconcile()
    assert w.completed
    again = w.retry()
    again.maps = w.maps
    return again


def test_a_retry_takes_a_copy_of_its_own() -> None:
    w = world()
    again = failed_after(w)
    again.reconcile()
    ref = again.step("a")["outputRef"]
    assert again.step("a")["state"] == "Succeeded"
    assert again.step("a")["takenOver"] is True
    assert ref["sha256"] == w.step("a")["outputRef"]["sha256"]
    assert ref["name"] != w.step("a")["outputRef"]["name"]
    assert again.maps[ref["name"]]["metadata"]["ownerReferences"][0]["uid"] == "uid-run-2"
    del again.maps[w.step("a")["outputRef"]["name"]]  # the first run is deleted
    assert input_of(again, "b") == {"n": 400}
    again.ends()
    again.reconcile()
    assert input_of(again, "c") == {"n": {"n": 7, "text": "x" * 60}}


def test_a_retry_whose_original_is_gone_runs_nothing_twice() -> None:
    again = failed_after(world())
    again.maps = {}
    again.reconcile()
    assert (again.step("a")["state"], again.step("a")["reason"]) == ("NotStarted", "OutputLost")
    assert again.created == []


def test_small_outputs_stand_in_the_status_until_there_is_no_room() -> None:
    """40 outputs of 4 KB are more than the 128 KiB that there are."""
    ids = [f"s{at}" for at in range(40)]
    w = World(workflow(*map(step, ids)), action("do-it"))
    text = json.dumps({"t": "x" * 4000})
    for _ in ids:
        w.reconcile()
        w.ends(text)
    w.reconcile()
    assert w.verdict() == ("True", "Succeeded")
    kinds = ["outputRef" if "outputRef" in s else "output" for s in w.status["steps"]]
    assert kinds == sorted(kinds), "first in the status, then not any more"
    assert 28 <= kinds.count("output") <= 32
    kept = [{k: v for k, v in s.items() if k.startswith("output")} for s in w.status["steps"]]
    assert stored_size(kept) <= names.MAX_INLINE_OUTPUTS_BYTES + 40 * len('"output":{},')


def record(at: int, **more: Any) -> StepStatus:
    return StepStatus.model_validate({"id": f"s{at}", "action": "a", **more})


FULL = {"t": "x" * 4000}
REF = {"name": "n" * 42, "size": 262144, "sha256": "0" * 64}


def test_a_reference_is_no_larger_than_what_is_kept_for_it() -> None:
    ref = dump(OutputRef.model_validate(REF))
    assert len(held.encode({"outputRef": ref})) <= stored._REF_BYTES
    place = held.Place(
        "w" * 50, "r" * 63, "n", "u" * 36, Unit(Role.DO, "s" * 40), 110, held.Use.OUTPUT
    )
    assert len(place.name) <= 42


ROOM: list[Any] = [
    pytest.param(Ledger((record(0),)), {"t": "x" * 100}, True, id="tiny"),
    pytest.param(Ledger((record(0),)), FULL, True, id="small"),
    pytest.param(Ledger((record(0),)), {"t": "x" * 17_000}, False, id="large"),
    pytest.param(Ledger(tuple(record(at) for at in range(690))), FULL, False, id="many-to-come"),
    pytest.param(Ledger(tuple(record(at) for at in range(690))), {"n": 1}, True, id="tiny-of-many"),
    pytest.param(
        Ledger(tuple(record(at, state="Succeeded", outputRef=REF) for at in range(682))),
        FULL,
        Reason.OUTPUT_TOO_LARGE,
        id="no-room-for-a-reference",
    ),
    pytest.param(
        Ledger((record(0, state="Succeeded", outputRef={**REF, "size": 33_500_000}),)),
        {"t": "x" * 100_000},
        Reason.OUTPUT_TOO_LARGE,
        id="all-that-one-run-may-store",
    ),
    pytest.param(
        Ledger((record(0),)),
        {"n": [1e15] * 20_000},
        Reason.OUTPUT_TOO_LARGE,
        id="numbers-written-out",
    ),
]


@pytest.mark.parametrize(("ledger", "output", "expected"), ROOM)
def test_where_an_output_goes(ledger: Ledger, output: Any, expected: Any) -> None:
    found = stored.stands_inline(ledger, output)
    assert (found.reason if isinstance(found, Problem) else found) == expected


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"data": None, "metadata": None}, id="nulls"),
        pytest.param({"data": {"data.json": 7}, "metadata": {"ownerReferences": None}}, id="types"),
        pytest.param({"data": {"data.json": "\ud800"}}, id="half-a-pair"),
        pytest.param({"data": {"data.json": "[1]"}}, id="no-object"),
    ],
)
def test_any_object_is_a_fact(raw: Any) -> None:
    assert held.parse_held(raw).value is None


def test_an_undo_reads_the_output_of_what_it_undoes() -> None:
    undo = {"action": "undo", "input": {"n": "{{ output.count }}", "i": "{{ input.v }}"}}
    steps = (step("a", "speak", v=1), step("b", "speak", v=COUNT), step("c"))
    speaker = action("speak", output={"source": "Logs"}, compensate=undo)
    w = World(workflow(*steps), speaker, action("do-it"), action("undo"))
    run_a(w)
    given(w)
    w.reconcile()
    w.ends(code=1)
    w.looked_for = frozenset()
    w.reconcile()
    assert input_of(w, "b") == {"n": 400, "i": 400}, "the newest Job of b is its undo"
    w.ends("x" * 5000)
    w.reconcile()
    w.ends()
    w.reconcile()
    assert w.completed
    assert len(w.maps) == 2, "an undo gives nothing"


def test_an_undo_that_lost_what_it_needs_says_so() -> None:
    undo = {"action": "undo", "input": {"n": "{{ output.count }}"}}
    speaker = action("speak", output={"source": "Logs"}, compensate=undo)
    w = World(workflow(step("a", "speak"), step("b")), speaker, action("do-it"), action("undo"))
    run_a(w)
    w.ends(code=1)
    w.maps.clear()
    w.reconcile()
    assert w.step("a")["compensation"]["reason"] == "OutputLost"
    rows = {c["type"]: (c["status"], c["reason"]) for c in w.status["conditions"]}
    assert rows["Compensated"] == ("False", "CompensationFailed")


def test_items_have_a_name_each() -> None:
    units = [Unit(Role.DO, "s", item) for item in (None, 0, 1, 10)]
    names_ = {held.Place("w", "r", "n", "u", u, 1, held.Use.OUTPUT).name for u in units}
    assert len(names_) == len(units)


def test_large_outputs_of_items_are_stored_one_by_one_and_read_as_a_list() -> None:
    each = {"id": "a", "action": "speak", "forEach": {"items": "{{ [1, 2, 3] }}"}, "input": {}}
    speaker = action("speak", output={"source": "Logs"})
    later = step("b", n="{{ steps.a.output | map(attribute='count') | list }}")
    w = World(workflow(each, later), speaker, action("do-it"))
    w.reconcile()
    for job in list(w.jobs.values()):
        pod = w.ends(job=job)
        w.outputs[pod["metadata"]["name"]] = LogEnd(TEXT)
    w.looked_for = frozenset()
    w.reconcile()
    refs = [item["outputRef"]["name"] for item in w.step("a")["items"]]
    assert len(set(refs)) == 3
    assert input_of(w, "b") == {"n": [400, 400, 400]}
