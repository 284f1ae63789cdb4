"""Bringing a cluster up and taking it down.

Everything a cluster has lies in its folder and in its namespaces; this module decides the order and
the bounds, and cleans up after itself when something goes wrong on the way.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from onenode import bringup, cgroups, inventory, kubeconfig, locks
from onenode.binaries import program_path
from onenode.errors import ClusterError
from onenode.processes import Identity, Namespace, end_all
from onenode.progress import Progress
from onenode.settings import Cache, ClusterFolder

END_LIMIT_SECONDS = 30.0
LOCK_LIMIT_SECONDS = 300.0
#: What a fresh cluster takes at once; etcd alone reserves a sixth of it.
ROOM_MEGABYTES = 400


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
            bringup.bring_up(cache, folder, request.whole, request.limit_seconds, progress)
            kubectl = program_path(cache, "kubectl")
            kubeconfig.add(kubectl, request.kubeconfig, folder.kubeconfig.read_text())
            folder.ready.touch()
        except BaseException as error:
            if not request.retain:
                _keep_logs(cache, folder, error)
                remove(folder)
            raise
    return folder


def _keep_logs(cache: Cache, folder: ClusterFolder, error: BaseException) -> None:
    """The logs of a cluster that did not come up outlive it; the error names their new place."""
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
    outer = Identity.load(folder.identity)
    if not end_all(outer, _find_namespace(folder, outer), END_LIMIT_SECONDS):
        raise ClusterError(
            f"processes of cluster '{folder.name}' do not end (they hang in the kernel); "
            "try again later, or restart the machine"
        )
    left = cgroups.remove(folder.cgroup, END_LIMIT_SECONDS)
    if left:
        raise ClusterError(f"cgroup {left[0]} cannot be removed: a process is still in it")
    if folder.root.exists():
        shutil.rmtree(folder.root)


def _find_namespace(folder: ClusterFolder, outer: Identity | None) -> Namespace | None:
    """As the node reported it; one that was stopped before it could is found by its parent."""
    state = inventory.read_state(folder)
    if state is not None:
        return state.namespace
    return Namespace.of_child(outer) if outer is not None and outer.is_alive() else None
