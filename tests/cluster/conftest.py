"""The cluster tool as its users have it: the executable, run from outside, on a real machine.

Clusters are made in a cache of their own that shares the built programs, so that nothing a person
keeps running is seen or touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "hack" / "cluster" / "kind"
sys.path.insert(0, str(TOOL.parent))

from cluster_bench import Bench, Cluster  # noqa: E402 - lies beside this file, needs the path above
from onenode import binaries  # noqa: E402
from onenode.settings import Cache, find_cache  # noqa: E402

USUAL_LIMIT_SECONDS = 180
COLD_BUILD_SECONDS = 45 * 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a fresh machine waits for the build."""
    shared = Cache(find_cache(os.environ))
    built = all(unit.is_built(shared) for unit in binaries.DEFAULT_UNITS)
    limit = USUAL_LIMIT_SECONDS if built else COLD_BUILD_SECONDS
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(limit))


@pytest.fixture(scope="session")
def built() -> Cache:
    """The shared cache with all programs and the small test image."""
    for words in (["build"], ["build", "busybox"]):
        subprocess.run([TOOL, *words], check=True, timeout=COLD_BUILD_SECONDS)
    return Cache(find_cache(os.environ))


@pytest.fixture(scope="session")
def bench(built: Cache) -> Iterator[Bench]:
    """The tool with a cache of its own; a short path, for a socket's has a limit."""
    folder = Path(tempfile.mkdtemp(prefix="wdo-"))
    (folder / "bin").symlink_to(built.binaries)
    (folder / "images").symlink_to(built.images)
    bench = Bench(TOOL, Cache(folder))
    yield bench
    for name in os.listdir(folder / "clusters") if (folder / "clusters").exists() else []:
        bench.run("delete", "cluster", "--name", name)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_node(bench: Bench) -> Iterator[Cluster]:
    """A whole cluster with the test image, for tests that leave it as it was."""
    cluster = bench.cluster("shared")
    cluster.create()
    bench.succeed("load", "docker-image", "localhost/workflow-do/busybox:dev", "--name=shared")
    yield cluster
    cluster.delete()


@pytest.fixture
def cluster(bench: Bench) -> Iterator[Cluster]:
    """A name for a cluster that the test makes; gone afterwards whatever happens."""
    cluster = bench.cluster("one")
    yield cluster
    cluster.delete()
