"""Starting one cluster and waiting until it is of use; what is left after a failure is not its job.

Order: files first, then the one outer process with everything behind it; the node starts its
components itself, and what takes the API is done from here.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from onenode import archives, cgroups, config, containers, inventory, kubeconfig, pki
from onenode.api import Api, is_node_ready
from onenode.binaries import program_path
from onenode.components import list_components
from onenode.errors import ClusterError
from onenode.files import write_json, write_private
from onenode.progress import Progress
from onenode.settings import (
    API_PORT,
    CLUSTER_DOMAIN,
    NODE_IP,
    PAUSE_IMAGE,
    SOCKET_PATH_LIMIT,
    SOURCE,
    Cache,
    ClusterFolder,
)

POLL_SECONDS = 0.05
TAIL_LINES = 8


def bring_up(
    cache: Cache, folder: ClusterFolder, whole: bool, limit_seconds: float, progress: Progress
) -> None:
    """Starts a cluster in ``folder``, which must not exist yet; returns when it is of use.

    ``limit_seconds`` bounds each wait. Raises ClusterError when something does not come up.
    """
    progress.stage(f"Starting cluster '{folder.name}'")
    with _listen() as listener:
        port: int = listener.getsockname()[1]
        _write_files(cache, folder, whole, listener.fileno(), port)
        outer = _start(folder, listener)
    watch = _Watch(folder, outer, limit_seconds, progress)
    api = Api(port, folder.pki)
    watch.until("the API server is ready", api.is_ready)
    if whole:
        _bring_up_node(folder, api, watch)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    watch.until("the default ServiceAccount exists", lambda: api.get(account) is not None)
    watch.until("all components run", lambda: _all_run(folder))


def _bring_up_node(folder: ClusterFolder, api: Api, watch: _Watch) -> None:
    for path, body in config.coredns_access():
        watch.until("CoreDNS has its rights", partial(api.create, path, body))
    folder.access.touch()
    watch.until("containerd listens", folder.containerd_socket.is_socket)
    containers.import_archive(folder, folder.root / "pause.tar")
    node = f"/api/v1/nodes/{folder.node_name}"
    watch.until("the node is Ready", lambda: is_node_ready(api.get(node)))
    name = f"kubernetes.default.svc.{CLUSTER_DOMAIN}"
    watch.until("CoreDNS answers", lambda: _resolves(folder, name))


def _all_run(folder: ClusterFolder) -> bool:
    state = inventory.read_state(folder)
    return state is not None and state.phase == "running"


def _listen() -> socket.socket:
    """The API's port on this machine: taken before anything is started, and never given back until
    the cluster ends, so that nobody else can take it meanwhile."""
    try:
        return socket.create_server(("127.0.0.1", 0), backlog=1024)
    except OSError as error:
        raise ClusterError(f"no free port on 127.0.0.1: {error.strerror}") from error


def _write_files(
    cache: Cache, folder: ClusterFolder, whole: bool, relay_fd: int, port: int
) -> None:
    if len(str(folder.containerd_socket)) > SOCKET_PATH_LIMIT:
        raise ClusterError(
            f"{folder.containerd_socket} is too long for a socket's path "
            f"({SOCKET_PATH_LIMIT} characters); set WORKFLOW_DO_CACHE to a shorter one"
        )
    folder.root.mkdir(parents=True)
    folder.logs.mkdir()
    pki.write_all(folder.pki, folder.node_name)
    config.write_all(folder, _choose_snapshotter(folder.root))
    inside = f"https://127.0.0.1:{API_PORT}"
    for client in (*(c for c in pki.CLIENTS if c != "apiserver-kubelet-client"), "kubelet"):
        text = kubeconfig.render_for(folder.pki, client, "node", inside)
        write_private(folder.config / f"{client}.kubeconfig", text)
    outside = f"https://127.0.0.1:{port}"
    text = kubeconfig.render_for(folder.pki, "admin", f"kind-{folder.name}", outside)
    write_private(folder.kubeconfig, text)
    parts = list_components(folder, lambda program: program_path(cache, program), whole)
    spec = {
        "whole": whole,
        "port": port,
        "relay_fd": relay_fd,
        "components": [part.to_json() for part in parts],
    }
    write_json(folder.spec, spec)
    if whole:
        archives.write_pause(folder.root / "pause.tar", PAUSE_IMAGE, program_path(cache, "pause"))
        cgroups.make(folder.cgroup)


def _choose_snapshotter(folder: Path) -> str:
    """Overlays cannot be stacked: inside a container the plain copying snapshotter is used."""
    answer = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return "native" if answer.stdout.strip() == "overlayfs" else "overlayfs"


def _start(folder: ClusterFolder, listener: socket.socket) -> subprocess.Popen[bytes]:
    """Starts the node so that it survives its starter: in a session, with files, of its own."""
    with folder.component_log("node").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "onenode.outer", str(folder.root)],
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[listener.fileno()],
        )


class _Watch:
    """Waits for conditions, and stops waiting when the node says that it cannot be."""

    def __init__(
        self,
        folder: ClusterFolder,
        outer: subprocess.Popen[bytes],
        limit_seconds: float,
        progress: Progress,
    ) -> None:
        self._folder, self._outer = folder, outer
        self._limit, self._progress = limit_seconds, progress

    def until(self, what: str, holds: Callable[[], object]) -> None:
        """Returns once ``holds`` does; raises ClusterError when it cannot or takes too long."""
        self._progress.stage(f"Waiting until {what}")
        deadline = time.monotonic() + self._limit
        while not holds():
            self._check_node()
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"cluster '{self._folder.name}': after {self._limit:.0f} s it still does not "
                    f"hold that {what}; the logs are in {self._folder.logs}"
                )
            self._progress.tick()
            time.sleep(POLL_SECONDS)

    def _check_node(self) -> None:
        state = inventory.read_state(self._folder)
        if state is not None and state.phase == "failed":
            component = state.error.split(" ", 1)[0]
            raise _died(self._folder, component, state.error)
        code = self._outer.poll()
        if code is not None:
            raise _died(self._folder, "node", f"the node ended with exit code {code}")


def _died(folder: ClusterFolder, component: str, how: str) -> ClusterError:
    log = folder.component_log(component)
    if not log.exists():
        log = folder.component_log("node")
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if log.exists() else []
    shown = "\n".join(f"  {line[:300]}" for line in lines)
    return ClusterError(f"cluster '{folder.name}': {how}; {log} ends with\n{shown}")


def _resolves(folder: ClusterFolder, name: str) -> bool:
    """Whether CoreDNS knows ``name``; asked from inside the node's network."""
    state = inventory.read_state(folder)
    first = state.namespace.members().get(1) if state else None
    if first is None:
        return False
    command = ["nsenter", f"--target={first}", "--net"]
    command += [sys.executable, "-m", "onenode.dns", NODE_IP, name]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    answer = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
    return answer.returncode == 0
