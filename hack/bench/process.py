"""A process of this machine, looked at from outside: its CPU time and its memory."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hack.deploy import Failed

_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAM = b"workflow-do-operator"

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok")


@dataclass(frozen=True, slots=True)
class Process:
    """By its pid; Failed once it is gone, as an operator that ends is no operator to measure."""

    pid: int

    @classmethod
    def of_pod(cls, uid: str) -> Process:
        """The operator in the Pod of that uid. Failed unless there is exactly one."""
        pids = [int(e.name) for e in Path("/proc").iterdir() if e.name.isdigit() and _is(e, uid)]
        if len(pids) != 1:
            raise Failed(f"the Pod {uid} has {len(pids)} operators on this machine, not one")
        return cls(pids[0])

    def cpu(self) -> float:
        """Seconds of CPU time, its own and the kernel's for it, since it began."""
        return _seconds(self._read("stat"))

    def memory(self) -> float:
        """MiB that are resident now."""
        rows = self._read("status").splitlines()
        return int(next(row for row in rows if row.startswith("VmRSS")).split()[1]) / 1024

    def hold(self) -> None:
        """Stop it where it stands."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _read(self, what: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{what}").read_text(encoding="utf-8")
        except OSError as error:
            raise Failed(f"the operator (process {self.pid}) has ended") from error


def _is(entry: Path, uid: str) -> bool:
    try:
        groups = (entry / "cgroup").read_text()
        words = (entry / "cmdline").read_bytes()
    except OSError:
        return False
    return (uid in groups or uid.replace("-", "_") in groups) and _PROGRAM in words


def control_plane() -> dict[str, float]:
    """Seconds of CPU time of each part of the control plane, by name, of all on this machine."""
    spent = dict.fromkeys(CONTROL_PLANE, 0.0)
    for entry in Path("/proc").iterdir():
        try:
            program = (entry / "cmdline").read_bytes().partition(b"\0")[0]
            name = Path(program.decode(errors="replace")).name
            if name in spent:
                spent[name] += _seconds((entry / "stat").read_text(encoding="utf-8"))
        except OSError:  # none, or it has just ended
            continue
    return spent


def _seconds(stat: str) -> float:
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
