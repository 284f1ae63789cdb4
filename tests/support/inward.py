"""A way from an API server, which is closed in with its network, to a port of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.kubelet import await_value


def pid_of(program: str, folder: Path) -> int:
    """The process that runs a program with something in a cluster's folder."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        of_cluster = any(f"{folder}/".encode() in word for word in words)
        if Path(words[0].decode(errors="replace")).name == program and of_cluster:
            return int(entry.parent.name)
    raise AssertionError(f"no {program} runs with {folder}")


@contextmanager
def inward(cluster: Path, port: int, folder: Path) -> Iterator[None]:
    """127.0.0.1:port means, for the API server of a cluster with its state in that folder, what it
    means on this machine; `folder` is for a socket.
    """
    socket = folder / "inward"
    pid = pid_of("kube-apiserver", cluster)
    target = f"TCP:127.0.0.1:{port}"
    here = ["socat", f"UNIX-LISTEN:{socket},fork", target]
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"
    there = ["nsenter", f"--target={pid}", "--net", "socat", listen, f"UNIX-CONNECT:{socket}"]
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in (here, there)]
    try:
        await_value(socket.exists, "the forwarder listens", 10)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait(timeout=10)
