"""A run in flight while the control plane is away; on a cluster of its own, which suffers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.server import COLD_BUILD_SECONDS, ROOT, ApiServer, program, tool
from component.test_runtime import apply, jobs, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
CLUSTER = f"wdo-outage-{os.getpid()}"


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that nobody else uses, with a Workflow of two steps."""
    kubeconfig = tmp_path_factory.mktemp("frail") / "kubeconfig"
    create = ("create", "cluster", "--name", CLUSTER, "--control-plane-only")
    try:
        tool(*create, "--kubeconfig", kubeconfig, seconds=COLD_BUILD_SECONDS)
        server = ApiServer(kubeconfig, program("kubectl"))
        server.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        server.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        apply(server, "Action", "act", {"image": "example.com/x:1"})
        steps = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]
        apply(server, "Workflow", "flow", {"steps": steps})
        yield server
    finally:
        tool("delete", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)


@pytest.fixture
def operator(frail: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    with operating(frail.kubeconfig, frail.namespace, tmp_path / "operator.log") as process:
        yield process


@pytest.fixture
def kubelet(frail: ApiServer) -> Kubelet:
    return Kubelet(str(frail.kubeconfig), frail.namespace)


def test_the_api_server_is_killed(
    frail: ApiServer, kubelet: Kubelet, operator: OperatorProcess
) -> None:
    run = start(frail, "flow")
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    tool("restart", CLUSTER, "apiserver")
    assert operator.healthy()
    await_value(lambda: frail.run("get", "wfr", run).returncode == 0, "the API server is back", 30)
    kubelet.end(pod, {})
    kubelet.perform(run, "two", {})
    assert verdict(frail, run, 30) == ("True", "Succeeded")
    assert jobs(frail, run) == ["do/one/1", "do/two/1"]
    assert operator.healthy()


def test_the_store_hangs_while_a_step_ends(
    frail: ApiServer, kubelet: Kubelet, operator: OperatorProcess
) -> None:
    """The POST of the next Job hangs or fails; whatever came of it, there is one Job in the end."""
    run = start(frail, "flow")
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    kubelet.end(pod, {})
    tool("pause", CLUSTER, "etcd")
    back = threading.Timer(12, tool, ("resume", CLUSTER, "etcd"))
    back.start()
    try:
        assert operator.healthy()
    finally:
        back.join()
    await_value(lambda: frail.run("get", "wfr", run).returncode == 0, "etcd is back", 30)
    kubelet.perform(run, "two", {})
    assert verdict(frail, run, 40) == ("True", "Succeeded")
    assert jobs(frail, run) == ["do/one/1", "do/two/1"]
    assert operator.healthy()
