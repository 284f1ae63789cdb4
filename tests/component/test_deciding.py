"""`kubectl workflow approve` and `reject` on a real API server; the test plays the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from component.player import Cluster, namespace_on
from component.program import FLOW, add_workflow, kubectl_workflow
from component.server import ApiServer
from unit.cli import runs
from workflow_do.sdk.client import APPROVALS, Selection
from workflow_do.sdk.runs import start_run

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
Object = dict[str, Any]


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[Cluster]:
    """A namespace of its own on the API server, with the Workflow in it."""
    with namespace_on(api_server) as made:
        add_workflow(made, FLOW)
        yield made


def waiting(id_: str = "Approve_it", *approvers: str, required: int = 1) -> Object:
    votes = [
        {"approver": name, "approvalName": f"by-{at}", "time": "2026-01-31T08:00:00Z"}
        for at, name in enumerate(approvers)
    ]
    waits = {"state": "Running", "approvalsRequired": required, "approvals": votes}
    return {"id": id_, "tries": 0, "attempts": 0, **waits}


def items(id_: str, *waiting_: int) -> Object:
    """A step of three items, of which some wait for approval."""
    done = {"state": "Succeeded", "tries": 0, "attempts": 0}
    asked = {**done, "state": "Running", "approvals": []}
    rows = [asked if at in waiting_ else done for at in range(3)]
    return {"id": id_, **asked, "approvalsRequired": 2, "items": rows}


def started(cluster: Cluster, *steps: Object) -> str:
    """A run with these steps; its uid."""
    made = start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1", body=runs.BODY)
    if steps:
        cluster.write_status("r1", {"steps": list(steps)})
    return made.uid


def made(cluster: Cluster) -> list[Object]:
    return cluster.client.list_all(Selection(APPROVALS, cluster.namespace))[0]


def test_approving_makes_one_in_my_name_that_goes_with_the_run(cluster: Cluster) -> None:
    uid = started(cluster, waiting())

    done = kubectl_workflow(cluster, "approve", "r1", "-m", "fine", "--data", '{"limit": 5}')

    assert (done.returncode, done.stdout) == (0, "run r1: step Approve_it approved; it goes on\n")
    assert f"kubectl workflow watch r1 -n {cluster.namespace}" in done.stderr
    [found] = made(cluster)
    assert found["metadata"]["name"].startswith("r1-approve-it-")
    assert [o["uid"] for o in found["metadata"]["ownerReferences"]] == [uid]
    assert found["spec"] == {
        "workflowName": FLOW,
        "runName": "r1",
        "runUID": uid,
        "step": "Approve_it",
        "decision": "Approve",
        "approver": cluster.client.whoami(),
        "comment": "fine",
        "data": {"limit": 5},
    }


def test_one_of_several_says_how_many_are_missing(cluster: Cluster) -> None:
    started(cluster, waiting("ok", "kim@example.com", required=3))

    done = kubectl_workflow(cluster, "approve", "r1")

    assert done.stdout == "run r1: step ok approved; 1 more to come\n"


def test_one_item_is_decided_by_itself(cluster: Cluster) -> None:
    started(cluster, waiting("ok"), items("each", 1, 2))

    done = kubectl_workflow(cluster, "approve", "r1", "each", "--item", "2")
    assert done.stdout == "run r1: step each[2] approved; 1 more to come\n"
    no = kubectl_workflow(cluster, "reject", "r1", "--item", "1")
    assert no.stdout == "run r1: step each[1] rejected; it ends as failed\n"

    said = {(a["spec"]["step"], a["spec"]["item"], a["spec"]["decision"]) for a in made(cluster)}
    assert said == {("each", 2, "Approve"), ("each", 1, "Reject")}


def test_rejecting(cluster: Cluster) -> None:
    started(cluster, waiting("ok"), waiting("other"))

    done = kubectl_workflow(cluster, "reject", "r1", "other", "--comment", "no")

    assert done.stdout == "run r1: step other rejected; it ends as failed\n"
    assert [(a["spec"]["decision"], a["spec"]["step"]) for a in made(cluster)] == [
        ("Reject", "other")
    ]


ME = "me"
DONE = {"id": "ok", "state": "Succeeded", "approvalsRequired": 1}


@pytest.mark.parametrize(
    ("steps", "arguments", "said"),
    [
        pytest.param((), (), "does not wait for approval", id="not begun"),
        pytest.param((DONE,), (), "does not wait for approval", id="decided"),
        pytest.param((DONE,), ("ok",), "does not wait for approval at step ok", id="this one"),
        pytest.param((DONE, waiting("b")), ("ok",), "at step ok, but at b", id="another one does"),
        pytest.param((waiting("ok"),), ("nope",), "has no step 'nope'", id="no such step"),
        pytest.param(
            (waiting("a"), waiting("b")), (), "at several places: name one of a, b", id="which"
        ),
        pytest.param(
            (items("each", 1, 2),), (), "several places: name one of each[1], each[2]", id="items"
        ),
        pytest.param(
            (items("each", 1, 2),),
            ("each", "--item", "0"),
            "does not wait for approval at step each for item 0, but at each[1], each[2]",
            id="item",
        ),
        pytest.param(
            (waiting("ok"),),
            ("ok", "--item", "0"),
            "at step ok for item 0, but at ok",
            id="no item",
        ),
        pytest.param((waiting("ok", ME),), (), "has your approval", id="twice"),
        pytest.param(
            (waiting("ok"),), ("--data", "[1]"), "--data: must be a JSON object", id="a list"
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_made(
    cluster: Cluster, steps: tuple[Object, ...], arguments: tuple[str, ...], said: str
) -> None:
    for step in steps:
        for vote in step.get("approvals", ()):
            vote["approver"] = cluster.client.whoami() if vote["approver"] == ME else ""
    started(cluster, *steps)

    done = kubectl_workflow(cluster, "approve", "r1", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert made(cluster) == []
