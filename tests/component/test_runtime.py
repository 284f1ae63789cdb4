"""The operator as a process against a real API server; the test plays the kubelet."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, noise, operating
from workflow_do.engine.identity import Role, Unit, job_name

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
API = "workflow.do/v1alpha1"
STORY = {"Started", "Succeeded"}
_numbers = itertools.count(1)


def apply(server: ApiServer, kind: str, name: str, spec: dict[str, Any]) -> Any:
    body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
    server.kubectl("apply", "-f", "-", input=body)
    return body


@pytest.fixture
def flow(server: ApiServer) -> str:
    """A Workflow of two steps, the second fed by the first, with a handler."""
    for action in ("first", "second", "tell"):
        apply(server, "Action", action, {"image": "example.com/x:1"})
    steps = [
        {"id": "one", "action": "first", "input": {"n": "{{ trigger.body.n }}"}},
        {"id": "two", "action": "second", "input": {"m": "{{ steps.one.output.m }}"}},
    ]
    handler = {"action": "tell", "input": {"text": "{{ failure.reason }}"}}
    apply(server, "Workflow", "flow", {"steps": steps, "onFailure": handler})
    return "flow"


def start(server: ApiServer, workflow: str) -> str:
    """Start a run; its name."""
    name = f"run-{next(_numbers)}"
    spec = {"workflowName": workflow, "trigger": {"body": {"n": 1}}}
    server.kubectl(
        "create",
        "-f",
        "-",
        input={
            "apiVersion": API,
            "kind": "WorkflowRun",
            "metadata": {"name": name},
            "spec": spec,
        },
    )
    return name


def condition(server: ApiServer, kind: str, name: str, type_: str) -> dict[str, Any]:
    """A condition of an object; empty while it has none of that type."""
    rows = server.get(kind, name).get("status", {}).get("conditions", [])
    return next((row for row in rows if row["type"] == type_), {})


def verdict(server: ApiServer, run: str, timeout: float = 20) -> tuple[str, str]:
    """Status and reason of Succeeded once the run is completed."""

    def completed() -> bool:
        return condition(server, "wfr", run, "Completed").get("status") == "True"

    await_value(completed, f"{run} is completed", timeout)
    row = condition(server, "wfr", run, "Succeeded")
    return row["status"], row["reason"]


def jobs(server: ApiServer, run: str) -> list[str]:
    """`role/step/try` of every Job of the run, sorted."""
    found = server.get("jobs", "-l", f"workflow.do/run={run}")["items"]
    keys = ("role", "step", "try")
    return sorted(
        "/".join(job["metadata"]["labels"].get(f"workflow.do/{k}", "") for k in keys)
        for job in found
    )


@pytest.mark.usefixtures("operator")
def test_a_chain_runs_to_its_end(server: ApiServer, kubelet: Kubelet, flow: str) -> None:
    run = start(server, flow)
    kubelet.perform(run, "one", {"m": 7})
    pod = kubelet.perform(run, "two", {})
    env = {row["name"]: row.get("value") for row in pod["spec"]["containers"][0]["env"]}
    assert env["ACTION_INPUT"] == '{"m":7}'
    assert verdict(server, run) == ("True", "Succeeded")
    assert jobs(server, run) == ["do/one/1", "do/two/1"]
    assert await_value(lambda: events(server, run) >= STORY, "its Events are told")


def events(server: ApiServer, run: str) -> set[str]:
    """The reasons of the run's Events."""
    found = server.get("events", "--field-selector", f"involvedObject.name={run}")["items"]
    return {event["reason"] for event in found}


@pytest.mark.usefixtures("operator")
def test_a_failed_step_tells_somebody(server: ApiServer, kubelet: Kubelet, flow: str) -> None:
    run = start(server, flow)
    kubelet.perform(run, "one", exit_code=3)
    pod = kubelet.await_pod(run, role="onFailure")
    kubelet.start(pod)
    kubelet.end(pod, {})
    assert verdict(server, run) == ("False", "ExitCode")
    assert jobs(server, run) == ["do/one/1", "onFailure//1"]


