"""One control plane for all fault tests of a session, and a frozen copy of what is under test.

WORKFLOW_DO_FAULTS_CLUSTER names the control plane, so that two sessions can run side by side.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from component.server import COLD_BUILD_SECONDS, ROOT, ApiServer, program, tool
from faults.lane import Ending, Site, stage
from faults.sweep import undisturbed

CLUSTER = os.environ.get("WORKFLOW_DO_FAULTS_CLUSTER", f"wdo-faults-{os.getpid()}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first may have to wait until the programs are built from source."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(COLD_BUILD_SECONDS + 900))
            break


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the operator's source as it is now: edits during a long session change nothing."""
    folder = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "operator" / "workflow_do", folder / "workflow_do", ignore=ignore)
    return folder


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A control plane that nobody else uses, with our definitions."""
    kubeconfig = tmp_path_factory.mktemp("faults") / "kubeconfig"
    create = ("create", "cluster", "--name", CLUSTER, "--control-plane-only")
    try:
        tool(*create, "--kubeconfig", kubeconfig, seconds=COLD_BUILD_SECONDS)
        server = ApiServer(kubeconfig, program("kubectl"))
        server.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        server.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        yield server
    finally:
        tool("delete", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)


@pytest.fixture(scope="session")
def grounds(
    control_plane: ApiServer, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """Where lanes are opened."""
    audit_log = Path(tool("path", "--name", CLUSTER, "audit-log"))
    folder = tmp_path_factory.mktemp("undisturbed")
    return Site(control_plane.kubeconfig, audit_log, source, folder)


@pytest.fixture
def site(grounds: Site, tmp_path: Path) -> Site:
    """Where lanes are opened, with this test's own folder."""
    return replace(grounds, folder=tmp_path)


@pytest.fixture(scope="session")
def expected(grounds: Site) -> Ending:
    """How the run ends when nothing disturbs it."""

    async def play() -> Ending:
        async with stage(grounds) as played, played.lane() as lane:
            return (await undisturbed(lane)).ending

    return asyncio.run(play())
