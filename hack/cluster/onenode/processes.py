"""Finding and ending exactly the processes of one cluster.

A pid says little: the kernel gives it to another process later. A process is known by its pid, its
start time and the boot it belongs to; the processes of a node by their pid namespace, and only
while the namespace's first process is the one that was recorded.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from onenode.files import write_json

PROC = Path("/proc")
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Identity:
    """One process, beyond doubt."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of_self(cls) -> Identity:
        return cls(os.getpid(), read_start_time("self") or 0, read_boot())

    @classmethod
    def load(cls, path: Path) -> Identity | None:
        """The identity saved in ``path``; None where there is none or only a part of one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    def is_alive(self) -> bool:
        return self.boot == read_boot() and read_start_time(self.pid) == self.started

    def kill(self) -> None:
        """Ends the process now, if it still is the same one."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Namespace:
    """A node's pid namespace: its number and its first process's start time, which time does not
    shift between namespaces. Numbers are reused, so one without the other proves nothing."""

    number: int
    first_started: int
    boot: str

    @classmethod
    def of_child(cls, outer: Identity) -> Namespace | None:
        """The namespace that ``outer`` has made, before the node could report it itself."""
        for pid in list_pids():
            if read_parent(pid) == outer.pid and outer.is_alive():
                started = read_start_time(pid)
                with contextlib.suppress(OSError):
                    number = os.stat(PROC / str(pid) / "ns" / "pid").st_ino
                    return None if started is None else cls(number, started, outer.boot)
        return None

    def members(self) -> dict[int, int]:
        """Pid inside → pid outside, of every process; empty once the first one is gone."""
        if self.boot != read_boot():
            return {}
        found = dict(self._scan())
        first = found.get(1)
        if first is None or read_start_time(first) != self.first_started:
            return {}
        return found

    def _scan(self) -> Iterator[tuple[int, int]]:
        for pid in list_pids():
            try:
                if os.stat(PROC / str(pid) / "ns" / "pid").st_ino != self.number:
                    continue
                status = (PROC / str(pid) / "status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("NSpid:"):
                    yield int(line.split()[-1]), pid


def list_pids() -> list[int]:
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]


def read_boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def parse_stat(stat: str) -> tuple[str, int]:
    """State letter and start time (clock ticks since boot) from the text of ``/proc/PID/stat``.

    The name of the program stands second, in brackets, and may hold anything, brackets too.
    """
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def read_start_time(pid: int | str) -> int | None:
    """The start time of a process; None when there is none, or only its remains (a zombie)."""
    try:
        state, started = parse_stat((PROC / str(pid) / "stat").read_text())
    except (OSError, IndexError):
        return None
    return None if state in "ZX" else started


def read_parent(pid: int) -> int | None:
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def is_stopped(pid: int) -> bool:
    """Whether the process is held by SIGSTOP."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text())[0] == "T"
    except (OSError, IndexError):
        return False


def end_all(outer: Identity | None, namespace: Namespace | None, limit_seconds: float) -> bool:
    """Kills the outer process and all of the node, and waits until none is left.

    The kernel ends a pid namespace with its first process, which goes last: so what is waited for
    is that one. Returns False when something is left after ``limit_seconds``.
    """
    deadline = time.monotonic() + limit_seconds
    while True:
        members = namespace.members() if namespace else {}
        alive = outer is not None and outer.is_alive()
        if not members and not alive:
            return True
        if time.monotonic() > deadline:
            return False
        if outer is not None:
            outer.kill()
        if 1 in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(members[1], signal.SIGKILL)
        time.sleep(POLL_SECONDS)
