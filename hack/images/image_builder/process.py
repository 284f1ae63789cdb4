"""Runs the tools (debootstrap, buildah, docker, apt-get): logged, watched, bounded, ended with us.

Decides how a tool is closed in and how its end is told; must not know what it is run for.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from image_builder.errors import BuildError, explain_failure
from image_builder.progress import Progress

TOOL_LIMIT_SECONDS = 3600.0
QUERY_LIMIT_SECONDS = 60.0
KEPT_LINES = 60

# Mounts and processes of a build live in namespaces of their own, whose first process dies with
# this program, however it ends: nothing stays mounted below the cache, so it can be deleted.
CLOSED_IN = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
)


def run_tool(
    command: Sequence[str | Path],
    *,
    label: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    closed_in: bool = False,
) -> None:
    """Run `command` to its end, its output appended to `log`; BuildError unless it exits 0."""
    words = [*(CLOSED_IN if closed_in else ()), *map(str, command)]
    tail: deque[str] = deque(maxlen=KEPT_LINES)
    progress = Progress(label)
    with log.open("ab", buffering=0) as log_file:
        log_file.write(f"+ {' '.join(words)}\n".encode())
        with _start(words, env) as process:
            try:
                _follow(process, tail, progress, log_file.fileno())
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
    progress.finish()
    if process.returncode:
        raise BuildError(explain_failure(label, process.returncode, list(tail), log))


def query(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str | None:
    """Standard output of a short command; None when it fails, hangs or is not there."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            env=_environment(env),
            capture_output=True,
            text=True,
            timeout=QUERY_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    env = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(extra or {})}
    # The builder may be started without PATH or with one that lacks the sbin folders.
    env["PATH"] = f"{env.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin:/usr/bin:/bin"
    return env


def _start(words: list[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    environment = _environment(env)
    if shutil.which(words[0], path=environment["PATH"]) is None:
        raise BuildError(f"{words[0]} is not installed; install the Debian package that has it.")
    return subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches this program alone, which then ends the tool
    )


def _follow(
    process: subprocess.Popen[bytes], tail: deque[str], progress: Progress, log: int
) -> None:
    assert process.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if progress.seconds > TOOL_LIMIT_SECONDS:
                raise BuildError(f"{progress.label}: not done after an hour; stopped.")
            progress.update(_stage(tail))
            if not selector.select(timeout=0.5):
                continue
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                return
            os.write(log, piece)
            *lines, rest = (rest + piece).split(b"\n")
            tail.extend(line.decode("utf-8", "replace").rstrip() for line in lines)
            rest = rest[-4096:]


def _stage(tail: deque[str]) -> str | None:
    """Where the tool is: buildah's last STEP line, else the last line."""
    for line in reversed(tail):
        if line.startswith("STEP "):
            return line
    return tail[-1] if tail else None
