"""What the tests of the cluster tool share: running it, looking for what it left behind."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from onenode import cgroups, inventory
from onenode.processes import Namespace
from onenode.settings import Cache, ClusterFolder

COMMAND_LIMIT_SECONDS = 170
Answer = subprocess.CompletedProcess[str]


def wait_until(holds: Callable[[], Any], limit_seconds: float = 60.0) -> Any:
    """The first true answer of ``holds``; fails the test when there is none in time."""
    deadline = time.monotonic() + limit_seconds
    while True:
        if answer := holds():
            return answer
        assert time.monotonic() < deadline, f"not within {limit_seconds} s"
        time.sleep(0.05)


def assert_sentence(answer: Answer, *parts: str) -> None:
    """One error that a user can read: exit code 1, no traceback, all ``parts`` in it."""
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    errors = [line for line in answer.stderr.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1, answer.stderr
    for part in parts:
        assert part in answer.stderr


@dataclass(frozen=True)
class Bench:
    """The tool with a cache of its own."""

    tool: Path
    cache: Cache

    @property
    def environment(self) -> dict[str, str]:
        kubeconfig = self.cache.root / "user-kubeconfig"
        own = {"WORKFLOW_DO_CACHE": str(self.cache.root), "KUBECONFIG": str(kubeconfig)}
        return {**os.environ, **own}

    def run(self, *words: str, **changes: str) -> Answer:
        return subprocess.run(
            [self.tool, *words],
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_SECONDS,
            check=False,
        )

    def succeed(self, *words: str) -> str:
        answer = self.run(*words)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def start(self, *words: str, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.tool, *words],
            env={**self.environment, **changes},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def program(self, name: str) -> Path:
        return Path(self.succeed("path", name).strip())

    def cluster(self, name: str) -> Cluster:
        return Cluster(self, self.cache.cluster(name), self.cache.root / f"{name}.kubeconfig")


@dataclass(frozen=True)
class Cluster:
    """One cluster by its name, whether or not it is there."""

    bench: Bench
    folder: ClusterFolder
    kubeconfig: Path

    def create(self, *flags: str) -> float:
        """Makes it; returns the seconds it took."""
        began = time.monotonic()
        self.bench.succeed("create", "cluster", *self.words, *flags)
        return time.monotonic() - began

    @property
    def words(self) -> tuple[str, str]:
        return f"--name={self.folder.name}", f"--kubeconfig={self.kubeconfig}"

    def delete(self) -> None:
        self.bench.succeed("delete", "cluster", *self.words)

    @property
    def is_listed(self) -> bool:
        return self.folder.name in self.bench.succeed("get", "clusters").split()

    def try_kubectl(self, *words: str, text: str = "", limit_seconds: float = 60.0) -> Answer:
        kubectl = self.bench.program("kubectl")
        return subprocess.run(
            [kubectl, f"--kubeconfig={self.kubeconfig}", *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )

    def kubectl(self, *words: str, text: str = "") -> str:
        answer = self.try_kubectl(*words, text=text)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))

    def namespace(self) -> Namespace:
        state = inventory.read_state(self.folder)
        assert state is not None
        return state.namespace

    def find_leftovers(self, namespace: Namespace | None) -> list[str]:
        """Everything on the machine that still belongs to the cluster."""
        place = str(self.folder.root)
        found = [f"process {pid}" for pid in (namespace.members().values() if namespace else [])]
        found += [f"process {pid}: {line}" for pid, line in _command_lines() if place in line]
        found += [f"mount {line}" for line in _lines("/proc/mounts") if place in line]
        found += [f"socket {line}" for line in _lines("/proc/net/unix") if place in line]
        for tree in cgroups.list_trees():
            found += [f"cgroup {path}" for path in tree.glob(self.folder.cgroup)]
        if self.folder.root.exists():
            found.append(f"folder {place}")
        return found


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _command_lines() -> list[tuple[int, str]]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            line = Path("/proc", entry, "cmdline").read_bytes() if entry.isdigit() else b""
        except OSError:
            continue
        found.append((int(entry) if line else 0, line.replace(b"\0", b" ").decode()))
    return found


def busybox_pod(name: str, script: str, **labels: str) -> dict[str, Any]:
    """A Pod that runs a shell script and passes Pod Security's "restricted" level."""
    container = {
        "name": "main",
        "image": "localhost/workflow-do/busybox:dev",
        "command": ["sh", "-c", script],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }
