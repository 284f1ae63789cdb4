"""A cluster for the benchmark's own tests; KEEP_CLUSTER=1 leaves it for the next time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack import deploy
from hack.bench.site import Site, bring_up
from hack.deploy import KIND

NAME = os.environ.get("BENCH_CLUSTER", "workflow-do-bench")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The place where things are measured."""
    kubeconfig = tmp_path_factory.mktemp("bench") / "kubeconfig"
    try:
        yield bring_up(NAME, Path(kubeconfig), lambda what: print(what, file=sys.stderr))
    finally:
        if os.environ.get("KEEP_CLUSTER") != "1":
            deploy.run(KIND, "delete", "cluster", "--name", NAME, "--kubeconfig", kubeconfig)
