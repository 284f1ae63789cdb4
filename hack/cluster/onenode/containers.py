"""Images in a running cluster, through containerd's socket."""

from __future__ import annotations

import subprocess
from pathlib import Path

from onenode.errors import ClusterError
from onenode.settings import ClusterFolder

_IMPORT_LIMIT_SECONDS = 600
_LIST_LIMIT_SECONDS = 60


def import_archive(folder: ClusterFolder, archive: Path) -> None:
    """Makes the images of a docker or OCI archive usable by Pods."""
    answer = _ctr(folder, ["images", "import", str(archive)], _IMPORT_LIMIT_SECONDS)
    if answer.returncode != 0:
        raise ClusterError(f"containerd does not take {archive}: {_last_line(answer.stderr)}")


def list_images(folder: ClusterFolder) -> set[str]:
    """The full names of all images in the cluster."""
    answer = _ctr(folder, ["images", "list", "--quiet"], _LIST_LIMIT_SECONDS)
    if answer.returncode != 0:
        raise ClusterError(
            f"containerd of cluster '{folder.name}' does not answer: {_last_line(answer.stderr)}"
        )
    return set(answer.stdout.split())


def _ctr(
    folder: ClusterFolder, arguments: list[str], limit_seconds: float
) -> subprocess.CompletedProcess[str]:
    command = ["ctr", "--address", str(folder.containerd_socket), "--namespace", "k8s.io"]
    try:
        return subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"containerd of cluster '{folder.name}' did not answer within {limit_seconds:.0f} s"
        ) from None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"
