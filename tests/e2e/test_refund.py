"""The refund example as it is: an agent proposes, a person approves, an action acts.

People are impersonated by kubectl, so that the API server knows them by their names; the role is
that of the example.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.deploy import Failed

from support.bench import Bench, record, verdict, workflow

EXAMPLE = Path(__file__).parents[2] / "examples" / "refund"
CLI = Path(sys.executable).parent / "kubectl-workflow"
SAM, KIM = "sam@example.com", "kim@example.com"
[RUN] = yaml.safe_load_all((EXAMPLE / "run.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def desk(shared: Bench) -> Bench:
    """The example applied as it is."""
    for file in ("actions.yaml", "workflow.yaml", "approvers.yaml"):
        shared.kubectl("apply", "-f", str(EXAMPLE / file))
    return shared


def asked(desk: Bench, flow: str = "refund") -> str:
    """A run whose approval is waited for."""
    run = desk.start(flow, RUN["spec"]["trigger"]["body"])
    desk.kubectl(
        "wait",
        "--for=jsonpath={.status.steps[1].reason}=WaitingForApproval",
        f"workflowruns.workflow.do/{run}",
        "--timeout=60s",
    )
    return run


def decide(desk: Bench, run: str, user: str, says: str = "Approve", **spec: Any) -> None:
    """What somebody says with kubectl; Failed where the API server refuses it."""
    raw = desk.run(run)
    about = {"workflowName": raw["spec"]["workflowName"], "runName": run, "step": "approve"}
    who = {"runUID": raw["metadata"]["uid"], "decision": says, "approver": user}
    given = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowApproval",
        "metadata": {"generateName": f"{run}-"},
        "spec": {**about, **who, **spec},
    }
    desk.kubectl("create", f"--as={user}", "-f", "-", stdin=json.dumps(given))


def test_who_may_approves_and_the_action_acts_within_what_was_allowed(desk: Bench) -> None:
    run = asked(desk)
    waiting = record(desk.run(run), "approve")
    assert waiting["message"].startswith("Refund 80")
    assert waiting["message"].endswith(" for order A-1001 (arrived broken)?")
    assert [job["metadata"]["labels"]["workflow.do/step"] for job in desk.jobs(desk.run(run))] == [
        "propose"
    ]

    with pytest.raises(Failed, match=f"{KIM} (may not approve|cannot create)|cannot create"):
        decide(desk, run, KIM, data={"limit": 80})
    decide(desk, run, SAM, data={"limit": 50})
    ended = desk.finish(run)

    assert verdict(ended) == ("True", "Succeeded"), ended["status"]
    assert record(ended, "approve")["output"] == {"limit": 50}
    assert [vote["approver"] for vote in record(ended, "approve")["approvals"]] == [SAM]
    assert record(ended, "pay")["output"]["paid"] == 50


def test_who_may_not_approve_in_anothers_name(desk: Bench) -> None:
    run = asked(desk)
    raw = desk.run(run)
    forged = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowApproval",
        "metadata": {"name": "forged"},
        "spec": {
            "workflowName": "refund",
            "runName": run,
            "runUID": raw["metadata"]["uid"],
            "step": "approve",
            "decision": "Approve",
            "approver": KIM,
            "data": {"limit": 80},
        },
    }
    with pytest.raises(Failed, match=r"spec\.approver must be who makes the approval"):
        desk.kubectl("create", f"--as={SAM}", "-f", "-", stdin=json.dumps(forged))
    decide(desk, run, SAM, "Reject", comment="ask the customer first")
    ended = desk.finish(run)

    assert verdict(ended) == ("False", "ApprovalRejected")
    message = record(ended, "approve")["message"]
    assert message == f"rejected by {SAM}: ask the customer first"
    assert len(desk.jobs(ended)) == 1


def test_silence_pays_nothing(desk: Bench) -> None:
    flow = yaml.safe_load((EXAMPLE / "workflow.yaml").read_text(encoding="utf-8"))
    flow["metadata"]["name"] = "hasty-refund"
    flow["spec"]["steps"][1]["approval"]["expiresSeconds"] = 2
    desk.apply(flow)
    ended = desk.finish(desk.start("hasty-refund", RUN["spec"]["trigger"]["body"]))

    assert verdict(ended) == ("False", "ApprovalExpired")
    assert len(desk.jobs(ended)) == 1


def test_the_command_line_approves_as_whoever_calls_it(desk: Bench) -> None:
    run = asked(desk)
    given = ("approve", run, "--data", '{"limit": 10}', "-n", desk.namespace)
    done = subprocess.run(
        [CLI, *given], env=desk.cluster.env, text=True, capture_output=True, timeout=60
    )
    ended = desk.finish(run)

    assert done.stdout == f"run {run}: step approve approved; it goes on\n", done.stderr
    assert record(ended, "pay")["output"]["paid"] == 10


def test_each_item_of_a_list_is_decided_by_itself(desk: Bench) -> None:
    """By the command line, as its caller; no Job at all, and no wait for one."""
    asks: dict[str, Any] = {"id": "sign", "approval": {"message": "Refund {{ item }}?"}}
    asks["forEach"] = {"items": "{{ trigger.body }}"}
    desk.apply(workflow("refunds", asks, outputs={"signed": "{{ steps.sign.output }}"}))
    run = desk.start("refunds", [80, 20])
    desk.kubectl(
        "wait",
        "--for=jsonpath={.status.steps[0].reason}=WaitingForApproval",
        f"workflowruns.workflow.do/{run}",
        "--timeout=60s",
    )
    for item, limit in ((1, 10), (0, 50)):
        given = ("approve", run, "sign", "--item", str(item), "--data", f'{{"limit": {limit}}}')
        done = subprocess.run(
            [CLI, *given, "-n", desk.namespace],
            env=desk.cluster.env,
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert done.stdout.startswith(f"run {run}: step sign[{item}] approved"), done.stderr
    ended = desk.finish(run)

    assert ended["status"]["outputs"] == {"signed": [{"limit": 50}, {"limit": 10}]}
    assert desk.jobs(ended) == []
