"""Whether Docker can be used here, and handing the command over to the real kind when it can.

Not tried by this project's tests: they run where there is no Docker daemon.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from onenode import build
from onenode.binaries import KIND
from onenode.errors import ClusterError
from onenode.progress import Progress
from onenode.settings import Cache

#: ``onenode`` or ``docker`` decides; anything else (or nothing) asks Docker.
CHOICE = "WORKFLOW_DO_CLUSTER"
_ASK_LIMIT_SECONDS = 10

STANDARD_VERBS = frozenset({"create", "delete", "get", "export", "load", "version"})


def is_usable() -> bool:
    """Whether a daemon answers; the client alone is of no use."""
    if shutil.which("docker") is None:
        return False
    try:
        answer = subprocess.run(
            ["docker", "info"], capture_output=True, timeout=_ASK_LIMIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def is_chosen(environ: Mapping[str, str]) -> bool:
    """Whether clusters are made with Docker on this machine."""
    choice = environ.get(CHOICE, "")
    if choice not in ("", "docker", "onenode"):
        raise ClusterError(f"{CHOICE} is {choice!r}; set it to 'docker' or 'onenode', or unset it")
    return choice == "docker" or (choice == "" and is_usable())


def hand_over(cache: Cache, arguments: Sequence[str], progress: Progress) -> None:
    """Becomes the real kind, built on first use; does not return."""
    build.require(cache, [KIND], progress)
    program = str(KIND.path(cache, "kind"))
    os.execv(program, [program, *arguments])
