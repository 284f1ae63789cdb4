"""Builds programs from Go modules into the cache.

A build may be interrupted or started twice: programs are moved into place when finished, and a file
lock lets one build run at a time. Which programs there are is told by ``binaries``.
"""

from __future__ import annotations

import collections
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from onenode import locks
from onenode.binaries import OLDEST_GO, Unit, explain_failure, parse_go_version
from onenode.errors import ClusterError
from onenode.progress import Progress
from onenode.settings import Cache

LOCK_LIMIT_SECONDS = 45 * 60
BUILD_LIMIT_SECONDS = 60 * 60
TAIL_LINES = 30


def require(cache: Cache, units: Iterable[Unit], progress: Progress) -> None:
    """Builds what is missing of ``units``; does nothing (and needs no Go) when all is there.

    Raises ClusterError for a missing or old Go, for want of network or room, and for a failed one.
    """
    wanted = list(units)
    if all(unit.is_built(cache) for unit in wanted):
        return
    go = find_go()
    lock = cache.locks / "build.lock"
    with locks.hold(lock, "building programs", LOCK_LIMIT_SECONDS, progress):
        missing = [unit for unit in wanted if not unit.is_built(cache)]
        check_room(cache.root, sum(unit.megabytes for unit in missing))
        _remove_leftovers(cache)
        for unit in missing:
            _build(cache, go, unit, progress)


def find_go() -> str:
    """The absolute path of a ``go`` that is new enough."""
    go = shutil.which("go")
    if go is None:
        raise ClusterError(
            f"Go is not installed; install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer and put it on "
            "PATH"
        )
    answer = subprocess.run(
        [go, "version"], cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    found = parse_go_version(answer.stdout or answer.stderr)
    if found < OLDEST_GO:
        raise ClusterError(
            f"Go {found[0]}.{found[1]} ({go}) is too old; install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} "
            "or newer"
        )
    return go


def check_room(folder: Path, megabytes: int) -> None:
    """Raises ClusterError when the disk of ``folder`` has less than ``megabytes`` left."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise ClusterError(
            f"not enough room in {folder}: {free} MB free, {megabytes} MB needed; free some, or "
            "set WORKFLOW_DO_CACHE to a folder on a larger disk"
        )


def _remove_leftovers(cache: Cache) -> None:
    """What interrupted builds left; the lock says that none is running."""
    for leftover in cache.binaries.glob(".build-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _build(cache: Cache, go: str, unit: Unit, progress: Progress) -> None:
    cache.binaries.mkdir(parents=True, exist_ok=True)
    cache.build_logs.mkdir(parents=True, exist_ok=True)
    log = cache.build_logs / f"build-{unit.key}.log"
    progress.stage(f"Building {unit.key} (cold: {unit.minutes_cold})")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=cache.binaries) as scratch:
        _run_go(go, unit, Path(scratch), log, progress)
        target = cache.binaries / unit.key
        target.mkdir(exist_ok=True)
        for program, package in unit.packages.items():
            os.replace(Path(scratch) / _output_name(package), target / program)
    progress.done(f"Built {unit.key} in {cache.binaries / unit.key}")


def _output_name(package: str) -> str:
    """How ``go build`` names the program: the last part of the path that is not a version."""
    return next(part for part in reversed(package.split("/")) if not part.startswith("v3"))


def _run_go(go: str, unit: Unit, output: Path, log: Path, progress: Progress) -> None:
    command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", unit.linker_flags]
    command += ["-o", f"{output}/", *unit.packages.values()]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    process = subprocess.Popen(
        command,
        cwd=unit.source,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    try:
        with log.open("w") as file:
            for count, line in enumerate(_lines(process.stdout, progress)):
                file.write(line)
                tail.append(line)
                progress.tick(f"{count + 1} packages, {line.strip()}")
        code = process.wait(timeout=60)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
    if code != 0:
        raise ClusterError(explain_failure(unit.key, tail, log))


def _lines(stream: IO[str], progress: Progress) -> Iterator[str]:
    """The lines of ``stream`` as they come; ticks while none does, with a bound on the whole."""
    pipe: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            pipe.put(line)
        pipe.put(None)

    threading.Thread(target=read, daemon=True).start()
    quiet = 0.0
    while True:
        try:
            line = pipe.get(timeout=0.5)
        except queue.Empty:
            quiet += 0.5
            if quiet > BUILD_LIMIT_SECONDS:
                raise ClusterError("go build has said nothing for an hour; stopped") from None
            progress.tick()
            continue
        if line is None:
            return
        quiet = 0.0
        yield line
