"""A whole cluster with the operator installed by its chart, and a namespace for each test.

CLUSTER=auto     pytest-kind makes the cluster (kind with Docker, else the embedded one)
CLUSTER=current  the current context of KUBECONFIG; IMAGE_PREFIX names images it can pull
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack import deploy
from hack.deploy import Cluster

from support.bench import Bench


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is e2e."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The cluster, images loaded, operator ready."""
    if os.environ.get("CLUSTER") == "current":
        found = deploy.current()
    else:
        deploy.build_images("operator", "onboarding")
        kind = request.getfixturevalue("kind_cluster")
        found = Cluster(Path(kind.kubeconfig_path).absolute(), kind.name)
        found.load("operator:dev", "onboarding:dev")
    deploy.ensure_namespace(found, deploy.SYSTEM_NAMESPACE)
    found.kubectl("label", "namespace", deploy.SYSTEM_NAMESPACE, RESTRICTED, "--overwrite")
    deploy.install_operator(found, "log.level=debug")
    return found


@pytest.fixture
def bench(cluster: Cluster) -> Iterator[Bench]:
    """A namespace of the test's own."""
    yield from _bench(cluster)


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[Bench]:
    """A namespace for all tests of a module."""
    yield from _bench(cluster)


RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
"""Every test runs where the strictest Pod Security level is enforced."""


def _bench(cluster: Cluster) -> Iterator[Bench]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    deploy.ensure_namespace(cluster, name)
    cluster.kubectl("label", "namespace", name, RESTRICTED)
    yield Bench(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
