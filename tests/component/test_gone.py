"""The operator is gone in mid-run, for good: what is deleted then goes, for nothing holds it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from component.server import ApiServer
from component.test_runtime import apply, jobs, start
from support.kubelet import Kubelet, await_value
from support.operator import operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]
SECONDS = 60
OURS = ("actions", "workflows", "workflowrevisions", "workflowruns")


def test_without_an_operator_everything_can_be_deleted(
    api_server: ApiServer, tmp_path: Path
) -> None:
    namespace = f"orphaned-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", namespace)
    server = api_server.within(namespace)
    kubelet = Kubelet(str(server.kubeconfig), namespace)
    with operating(server.kubeconfig, namespace, tmp_path / "operator.log") as operator:
        apply(server, "Action", "act", {"image": "example.com/x:1"})
        steps = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]
        apply(server, "Workflow", "flow", {"steps": steps})
        doomed, others = start(server, "flow"), start(server, "flow")
        for run in (doomed, others):
            kubelet.perform(run, "one", {})
            kubelet.await_pod(run, "two")
        operator.kill()
    for kind in OURS:
        held = [raw for raw in server.get(kind)["items"] if raw["metadata"].get("finalizers")]
        assert held == [], "a finalizer needs somebody who takes it off"
    for what in (f"wfr/{doomed}", "wfl/flow", "act/act"):
        server.kubectl("delete", what, "--timeout=10s")
    await_value(lambda: jobs(server, doomed) == [], "its Jobs are collected", SECONDS)
    assert len(jobs(server, others)) == 2, "those of the other run stay"
    server.kubectl("delete", "namespace", namespace, "--wait=false")
    await_value(
        lambda: server.run("get", "namespace", namespace).returncode != 0,
        "the namespace is gone",
        SECONDS,
    )
