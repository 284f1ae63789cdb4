"""A control plane of a test's own, with our definitions: made in seconds, gone at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from component.server import COLD_BUILD_SECONDS, ROOT, ApiServer, program, tool


@dataclass(frozen=True, slots=True)
class Plane:
    """Its API server, and the file in which that says what was done."""

    server: ApiServer
    audit_log: Path


@contextmanager
def control_plane(folder: Path, purpose: str) -> Iterator[Plane]:
    """An empty control plane called by its purpose and this process."""
    name = f"wdo-{purpose}-{os.getpid()}"
    kubeconfig = folder / f"{purpose}.kubeconfig"
    create = ("create", "cluster", "--name", name, "--control-plane-only")
    try:
        tool(*create, "--kubeconfig", kubeconfig, seconds=COLD_BUILD_SECONDS)
        server = ApiServer(kubeconfig, program("kubectl"))
        define(server)
        yield Plane(server, Path(tool("path", "--name", name, "audit-log")))
    finally:
        tool("delete", "cluster", "--name", name, "--kubeconfig", kubeconfig)


def define(server: ApiServer) -> None:
    """Our definitions as they are meant to be."""
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    server.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
