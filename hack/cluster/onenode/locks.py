"""File locks with a bound: one build at a time, one command on a cluster at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from onenode.errors import ClusterError
from onenode.progress import Progress

POLL_SECONDS = 0.1


@contextlib.contextmanager
def hold(path: Path, purpose: str, limit_seconds: float, progress: Progress) -> Iterator[None]:
    """Holds the lock file ``path``; says so while another process has it.

    Raises ClusterError when it is still taken after ``limit_seconds``. The kernel frees the lock
    when its holder ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file.fileno(), path, purpose, limit_seconds, progress)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _acquire(fd: int, path: Path, purpose: str, limit_seconds: float, progress: Progress) -> None:
    deadline = time.monotonic() + limit_seconds
    waiting = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = path.read_text() or "unknown"
        if time.monotonic() > deadline:
            raise ClusterError(
                f"waited {limit_seconds:.0f} s for process {holder}, which holds {path}; "
                "end it or wait for it, then try again"
            )
        if not waiting:
            progress.stage(f"Waiting for process {holder}, which is {purpose}")
            waiting = True
        progress.tick()
        time.sleep(POLL_SECONDS)
