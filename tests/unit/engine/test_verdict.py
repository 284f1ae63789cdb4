"""The verdict on a try, as tables: what the Pod shows, what is said of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.world import START, World, action, step, workflow
from workflow_do.engine.timestamps import stamp


def at(seconds: float) -> str:
    """A time after the start of the run, as Kubernetes writes it."""
    return stamp(START + timedelta(seconds=seconds))


def world(**spec: Any) -> World:
    """One running step and no handler."""
    w = World(workflow(step("a")), action("do-it", **spec))
    w.reconcile()
    return w


def ended(code: int = 0, reason: str = "Completed", finished: float = 10, message: str = "") -> Any:
    """Container statuses of a container that has ended."""
    state = {"exitCode": code, "reason": reason, "message": message}
    state |= {"startedAt": at(1), "finishedAt": at(finished)}
    return [{"name": "action", "state": {"terminated": state}}]


def waiting(reason: str, message: str = "no such thing") -> Any:
    """Container statuses of a container that cannot begin."""
    return [{"name": "action", "state": {"waiting": {"reason": reason, "message": message}}}]


def not_found(**row: Any) -> Any:
    """What a kubelet of 1.34 reports of a container that it cannot find (seen)."""
    message = "The container could not be located when the pod was terminated"
    state = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": message}
    state |= {"startedAt": None, "finishedAt": None}
    return [{"name": "action", "restartCount": 0, "state": {"terminated": state}, **row}]


RUNS = {"running": {"startedAt": at(1)}}
DRAINED = [{"type": "DisruptionTarget", "status": "True", "message": "drained"}]
LOST_BEFORE = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
SIDECAR = {"name": "a-sidecar", "state": {"terminated": {"exitCode": 1, "finishedAt": at(1)}}}

ENDED = [
    pytest.param({"containerStatuses": ended()}, "Succeeded", None, id="empty-output"),
    pytest.param({"containerStatuses": [SIDECAR, *ended()]}, "Succeeded", None, id="sidecar-first"),
    pytest.param({"containerStatuses": ended(3, "Error")}, "Failed", "ExitCode", id="exit-code"),
    pytest.param(
        {"containerStatuses": ended(message="[]")}, "Unknown", "OutputInvalid", id="array"
    ),
    pytest.param(
        {"containerStatuses": ended(message="{")}, "Unknown", "OutputInvalid", id="no-json"
    ),
    pytest.param(
        {"containerStatuses": ended(message='{"a":"' + "x" * 4088 + '"}')},
        "Unknown",
        "OutputTooLarge",
        id="4096-bytes",
    ),
    pytest.param({"containerStatuses": ended(137, "OOMKilled")}, "Unknown", "OOMKilled", id="oom"),
    pytest.param(
        {"containerStatuses": ended(128, "StartError")}, "NotStarted", "StartError", id="no-command"
    ),
    pytest.param(
        {"containerStatuses": ended(137, "ContainerStatusUnknown")},
        "Unknown",
        "NodeLost",
        id="status-unknown",
    ),
    pytest.param(
        {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": ended(137, "Error")},
        "Unknown",
        "DeadlineExceeded",
        id="deadline-killed",
    ),
    pytest.param(
        {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": ended(0)},
        "Unknown",
        "DeadlineExceeded",
        id="deadline-trapped",
    ),
    pytest.param(
        {
            "conditions": [{"type": "DisruptionTarget", "status": "True", "message": "drained"}],
            "containerStatuses": ended(0),
        },
        "Unknown",
        "Evicted",
        id="evicted-trapped",
    ),
    pytest.param(
        {
            "phase": "Failed",
            "reason": "DeadlineExceeded",
            "containerStatuses": waiting("ContainerCreating"),
        },
        "NotStarted",
        "DeadlineExceeded",
        id="deadline-before-it-began",
    ),
    pytest.param(
        {"phase": "Failed", "conditions": DRAINED, "containerStatuses": not_found()},
        "Retrying",
        "Evicted",
        id="evicted-and-never-was",
    ),
    pytest.param(
        {"phase": "Failed", "containerStatuses": not_found()},
        "Retrying",
        "NodeLost",
        id="never-was-and-nobody-says-why",
    ),
    pytest.param(
        {"conditions": DRAINED, "containerStatuses": not_found(containerID="containerd://1")},
        "Unknown",
        "Evicted",
        id="evicted-and-had-an-id",
    ),
    pytest.param(
        {"containerStatuses": not_found(restartCount=1, lastState=LOST_BEFORE)},
        "Unknown",
        "NodeLost",
        id="used-to-be-running",
    ),
    pytest.param(
        {"phase": "Failed", "reason": "OutOfcpu", "message": "no cpu"},
        "NotStarted",
        "PodNotCreated",
        id="kubelet-refuses",
    ),
]


@pytest.mark.parametrize(("status", "state", "reason"), ENDED)
def test_how_a_try_ends(status: dict[str, Any], state: str, reason: str | None) -> None:
    w = world()
    w.pod(**status)
    w.tick(20)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record.get("reason")) == (state, reason)


DELETED = [
    pytest.param(10, 10, 0, "Unknown", "PodDeleted", id="asked-before-the-end"),
    pytest.param(10, 15, 0, "Unknown", "PodDeleted", id="trapped-term"),
    pytest.param(10, 9, 0, "Succeeded", None, id="ended-before-it-was-asked"),
    pytest.param(10, 9, 4, "Failed", "ExitCode", id="failed-before-it-was-asked"),
]


@pytest.mark.parametrize(("asked", "finished", "code", "state", "reason"), DELETED)
def test_a_pod_deleted_by_hand(
    asked: float, finished: float, code: int, state: str, reason: str | None
) -> None:
    w = world()
    pod = w.pod(containerStatuses=ended(code, "Completed", finished))
    pod["metadata"] |= {"deletionTimestamp": at(asked + 30), "deletionGracePeriodSeconds": 30}
    w.tick(20)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record.get("reason")) == (state, reason)


def test_a_job_deleted_by_hand_waits_for_its_container() -> None:
    w = world()
    pod = w.runs()
    w.jobs.clear()
    pod["metadata"] |= {"deletionTimestamp": at(40), "deletionGracePeriodSeconds": 30}
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"
    pod["status"]["containerStatuses"] = ended(0, "Completed", 15)
    w.tick(16)
    w.reconcile()
    assert w.status["steps"][0]["reason"] == "JobLost"


def test_no_verdict_on_an_end_at_the_deadline_before_the_phase_tells() -> None:
    w = world(activeDeadlineSeconds=10)
    w.pod(containerStatuses=ended(0, "Completed", 10))["spec"]["activeDeadlineSeconds"] = 10
    w.tick(10)
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert w.status["steps"][0]["reason"] == "DeadlineExceeded"


def test_a_disrupted_container_that_still_runs_has_no_verdict() -> None:
    w = world()
    w.runs()["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"


STUCK = [
    pytest.param({"containerStatuses": waiting("ErrImagePull")}, True, "ImagePull", id="pull"),
    pytest.param(
        {"containerStatuses": waiting("ImagePullBackOff")}, True, "ImagePull", id="backoff"
    ),
    pytest.param(
        {"containerStatuses": waiting("CreateContainerConfigError")},
        True,
        "ContainerConfig",
        id="config",
    ),
    pytest.param(
        {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes",
                }
            ]
        },
        False,
        "Unschedulable",
        id="unschedulable",
    ),
    pytest.param(
        {"containerStatuses": waiting("ContainerCreating", "")},
        True,
        "StartDeadlineExceeded",
        id="slow",
    ),
]


@pytest.mark.parametrize(("status", "bound", "reason"), STUCK)
def test_what_cannot_begin_is_shown_at_once_and_stopped_at_the_start_deadline(
    status: dict[str, Any], bound: bool, reason: str
) -> None:
    w = world(startDeadlineSeconds=30)
    w.pod(bound=bound, **status)
    w.tick(3)
    w.reconcile()
    shown = w.status["steps"][0].get("reason")
    assert shown == (None if reason == "StartDeadlineExceeded" else reason)
    w.tick(27)
    w.reconcile()
    record = w.status["steps"][0]
    assert record["stopReason"] == reason
    if bound:
        assert record["state"] == "Running"
        assert w.pod()["spec"]["activeDeadlineSeconds"] == 1
        w.pod(phase="Failed", reason="DeadlineExceeded")
        w.reconcile()
        record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("NotStarted", reason)
    assert "30 s" in record["message"]
    assert w.verdict() == ("False", reason)


def test_why_it_is_stopped_is_written_before_it_is_stopped() -> None:
    w = world(startDeadlineSeconds=30)
    w.pod(containerStatuses=waiting("ErrImagePull"))
    w.tick(30)
    first = w.plan()
    assert first.effects == ()
    assert first.status.steps[0].stop_reason == "ImagePull"
    w.write(first)
    assert len(w.plan().effects) == 1


def test_a_container_that_began_after_all_while_being_stopped_is_unknown() -> None:
    w = world(startDeadlineSeconds=30)
    w.pod(containerStatuses=waiting("ErrImagePull"))
    w.tick(30)
    w.reconcile()
    w.pod(phase="Failed", reason="DeadlineExceeded", containerStatuses=ended(0, finished=31))
    w.tick(2)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Unknown", "ImagePull")


def test_of_one_reason_the_first_message_stays() -> None:
    w = world()
    w.pod(containerStatuses=waiting("ErrImagePull", "pull failed"))
    w.reconcile()
    w.pod(containerStatuses=waiting("ImagePullBackOff", "Back-off pulling"))
    w.reconcile()
    assert w.status["steps"][0]["message"] == "pull failed"


LOST = [
    pytest.param({"conditions": [{"type": "Failed", "status": "True"}]}, id="failed"),
    pytest.param({"conditions": [{"type": "Complete", "status": "True"}]}, id="complete"),
]


@pytest.mark.parametrize("status", LOST)
def test_an_ended_job_whose_pod_is_gone_is_lost(status: dict[str, Any]) -> None:
    w = world()
    w.job()["status"] = status
    assert w.plan(live=False).needs_live
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Unknown", "JobLost")


@pytest.mark.parametrize("number", [1, 2], ids=["under-its-own-name", "as-another-try"])
def test_a_late_job_of_a_finished_run_is_stopped(number: int) -> None:
    w = World(workflow(step("a"), onFailure={"action": "tell"}), action("do-it"), action("tell"))
    w.reconcile()
    job = w.jobs.pop(w.created[0])
    w.reconcile()
    assert w.status["steps"][0]["reason"] == "JobLost"
    w.ends(job=w.job())
    w.reconcile()
    assert w.completed
    from workflow_do.engine.identity import Role, Unit, job_name

    name = job_name("run-1", "uid-run-1", Unit(Role.DO, "a"), number)
    job["metadata"] |= {"name": name, "uid": "late"}
    job["metadata"]["labels"]["workflow.do/try"] = str(number)
    w.jobs[name] = job
    w.reconcile()
    assert job["spec"]["suspend"] is True


def test_an_end_at_the_deadline_is_no_success_where_the_phase_never_comes() -> None:
    w = world()
    w.pod(phase="Running", containerStatuses=ended(0, finished=3600))
    w.tick(3600)
    w.reconcile()
    assert w.status["steps"][0]["state"] == "Running"
    w.tick(61)
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Unknown", "DeadlineExceeded")


def test_a_pod_that_was_made_just_before_the_stop_may_have_run() -> None:
    w = world(startDeadlineSeconds=30)
    uid = w.job()["metadata"]["uid"]
    w.events = {uid: ("something odd",)}
    w.tick(31)
    planned = w.plan()
    w.write(planned)
    w.events = {uid: ("something odd", "Created pod: run-1-a-x")}
    w.reconcile()
    record = w.status["steps"][0]
    assert (record["state"], record["reason"]) == ("Unknown", "PodNotCreated")
