"""The operator as a process of its own, as it runs in a cluster; only its log stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from support.kubelet import await_value

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class OperatorProcess:
    """Start it, stop it, kill it, start it again: one log for all its lives.

    `environment` is added to the one it would have. Its lives take the lease over from each other
    at once, as those of a container do; processes with another POD_NAME wait until it runs out.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, log: Path, environment: Mapping[str, str] = _NOTHING
    ) -> None:
        self.log = log
        self._port = free_port()
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("WORKFLOW_DO_")},
            "KUBECONFIG": str(kubeconfig),
            "WORKFLOW_DO_NAMESPACES": namespace,
            "WORKFLOW_DO_PORT": str(self._port),
            "WORKFLOW_DO_RESYNC_SECONDS": "5",
            "POD_NAME": "operator",
            "POD_NAMESPACE": "default",
            "WORKFLOW_DO_LEASE_NAME": f"operator-of-{namespace}",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True, module: str = "workflow_do.handlers.main") -> None:
        """Start it; `ready`: return when it leads and has seen everything once."""
        command = [sys.executable, "-m", module]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        if ready:
            self.await_role("leading")

    def await_role(self, role: str, seconds: float = 30) -> None:
        """Return once it is ready as `leading` or `standby`."""
        await_value(lambda: self.ask("readyz").startswith(role), f"{role} ({self.log})", seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 2) -> int:
        """Signal it and wait; its exit code. TimeoutExpired if it takes longer."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=seconds)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.stop(signal.SIGKILL, seconds=20)

    def terminate(self) -> None:
        """Ask it to end, and do not wait for that."""
        self._send(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop its every thread where it stands."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self._send(signal.SIGCONT)

    def wait(self, seconds: float = 10) -> int:
        """The exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def peak_memory(self) -> float:
        """The most memory that it has held so far, in MiB."""
        assert self._process is not None
        rows = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        return int(next(row for row in rows if row.startswith("VmHWM")).split()[1]) / 1024

    def ready(self) -> bool:
        """Whether it says that it leads and has seen everything; False where it does not live."""
        return self.runs() and self.ask("readyz").startswith("leading")

    def healthy(self) -> bool:
        """Whether it says that it is."""
        return self.ask("healthz") != ""

    def text(self) -> str:
        """Everything it has logged."""
        return self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=5)

    @property
    def pid(self) -> int:
        """The process that lives now."""
        assert self._process is not None
        return self._process.pid

    def ask(self, path: str) -> str:
        """What a probe says; empty unless that is good news."""
        assert self._process is not None
        assert self._process.poll() is None, f"the operator has ended:\n{self.text()[-4000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as got:
                return str(got.read().decode())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return ""


@contextmanager
def operating(
    kubeconfig: Path, namespace: str, log: Path, environment: Mapping[str, str] = _NOTHING
) -> Iterator[OperatorProcess]:
    """An operator that runs and is ready; killed at the end if it still runs."""
    process = OperatorProcess(kubeconfig, namespace, log, environment)
    try:
        process.start()
        yield process
    finally:
        process.close()


def noise(process: OperatorProcess) -> list[str]:
    """What it has logged but information; the API server's first moments with a new CRD aside."""
    lines = process.text().splitlines()
    return [li for li in lines if '"info"' not in li and "storage is (re)initializing" not in li]


def free_port() -> int:
    """A TCP port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