def test_killed_between_steps_it_goes_on(
    server: ApiServer, kubelet: Kubelet, flow: str, operator: OperatorProcess
) -> None:
    run = start(server, flow)
    pod = kubelet.await_pod(run, "one")
    operator.kill()
    kubelet.start(pod)
    kubelet.end(pod, {"m": 1})
    operator.start()
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert jobs(server, run) == ["do/one/1", "do/two/1"]


def test_a_job_that_the_status_does_not_know_is_taken_in(
    server: ApiServer, kubelet: Kubelet, flow: str, operator: OperatorProcess
) -> None:
    """As after a crash between the POST of a Job and the PATCH of the status."""
    run = start(server, flow)
    pod = kubelet.await_pod(run, "one")
    recorded = await_value(lambda: record(server, run, 0).get("jobUID"), "the Job is recorded")
    operator.kill()
    pending = {"id": "one", "action": "first", "state": "Pending", "tries": 0}
    operations = [{"op": "replace", "path": "/status/steps/0", "value": pending}]
    patch_status(server, run, operations)
    operator.start()
    kubelet.start(pod)
    kubelet.end(pod, {"m": 1})
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert record(server, run, 0)["jobUID"] == recorded
    assert jobs(server, run) == ["do/one/1", "do/two/1"]


def record(server: ApiServer, run: str, at: int) -> dict[str, Any]:
    steps = server.get("wfr", run).get("status", {}).get("steps", [])
    found: dict[str, Any] = steps[at] if at < len(steps) else {}
    return found


def patch_status(server: ApiServer, run: str, operations: list[dict[str, Any]]) -> None:
    text = json.dumps(operations)
    server.kubectl("patch", "wfr", run, "--subresource=status", "--type=json", "-p", text)


