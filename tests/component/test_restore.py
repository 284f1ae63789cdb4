"""Objects saved from one control plane and applied to an empty one: nothing is done again.

`kubectl get -o yaml` and `kubectl apply` as anybody would use them: the new objects have other
uids, and no status, because apply cannot write one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from component.server import ApiServer
from component.test_runtime import apply, condition, start, verdict
from support.audit import jobs_created
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, noise, operating
from support.plane import Plane, control_plane

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
NAMESPACE = "default"
KINDS = ("actions", "workflows", "workflowrevisions", "workflowruns")
OURS = ",".join(f"{plural}.workflow.do" for plural in KINDS)


@dataclass(frozen=True, slots=True)
class Backup:
    """What kubectl saved, and how each finished run had ended; `live` had a Job that ran,
    `waiting` had begun nothing.
    """

    yaml: str
    ended: dict[str, tuple[str, str]]
    live: str
    waiting: str


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """Runs of a Workflow that succeeded, failed, were cancelled and retried; saved."""
    folder = tmp_path_factory.mktemp("before")
    with (
        control_plane(folder, "before") as plane,
        operating(plane.server.kubeconfig, NAMESPACE, folder / "operator.log") as process,
    ):
        saved = play(plane.server)
        assert noise(process) == []
    return saved


def play(server: ApiServer) -> Backup:
    """One run of every way to end, and two that have not ended."""
    kubelet = Kubelet(str(server.kubeconfig), NAMESPACE)
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    steps = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]
    apply(server, "Workflow", "flow", {"steps": steps})
    apply(server, "Workflow", "later", {"steps": steps, "suspend": True})
    waiting = start(server, "later")
    succeeded, failed, cancelled = (start(server, "flow") for _ in range(3))
    kubelet.perform(succeeded, "one", {})
    kubelet.perform(succeeded, "two", {})
    kubelet.perform(failed, "one", exit_code=3)
    cancel(server, kubelet, cancelled)
    retry = retry_of(server, failed)
    kubelet.perform(retry, "one", {})
    kubelet.perform(retry, "two", {})
    ended = {run: verdict(server, run) for run in (succeeded, failed, cancelled, retry)}
    assert {reason for _, reason in ended.values()} == {"Succeeded", "ExitCode", "Cancelled"}
    labels_are_on(server, ended)
    live = start(server, "flow")
    kubelet.perform(live, "one", {})
    kubelet.start(kubelet.await_pod(live, "two"))
    return Backup(server.kubectl("get", OURS, "-o", "yaml"), ended, live, waiting)


def cancel(server: ApiServer, kubelet: Kubelet, run: str) -> None:
    """Cancel a run whose first step runs; the kubelet ends the Pod at its new deadline."""
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    body = json.dumps({"spec": {"desiredState": "Cancelled"}})
    server.kubectl("patch", "wfr", run, "--type=merge", "-p", body)
    name = pod["metadata"]["name"]

    def expired() -> bool:
        return server.get("pod", name)["spec"].get("activeDeadlineSeconds") == 1

    await_value(expired, "its Pod is expired")
    kubelet.end(pod, exit_code=143)
    kubelet.settle(pod, failed=True, reason="DeadlineExceeded")


def retry_of(server: ApiServer, run: str) -> str:
    """A run that retries another; its name."""
    assert verdict(server, run)[0] == "False"
    original = server.get("wfr", run)
    again = {"runName": run, "runUID": original["metadata"]["uid"]}
    meta = {"name": f"{run}-again"}
    spec = {"workflowName": "flow", "trigger": original["spec"]["trigger"], "retryOf": again}
    body = {"apiVersion": original["apiVersion"], "kind": "WorkflowRun"}
    server.kubectl("create", "-f", "-", input={**body, "metadata": meta, "spec": spec})
    return f"{run}-again"


def labels_are_on(server: ApiServer, ended: dict[str, tuple[str, str]]) -> None:
    """Wait for the last write about each run: the label that outlives its status."""

    def labelled() -> bool:
        found = {
            raw["metadata"]["name"]: raw["metadata"].get("labels", {}).get("workflow.do/finished")
            for raw in server.get("wfr")["items"]
        }
        return all(found[run] == reason for run, (_, reason) in ended.items())

    await_value(labelled, "the finished runs are labelled")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A second control plane; it knows our kinds and nothing else."""
    with control_plane(tmp_path_factory.mktemp("after"), "after") as plane:
        yield plane


@pytest.mark.parametrize("namespace", ["into-a-live-one", "then-started"])
def test_what_was_saved_tells_its_old_end_and_does_nothing(
    backup: Backup, empty: Plane, tmp_path: Path, namespace: str
) -> None:
    empty.server.kubectl("create", "namespace", namespace)
    server = empty.server.within(namespace)
    process = OperatorProcess(server.kubeconfig, namespace, tmp_path / "operator.log")
    saved = backup.yaml.replace(f"namespace: {NAMESPACE}\n", f"namespace: {namespace}\n")
    try:
        if namespace == "into-a-live-one":
            process.start()
        server.kubectl("apply", "-f", "-", input=saved)
        if not process.runs():
            process.start()
        for run, before in backup.ended.items():
            assert verdict(server, run) == before
        assert verdict(server, backup.live) == ("False", "Interrupted")
        await_value(lambda: waits(server, backup.waiting), "what had begun nothing waits")
        assert posts_of_jobs(empty, namespace) == {}, "nothing runs a second time"
        process.kill()
        process.start()
        fresh = start(server, "flow")
        kubelet = Kubelet(str(server.kubeconfig), namespace)
        kubelet.perform(fresh, "one", {})
        kubelet.perform(fresh, "two", {})
        assert verdict(server, fresh) == ("True", "Succeeded")
        made = posts_of_jobs(empty, namespace)
        assert len(made) == 2, "what is started now is what runs"
        assert all(name.startswith(fresh) for name in made)
    finally:
        process.close()
    assert noise(process) == []


def waits(server: ApiServer, run: str) -> bool:
    """Whether a run of the suspended Workflow waits as before."""
    return condition(server, "wfr", run, "Succeeded").get("reason") == "WorkflowSuspended"


def posts_of_jobs(plane: Plane, namespace: str) -> dict[str, int]:
    """How often each Job of a namespace was accepted, by the audit log."""
    made = jobs_created(plane.audit_log)
    return {name: times for (place, name), times in made.items() if place == namespace}
