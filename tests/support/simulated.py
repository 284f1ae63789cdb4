"""Simulated nodes: each a kwok of its own, so that one can fall silent while others go on.

A node of the API server, with heartbeats; its Pods do what their annotation says (simulated.yaml),
and no program runs. Only Pods that ask for these nodes get there.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

from component.server import ApiServer, program
from support.operator import free_port

Raw = dict[str, Any]
STAGES = Path(__file__).with_suffix(".yaml")
LABEL = "example.com/simulated"
PROGRAM = "example.com/program"
_LEASE_SECONDS = 40


class SimulatedNode:
    """A node, and the process that speaks for it. Several may share a label."""

    def __init__(self, server: ApiServer, name: str, label: str, folder: Path) -> None:
        self.name = name
        self._label = label
        self._server = server
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make it known, and return once it is ready for Pods."""
        taint = {"key": LABEL, "value": "true", "effect": "NoSchedule"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {LABEL: self._label}},
            "spec": {"taints": [taint]},
        }
        self._server.kubectl("create", "-f", "-", input=node)
        command = [
            program("kwok"),
            f"--kubeconfig={self._server.kubeconfig}",
            f"--config={STAGES}",
            f"--manage-single-node={self.name}",
            f"--node-lease-duration-seconds={_LEASE_SECONDS}",
            f"--server-address=127.0.0.1:{free_port()}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        self._server.kubectl("wait", f"node/{self.name}", "--for=condition=Ready", "--timeout=30s")

    def fall_silent(self) -> None:
        """Nothing is heard of it any more."""
        self._signal(signal.SIGSTOP)

    def come_back(self) -> None:
        """As if its network had been away."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=5)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8")[-2000:]
        self._process.send_signal(number)


def action(name: str, does: str, label: str, **spec: Any) -> Raw:
    """An Action for nodes of that label; if one is unreachable, its Pods are deleted at once."""
    away = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 0,
    }
    return {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "Action",
        "metadata": {"name": name},
        "spec": {
            "image": "example.com/simulated:1",
            "podMetadata": {"annotations": {PROGRAM: does}},
            "nodeSelector": {LABEL: label},
            "tolerations": [{"key": LABEL, "operator": "Exists"}, away],
            "terminationGracePeriodSeconds": 1,
            **spec,
        },
    }
