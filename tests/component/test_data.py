"""Large data against a real API server: what is stored, who owns it, and that it stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
API = "workflow.do/v1alpha1"
TEXT = "$(HOME) ö" * 10_000


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    """A running operator of the module's namespace."""
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as process:
        yield process


def make(server: ApiServer, kind: str, name: str, spec: dict[str, Any]) -> None:
    body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
    server.kubectl("create", "-f", "-", input=body)


def run(server: ApiServer, name: str, **action: Any) -> None:
    """A run of one step whose input holds the text of the run's body."""
    make(server, "Action", name, {"image": "example.com/x:1", **action})
    step = {"id": "one", "action": name, "input": {"text": "{{ trigger.body }}"}}
    make(server, "Workflow", name, {"steps": [step]})
    make(server, "WorkflowRun", name, {"workflowName": name, "trigger": {"body": TEXT}})


def maps(server: ApiServer, name: str) -> list[Any]:
    """The ConfigMaps of a run."""
    found: list[Any] = server.get("configmap", "-l", f"workflow.do/run={name}")["items"]
    return found


def step(server: ApiServer, name: str) -> dict[str, Any]:
    """The record of the run's step; empty while there is none."""
    rows = server.get("wfr", name).get("status", {}).get("steps") or [{}]
    return dict(rows[0])


@pytest.mark.usefixtures("operator")
def test_a_large_input_is_a_file_that_nobody_can_change(
    server: ApiServer, kubelet: Kubelet
) -> None:
    run(server, "file")
    pod = kubelet.await_pod("file", "one")
    [made] = maps(server, "file")
    assert json.loads(made["data"]["data.json"]) == {"text": TEXT}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "WorkflowRun"
    name = made["metadata"]["name"]
    source = next(v["configMap"] for v in pod["spec"]["volumes"] if "configMap" in v)
    assert source["name"] == name
    [container] = pod["spec"]["containers"]
    mounts = {m["mountPath"]: m.get("readOnly") for m in container["volumeMounts"]}
    assert mounts["/var/run/workflow.do"] is True
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert env["ACTION_INPUT_FILE"] == "/var/run/workflow.do/input.json"
    assert "ACTION_INPUT" not in env
    change = json.dumps({"data": {"data.json": "{}"}})
    assert "immutable" in server.refused("patch", "configmap", name, "--type=merge", "-p", change)
    kubelet.start(pod)
    kubelet.end(pod, {})
    await_value(lambda: step(server, "file").get("state") == "Succeeded", "the step ends", 20)
    server.kubectl("delete", "wfr", "file")
    # On a new cluster the garbage collector hears of our kinds within half a minute.
    await_value(lambda: not maps(server, "file"), "the ConfigMap goes with its run", 60)


@pytest.mark.usefixtures("operator")
def test_a_log_out_of_reach_shows_on_the_run(server: ApiServer, kubelet: Kubelet) -> None:
    """There is no node here that could give the log."""
    run(server, "silent", output={"source": "Logs"})
    pod = kubelet.await_pod("silent", "one")
    kubelet.start(pod)
    kubelet.end(pod)
    await_value(
        lambda: step(server, "silent").get("reason") == "OutputUnreadable", "the step says so", 20
    )
    found = step(server, "silent")
    assert found["state"] == "Running"
    assert "the log cannot be read" in found["message"]
