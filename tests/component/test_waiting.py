"""Steps that wait, with the operator as a process: time, people, silence, and a missing policy."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, condition, jobs, start, verdict
from support import policy
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Object = dict[str, Any]
SAM, KIM, LEE = "sam@example.com", "kim@example.com", "lee@example.com"
APPROVERS = (SAM, KIM)


@pytest.fixture(scope="module")
def guarded(server: ApiServer, helm: Path) -> Iterator[ApiServer]:
    """The policy in force; sam and kim may approve, lee may make approvals only."""
    make = ("--verb=create", "--resource=workflowapprovals.workflow.do")
    server.kubectl("create", "role", "makes", *make)
    server.kubectl(
        "create", "role", "approves", "--verb=approve", "--resource=workflows.workflow.do"
    )
    everybody = [f"--user={name}" for name in (*APPROVERS, LEE)]
    server.kubectl("create", "rolebinding", "makes", "--role=makes", *everybody)
    approvers = [f"--user={name}" for name in APPROVERS]
    server.kubectl("create", "rolebinding", "approves", "--role=approves", *approvers)
    policy.install(server, helm)
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    yield server
    policy.remove(server, helm)


@pytest.fixture
def operator(guarded: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    with operating(guarded.kubeconfig, guarded.namespace, tmp_path / "operator.log") as process:
        yield process


@pytest.fixture
def kubelet(guarded: ApiServer) -> Kubelet:
    return Kubelet(str(guarded.kubeconfig), guarded.namespace)


def flow(server: ApiServer, *waits: Object) -> str:
    """A Workflow that waits, then acts."""
    name = f"flow-{uuid.uuid4().hex[:6]}"
    apply(server, "Workflow", name, {"steps": [*waits, {"id": "act", "action": "act"}]})
    return name


def ask(**spec: Any) -> Object:
    return {"id": "ok", "approval": spec}


def step(server: ApiServer, run: str, at: int = 0) -> Object:
    """The record of a step; empty before there is one."""
    rows = server.get("wfr", run).get("status", {}).get("steps", [])
    found: Object = rows[at] if rows else {}
    return found


def await_reason(server: ApiServer, run: str, reason: str) -> None:
    await_value(lambda: step(server, run).get("reason") == reason, f"{run} is {reason}", 20)


def decision(server: ApiServer, run: str, user: str, says: str = "Approve", **spec: Any) -> Object:
    raw = server.get("wfr", run)
    about = {"workflowName": raw["spec"]["workflowName"], "runName": run, "step": "ok"}
    who = {"runUID": raw["metadata"]["uid"], "decision": says, "approver": user}
    return {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowApproval",
        "metadata": {"generateName": "by-"},
        "spec": {**about, **who, **spec},
    }


def decide(server: ApiServer, run: str, user: str, says: str = "Approve", **spec: Any) -> None:
    given = decision(server, run, user, says, **spec)
    server.kubectl("create", f"--as={user}", "-f", "-", input=given)


@pytest.mark.usefixtures("operator")
def test_a_wait_makes_no_job_and_then_goes_on(guarded: ApiServer, kubelet: Kubelet) -> None:
    run = start(guarded, flow(guarded, {"id": "pause", "wait": {"seconds": 2}}))
    await_reason(guarded, run, "Waiting")
    assert jobs(guarded, run) == []

    kubelet.perform(run, "act", {})

    assert verdict(guarded, run) == ("True", "Succeeded")
    assert step(guarded, run)["output"] == {}


@pytest.mark.usefixtures("operator")
def test_two_people_approve_and_the_last_ones_data_is_the_output(
    guarded: ApiServer, kubelet: Kubelet
) -> None:
    run = start(guarded, flow(guarded, ask(message="Go?", required=2)))
    await_reason(guarded, run, "WaitingForApproval")
    refused = guarded.refused("create", f"--as={LEE}", "-f", "-", input=decision(guarded, run, LEE))
    assert "may not approve" in refused

    decide(guarded, run, SAM)
    decide(guarded, run, SAM)
    await_value(lambda: step(guarded, run)["approvals"], "one has approved", 10)
    await_value(lambda: "ignored" in step(guarded, run)["message"], "twice is told", 10)
    assert jobs(guarded, run) == []
    decide(guarded, run, KIM, data={"limit": 5})
    kubelet.perform(run, "act", {})

    assert verdict(guarded, run) == ("True", "Succeeded")
    assert [vote["approver"] for vote in step(guarded, run)["approvals"]] == [SAM, KIM]
    assert step(guarded, run)["output"] == {"limit": 5}


@pytest.mark.usefixtures("operator")
def test_a_rejection_and_silence_end_the_run(guarded: ApiServer) -> None:
    rejected = start(guarded, flow(guarded, ask()))
    silent = start(guarded, flow(guarded, ask(expiresSeconds=1)))
    await_reason(guarded, rejected, "WaitingForApproval")
    decide(guarded, rejected, KIM, "Reject", comment="no")

    assert verdict(guarded, rejected) == ("False", "ApprovalRejected")
    assert f"rejected by {KIM}: no" in condition(guarded, "wfr", rejected, "Succeeded")["message"]
    assert verdict(guarded, silent) == ("False", "ApprovalExpired")
    assert jobs(guarded, rejected) == jobs(guarded, silent) == []


def test_what_was_approved_while_no_operator_ran_counts(
    guarded: ApiServer, operator: OperatorProcess, kubelet: Kubelet
) -> None:
    run = start(guarded, flow(guarded, ask(expiresSeconds=5)))
    await_reason(guarded, run, "WaitingForApproval")
    operator.kill()
    decide(guarded, run, SAM)
    until = step(guarded, run)["waitUntil"]
    await_value(lambda: now(guarded) > until, "its time is over", 15)
    operator.start()
    kubelet.perform(run, "act", {})

    assert verdict(guarded, run) == ("True", "Succeeded")


def now(server: ApiServer) -> str:
    """The API server's time: that of an object made as a dry run."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "now"}}
    text = server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=made)
    time: str = json.loads(text)["metadata"]["creationTimestamp"]
    return time


def test_without_the_policy_nothing_is_approved(api_server: ApiServer, tmp_path: Path) -> None:
    namespace = f"naked-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", namespace)
    server = api_server.within(namespace)
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    with operating(server.kubeconfig, namespace, tmp_path / "operator.log"):
        run = start(server, flow(server, ask()))

        assert verdict(server, run) == ("False", "ApprovalUnprotected")
    assert "approvals.createPolicy" in condition(server, "wfr", run, "Succeeded")["message"]
    assert jobs(server, run) == []


def test_a_policy_that_goes_is_missed_before_an_approval_counts(
    guarded: ApiServer, operator: OperatorProcess, helm: Path
) -> None:
    run = start(guarded, flow(guarded, ask()))
    await_reason(guarded, run, "WaitingForApproval")
    policy.remove(guarded, helm)
    try:
        decide(guarded, run, KIM)

        assert verdict(guarded, run) == ("False", "ApprovalUnprotected")
    finally:
        policy.install(guarded, helm)
    assert operator.runs()
