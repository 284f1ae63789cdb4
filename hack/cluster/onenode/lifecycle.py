"""Bringing a cluster up and taking it down.

Everything a cluster has lies in its folder and in its namespaces; this module decides the order and
the bounds, and cleans up after itself when something goes wrong on the way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from onenode import archives, cgroups, config, containers, inventory, kubeconfig, locks, pki
from onenode.api import Api, is_node_ready
from onenode.binaries import program_path
from onenode.components import list_components
from onenode.errors import ClusterError
from onenode.processes import Identity, end_all, write_json
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
END_LIMIT_SECONDS = 30.0
LOCK_LIMIT_SECONDS = 300.0
ROOM_MEGABYTES = 400
TAIL_LINES = 8


@dataclass(frozen=True)
class Request:
    """What is asked of ``create``. ``limit_seconds`` bounds the wait for each stage."""

    name: str
    kubeconfig: Path
    whole: bool = True
    limit_seconds: float = 120.0
    retain: bool = False


def cluster_lock(
    cache: Cache, name: str, progress: Progress
) -> contextlib.AbstractContextManager[None]:
    """One command at a time changes a cluster."""
    path = cache.locks / f"cluster-{name}.lock"
    return locks.hold(path, f"changing cluster '{name}'", LOCK_LIMIT_SECONDS, progress)


def create(cache: Cache, request: Request, progress: Progress) -> ClusterFolder:
    """Brings a cluster up until it is of use, and adds it to the kubeconfig.

    What a dead cluster of the same name left is removed first. Raises ClusterError when a live one
    has the name, and when this one does not come up; then nothing of it is left but its logs.
    """
    folder = cache.cluster(request.name)
    with cluster_lock(cache, request.name, progress):
        if inventory.is_live(folder):
            raise ClusterError(
                f"cluster '{request.name}' exists already; delete it first, or use another name"
            )
        remove(folder)
        try:
            _bring_up(cache, folder, request, progress)
        except BaseException as error:
            if not request.retain:
                _keep_logs(cache, folder, error)
                remove(folder)
            raise
    return folder


def _bring_up(cache: Cache, folder: ClusterFolder, request: Request, progress: Progress) -> None:
    progress.stage(f"Preparing cluster '{request.name}'")
    with _listen() as listener:
        port: int = listener.getsockname()[1]
        _write_files(cache, folder, request.whole, listener.fileno(), port)
        progress.stage("Starting the control plane" if not request.whole else "Starting the node")
        outer = _start(folder, listener)
    watch = _Watch(folder, outer, request.limit_seconds, progress)
    api = Api(port, folder.pki)
    watch.until("the API server is ready", api.is_ready)
    if request.whole:
        _bring_up_node(folder, api, watch)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    watch.until("the default ServiceAccount exists", lambda: api.get(account) is not None)
    watch.until(
        "all components run", lambda: (s := inventory.read_state(folder)) and s.phase == "running"
    )
    kubeconfig.add(
        program_path(cache, "kubectl"), request.kubeconfig, folder.kubeconfig.read_text()
    )
    folder.ready.touch()


def _bring_up_node(folder: ClusterFolder, api: Api, watch: _Watch) -> None:
    for path, body in config.coredns_access():
        watch.until(f"{path} takes CoreDNS's rights", lambda p=path, b=body: api.create(p, b))
    folder.access.touch()
    containers.import_archive(folder, folder.root / "pause.tar")
    node = f"/api/v1/nodes/{folder.node_name}"
    watch.until("the node is Ready", lambda: is_node_ready(api.get(node)))
    name = f"kubernetes.default.svc.{CLUSTER_DOMAIN}"
    watch.until("CoreDNS answers", lambda: _resolves(folder, name))


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
        kubeconfig.write_private(folder.config / f"{client}.kubeconfig", text)
    outside = f"https://127.0.0.1:{port}"
    text = kubeconfig.render_for(folder.pki, "admin", f"kind-{folder.name}", outside)
    kubeconfig.write_private(folder.kubeconfig, text)
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
    """Starts the node so that it survives whoever started it: a session and descriptors of its own."""
    with _open_log(folder) as log:
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


def _open_log(folder: ClusterFolder) -> IO[bytes]:
    return folder.component_log("node").open("ab")


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


def _keep_logs(cache: Cache, folder: ClusterFolder, error: BaseException) -> None:
    """The logs of a cluster that did not come up outlive it, and the error names their new place."""
    if not folder.logs.is_dir():
        return
    kept = cache.failed / folder.name
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        shutil.copytree(folder.logs, kept, ignore_dangling_symlinks=True)
        if isinstance(error, ClusterError):
            error.args = (str(error).replace(str(folder.logs), str(kept)),)


def delete(cache: Cache, name: str, target: Path, progress: Progress) -> bool:
    """Ends a cluster, dead or alive, and takes it out of the kubeconfig; tells if there was one."""
    folder = cache.cluster(name)
    existed = folder.root.exists()
    with cluster_lock(cache, name, progress):
        remove(folder)
    kubectl = program_path(cache, "kubectl")
    if kubectl.exists():
        kubeconfig.remove(kubectl, target, f"kind-{name}")
    return existed


def remove(folder: ClusterFolder) -> None:
    """Ends all processes of a cluster and removes its cgroups and its folder.

    Mounts, interfaces and rules are in its namespaces and end with the last process. Raises
    ClusterError when something is still there after half a minute.
    """
    state = inventory.read_state(folder)
    outer = Identity.load(folder.identity)
    if not end_all(outer, state.namespace if state else None, END_LIMIT_SECONDS):
        raise ClusterError(
            f"processes of cluster '{folder.name}' do not end (they hang in the kernel); "
            "try again later, or restart the machine"
        )
    left = cgroups.remove(folder.cgroup, END_LIMIT_SECONDS)
    if left:
        raise ClusterError(f"cgroup {left[0]} cannot be removed: a process is still in it")
    if folder.root.exists():
        shutil.rmtree(folder.root)


def signal_component(folder: ClusterFolder, component: str, number: signal.Signals) -> None:
    """Sends a signal to one component."""
    pid = inventory.find_component(folder, component)
    os.kill(pid, number)
