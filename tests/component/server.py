"""A real API server for the component tests: the control plane alone, and kubectl on it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KIND = ROOT / "hack" / "cluster" / "kind"
CLUSTER = "-".join(
    [
        os.environ.get("WORKFLOW_DO_COMPONENT_CLUSTER", "wdo-component"),
        *filter(None, [os.environ.get("PYTEST_XDIST_WORKER")]),
    ]
)
"""Another name lets two test sessions run side by side on one machine; so do pytest's workers."""
COLD_BUILD_SECONDS = 2400
"""The first time on a machine, the programs are built from source."""
CALL_SECONDS = 60

Result = subprocess.CompletedProcess[str]


def tool(*arguments: str | Path, seconds: float = CALL_SECONDS) -> str:
    """Run the cluster tool and return what it printed; its own words are the error."""
    done = subprocess.run([KIND, *arguments], text=True, capture_output=True, timeout=seconds)
    if done.returncode != 0:
        raise AssertionError(f"kind {' '.join(map(str, arguments))}: {done.stderr[-4000:]}")
    return done.stdout.strip()


def program(name: str) -> Path:
    """The path of kubectl, helm, …, built first where it is not there yet."""
    tool("build", name, seconds=COLD_BUILD_SECONDS)
    return Path(tool("path", name))


@dataclass(frozen=True)
class ApiServer:
    """How to reach the API server, and a kubectl that does."""

    kubeconfig: Path
    kubectl_path: Path
    namespace: str = "default"

    def run(self, *arguments: str, input: Any = None) -> Result:  # noqa: A002 - as subprocess's
        """Run kubectl, whatever comes of it. `input` is text, or an object to give as JSON."""
        text = input if isinstance(input, str | None) else json.dumps(input)
        command = [self.kubectl_path, f"--kubeconfig={self.kubeconfig}", "-n", self.namespace]
        return subprocess.run(
            [*command, *arguments], input=text, text=True, capture_output=True, timeout=CALL_SECONDS
        )

    def kubectl(self, *arguments: str, input: Any = None) -> str:  # noqa: A002
        """What kubectl printed; a failure of it fails the test with its words."""
        done = self.run(*arguments, input=input)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def refused(self, *arguments: str, input: Any = None) -> str:  # noqa: A002
        """What kubectl said when it was refused; being let through fails the test."""
        done = self.run(*arguments, input=input)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} was let through: {done.stdout}"
        return done.stderr

    def get(self, *arguments: str) -> Any:
        """The object or list that `kubectl get` finds."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def within(self, namespace: str) -> ApiServer:
        """The same server, in another namespace."""
        return replace(self, namespace=namespace)


@contextmanager
def running(kubeconfig: Path, *, keep: bool) -> Iterator[ApiServer]:
    """The cluster of the component tests; one that is there already is used, and stays."""
    found = CLUSTER in tool("get", "clusters").split()
    if found:
        kubeconfig.write_text(tool("get", "kubeconfig", "--name", CLUSTER), encoding="utf-8")
    else:
        create = ("create", "cluster", "--name", CLUSTER, "--control-plane-only")
        tool(*create, "--kubeconfig", kubeconfig, seconds=COLD_BUILD_SECONDS)
    try:
        yield ApiServer(kubeconfig, program("kubectl"))
    finally:
        if not (found or keep):
            delete = ("delete", "cluster", "--name", CLUSTER)
            tool(*delete, "--kubeconfig", kubeconfig)
