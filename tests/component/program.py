"""The command line as a program of its own, in a namespace of the API server."""

from __future__ import annotations

import os
import subprocess
import sys

from component.player import STEPS, Cluster
from workflow_do.sdk.client import WORKFLOWS

FLOW = "new-user-onboarding-flow"


def add_workflow(cluster: Cluster, name: str) -> None:
    manifest = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"steps": STEPS},
    }
    cluster.client.apply(WORKFLOWS, cluster.namespace, manifest, "test", False)


def command(cluster: Cluster, *arguments: str) -> list[str]:
    program = [sys.executable, "-m", "workflow_do.cli.main", *arguments]
    return [*program, "-n", cluster.namespace, "--kubeconfig", cluster.kubeconfig]


def environment() -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR")}
    return {**plain, "PYTHONPATH": "operator", "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}


def kubectl_workflow(
    cluster: Cluster, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(cluster, *arguments),
        capture_output=True,
        text=True,
        input=stdin,
        env=environment(),
        timeout=40,
        check=False,
    )