def test_others_who_write_at_the_same_moment_do_no_harm(
    server: ApiServer, kubelet: Kubelet, flow: str, operator: OperatorProcess
) -> None:
    run = start(server, flow)
    stop = threading.Event()

    def label() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            server.run("label", "wfr", run, f"n={number}", "--overwrite")

    threads = [threading.Thread(target=label, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        kubelet.perform(run, "one", {"m": 7})
        kubelet.perform(run, "two", {})
        assert verdict(server, run) == ("True", "Succeeded")
    finally:
        stop.set()
    assert jobs(server, run) == ["do/one/1", "do/two/1"]
    assert operator.healthy()


@pytest.mark.usefixtures("operator")
def test_a_workflow_that_never_comes_fails_the_run(server: ApiServer) -> None:
    run = start(server, "nowhere")
    waiting = await_value(lambda: condition(server, "wfr", run, "Succeeded"), "it is seen")
    assert (waiting["status"], waiting["reason"]) == ("Unknown", "WorkflowNotFound")
    assert verdict(server, run, 30) == ("False", "WorkflowNotFound")
    status = server.get("wfr", run)["status"]
    assert 19 <= seconds(status["startTime"], status["completionTime"]) <= 22


def seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


@pytest.mark.usefixtures("operator")
def test_definitions_may_come_after_the_run(server: ApiServer, kubelet: Kubelet) -> None:
    run = start(server, "late")
    await_value(lambda: condition(server, "wfr", run, "Succeeded"), "the run is seen")
    apply(server, "Workflow", "late", {"steps": [{"id": "one", "action": "later"}]})

    def ready() -> str:
        return str(condition(server, "wfl", "late", "Ready").get("reason", ""))

    await_value(lambda: ready() == "ActionNotFound", "the Workflow waits for its Action")
    apply(server, "Action", "later", {"image": "example.com/x:1"})
    kubelet.await_pod(run, "one", timeout=5)
    await_value(lambda: ready() == "Ready", "the Workflow is ready")
    server.kubectl("delete", "act", "later")
    await_value(lambda: ready() == "ActionNotFound", "the Workflow misses its Action")


@pytest.mark.usefixtures("operator")
def test_ready_tells_what_is_wrong_with_an_action(server: ApiServer) -> None:
    schema = {"type": "nonsense"}
    apply(server, "Action", "broken", {"image": "example.com/x:1", "inputSchema": schema})
    row = await_value(lambda: condition(server, "act", "broken", "Ready"), "it is judged")
    assert row["status"] == "False"
    assert "inputSchema" in row["message"]
    apply(server, "Action", "broken", {"image": "example.com/x:1"})
    await_value(
        lambda: condition(server, "act", "broken", "Ready").get("status") == "True", "it is mended"
    )


@pytest.mark.usefixtures("operator")
def test_a_job_that_is_refused_ends_the_run(server: ApiServer) -> None:
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    spec = {"image": "example.com/x:1", "resources": resources}
    apply(server, "Action", "refused", spec)
    apply(server, "Workflow", "refused", {"steps": [{"id": "one", "action": "refused"}]})
    run = start(server, "refused")
    assert verdict(server, run) == ("False", "JobRejected")
    assert "cpu limit" in record(server, run, 0)["message"]
    assert jobs(server, run) == []


def test_a_job_of_somebody_else_is_not_adopted(
    server: ApiServer, flow: str, operator: OperatorProcess
) -> None:
    operator.kill()
    run = start(server, flow)
    uid = server.get("wfr", run)["metadata"]["uid"]
    name = job_name(run, uid, Unit(Role.DO, "one"), 1)
    server.kubectl("create", "job", name, "--image=example.com/x:1")
    operator.start()
    await_value(
        lambda: record(server, run, 0).get("reason") == "NameConflict", "the conflict is told"
    )


@pytest.mark.usefixtures("operator")
def test_a_job_that_turns_up_for_an_ended_run_is_stopped(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    run = start(server, flow)
    kubelet.perform(run, "one", {"m": 7})
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    own = record(server, run, 0)["jobName"]
    stray = server.get("job", own)
    unit, uid = Unit(Role.DO, "one"), server.get("wfr", run)["metadata"]["uid"]
    meta = {k: stray["metadata"][k] for k in ("labels", "annotations", "ownerReferences")}
    meta["labels"]["workflow.do/try"] = "2"
    meta["name"] = job_name(run, uid, unit, 2)
    template = {"spec": stray["spec"]["template"]["spec"], "metadata": {"labels": meta["labels"]}}
    for key in ("controller-uid", "job-name"):
        for prefix in ("", "batch.kubernetes.io/"):
            meta["labels"].pop(prefix + key, None)
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}
    server.kubectl("create", "-f", "-", input={**body, "spec": {"template": template}})
    await_value(
        lambda: server.get("job", meta["name"])["spec"].get("suspend") is True, "it is suspended"
    )
    assert server.get("job", own)["spec"].get("suspend") is not True


@pytest.mark.parametrize("what", ["the run", "its namespace"])
def test_what_is_deleted_on_its_way_leaves_no_noise(
    api_server: ApiServer, tmp_path: Path, what: str
) -> None:
    namespace = f"gone-{tmp_path.name.replace('_', '-')[-20:].strip('-')}-{next(_numbers)}"
    api_server.kubectl("create", "namespace", namespace)
    server = api_server.within(namespace)
    kubelet = Kubelet(str(server.kubeconfig), namespace)
    with operating(server.kubeconfig, namespace, tmp_path / "log") as operator:
        apply(server, "Action", "first", {"image": "example.com/x:1"})
        apply(server, "Workflow", "flow", {"steps": [{"id": "one", "action": "first"}]})
        run = start(server, "flow")
        kubelet.await_pod(run, "one")
        if what == "the run":
            server.kubectl("delete", "wfr", run)
            await_value(lambda: jobs(server, run) == [], "its Jobs are collected", 40)
        else:
            server.kubectl("delete", "namespace", namespace, "--wait=false")
            await_value(
                lambda: server.run("get", "namespace", namespace).returncode != 0,
                "the namespace is gone",
                60,
            )
        assert operator.healthy()
        assert operator.stop() == 0
        assert noise(operator) == []
