"""Fixtures of the component tests: one API server for the session, a namespace for each module.

KEEP_CLUSTER=1 leaves the cluster running, for a look at it or for a quicker next time.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.server import COLD_BUILD_SECONDS, ROOT, ApiServer, program, running
from support.kubelet import Kubelet
from support.operator import OperatorProcess, noise, operating


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first may have to wait until the programs are built from source."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(COLD_BUILD_SECONDS + 300))
            break


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server with our definitions installed."""
    kubeconfig = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    keep = os.environ.get("KEEP_CLUSTER") == "1"
    with running(kubeconfig, keep=keep) as server:
        server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        server.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        yield server


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """The API server, in a namespace of the module's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    api_server.kubectl("create", "namespace", name)
    yield api_server.within(name)
    api_server.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    """A running operator of the module's namespace. It must make no noise."""
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as process:
        yield process
    assert noise(process) == []


@pytest.fixture
def kubelet(server: ApiServer) -> Kubelet:
    """Plays the nodes for the module's namespace."""
    return Kubelet(str(server.kubeconfig), server.namespace)


@pytest.fixture(scope="session")
def helm() -> Path:
    """The path of helm."""
    return program("helm")
