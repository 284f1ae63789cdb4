"""An operator whose clock is minutes ahead of the API server's, or behind it: nothing is too early
or too late by that, and no time that it writes is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, condition, start, verdict
from component.test_waiting import SAM, ask, await_reason, decide, flow, guarded, now, step
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, noise

__all__ = ["guarded"]
pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
MINUTES = 5
TESTS = Path(__file__).parents[1]


@pytest.fixture(params=[MINUTES * 60, -MINUTES * 60], ids=["ahead", "behind"])
def operator(
    guarded: ApiServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OperatorProcess]:
    """An operator of the module's namespace, minutes off. It must make no noise."""
    off = {"SKEW_SECONDS": str(request.param), "PYTHONPATH": str(TESTS)}
    process = OperatorProcess(guarded.kubeconfig, guarded.namespace, tmp_path / "log", off)
    try:
        process.start(module="support.skewed")
        yield process
    finally:
        process.close()
    assert noise(process) == []


def seconds(first: str, then: str) -> float:
    return (datetime.fromisoformat(then) - datetime.fromisoformat(first)).total_seconds()


def record(server: ApiServer, run: str, id_: str) -> dict[str, Any]:
    rows = server.get("wfr", run)["status"]["steps"]
    return next(row for row in rows if row["id"] == id_)


@pytest.mark.usefixtures("operator")
def test_waits_approvals_and_start_deadlines_are_by_the_api_servers_clock(
    guarded: ApiServer,
) -> None:
    apply(guarded, "Action", "act", {"image": "example.com/x:1", "startDeadlineSeconds": 3})
    pause = {"id": "pause", "wait": {"seconds": 2}}
    run = start(guarded, flow(guarded, pause, ask(expiresSeconds=60)))
    await_value(lambda: len(guarded.get("wfr", run).get("status", {}).get("steps", ())), "pinned")
    await_value(lambda: step(guarded, run, 1).get("reason") == "WaitingForApproval", "asked")
    began = record(guarded, run, "ok")["startTime"]
    await_value(lambda: seconds(began, now(guarded)) >= 1, "the clocks agree that it has begun")

    decide(guarded, run, SAM)

    status, reason = verdict(guarded, run)
    assert (status, reason) == ("False", "StartDeadlineExceeded")
    paused, approved, late = (record(guarded, run, id_) for id_ in ("pause", "ok", "act"))
    assert approved["state"] == "Succeeded", "made after it began to wait, and before its expiry"
    assert 2 <= seconds(paused["startTime"], paused["completionTime"]) <= 6
    assert 3 <= seconds(late["startTime"], late["completionTime"]) <= 10
    made = guarded.get("wfr", run)["metadata"]["creationTimestamp"]
    assert 0 <= seconds(made, guarded.get("wfr", run)["status"]["startTime"]) <= 5
    ended = condition(guarded, "wfr", run, "Completed")["lastTransitionTime"]
    assert -1 <= seconds(ended, now(guarded)) <= 10


@pytest.mark.usefixtures("operator")
def test_a_program_is_stopped_when_its_steps_time_is_up(
    guarded: ApiServer, kubelet: Kubelet
) -> None:
    apply(guarded, "Action", "long", {"image": "example.com/x:1"})
    steps = [{"id": "long", "action": "long", "activeDeadlineSeconds": 4}]
    apply(guarded, "Workflow", "long", {"steps": steps})
    run = start(guarded, "long")
    pod = kubelet.await_pod(run, "long")
    kubelet.start(pod)
    began = now(guarded)

    def stopped() -> bool:
        (found,) = kubelet.pods(run, "long")
        return bool(found["spec"].get("activeDeadlineSeconds") == 1)

    await_value(stopped, "its deadline is shortened", 15)
    assert 2 <= seconds(began, now(guarded)) <= 9
    kubelet.end(pod, exit_code=137)
    kubelet.settle(pod, failed=True, reason="DeadlineExceeded")

    assert verdict(guarded, run) == ("False", "StepDeadlineExceeded")


@pytest.mark.usefixtures("operator")
def test_silence_lasts_as_long_as_it_should(guarded: ApiServer) -> None:
    run = start(guarded, flow(guarded, ask(expiresSeconds=3)))
    await_reason(guarded, run, "WaitingForApproval")

    assert verdict(guarded, run) == ("False", "ApprovalExpired")

    asked = step(guarded, run)
    assert 3 <= seconds(asked["startTime"], asked["completionTime"]) <= 8
