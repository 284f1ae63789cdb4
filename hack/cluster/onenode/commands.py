"""What each verb of the command line does; every function returns an exit code.

Results go to standard output and nothing else does, so that scripts can read them.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from onenode import archives, binaries, build, containers, inventory, kubeconfig, lifecycle
from onenode import packages as debian
from onenode.api import Api
from onenode.errors import ClusterError
from onenode.processes import is_stopped
from onenode.progress import Progress
from onenode.settings import BUSYBOX_IMAGE, Cache, ClusterFolder, kubernetes_version

CLUSTER_PLACES = ("audit-log", "containerd-socket", "folder", "kubeconfig", "logs")

DEFAULT_WAIT_SECONDS = 120.0
SIGNAL_LIMIT_SECONDS = 10.0
RESTART_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Call:
    """One command: where state lies, what was asked for, and whom to tell how it goes."""

    cache: Cache
    options: argparse.Namespace
    progress: Progress


def require_root() -> None:
    if not sys.platform.startswith("linux"):
        raise ClusterError(f"this needs Linux, not {sys.platform}; use a Linux machine, or Docker")
    if os.geteuid() != 0:
        raise ClusterError("this needs root: namespaces, mounts and cgroups are made; use sudo")


def create(call: Call) -> int:
    require_root()
    began = time.monotonic()
    whole = not call.options.control_plane_only
    for flag in ("image", "config"):
        if getattr(call.options, flag):
            call.progress.done(
                f"Note: --{flag} is ignored: one node, Kubernetes {kubernetes_version()}"
            )
    call.cache.root.mkdir(parents=True, exist_ok=True)
    build.check_room(call.cache.root, lifecycle.ROOM_MEGABYTES)
    debian.require(
        call.cache, debian.NODE_PACKAGES if whole else debian.CONTROL_PLANE_PACKAGES, call.progress
    )
    units = binaries.NODE_UNITS if whole else binaries.CONTROL_PLANE_UNITS
    build.require(call.cache, units, call.progress)
    target = kubeconfig.find_path(call.options.kubeconfig, os.environ)
    request = lifecycle.Request(
        name=call.options.name,
        kubeconfig=target,
        whole=whole,
        limit_seconds=call.options.wait or DEFAULT_WAIT_SECONDS,
        retain=call.options.retain,
    )
    lifecycle.create(call.cache, request, call.progress)
    call.progress.done(
        f"Cluster '{call.options.name}' is up after {time.monotonic() - began:.1f} s; "
        f"kubectl --kubeconfig {target} --context kind-{call.options.name} get nodes"
    )
    return 0


def delete(call: Call) -> int:
    require_root()
    target = kubeconfig.find_path(call.options.kubeconfig, os.environ)
    call.progress.stage(f"Deleting cluster '{call.options.name}'")
    existed = lifecycle.delete(call.cache, call.options.name, target, call.progress)
    was = "is deleted" if existed else "did not exist; nothing to delete"
    call.progress.done(f"Cluster '{call.options.name}' {was}")
    return 0


def get_clusters(call: Call) -> int:
    names = inventory.list_live(call.cache)
    if not names:
        print("No kind clusters found.", file=sys.stderr)
    for name in names:
        print(name)
    return 0


def get_nodes(call: Call) -> int:
    folder = call.cache.cluster(call.options.name)
    if inventory.is_live(folder) and inventory.is_whole(folder):
        print(folder.node_name)
    else:
        print(f'No kind nodes found for cluster "{call.options.name}".', file=sys.stderr)
    return 0


def get_kubeconfig(call: Call) -> int:
    print(inventory.require_live(call.cache, call.options.name).kubeconfig.read_text(), end="")
    return 0


def export(call: Call) -> int:
    folder = inventory.require_live(call.cache, call.options.name)
    target = kubeconfig.find_path(call.options.kubeconfig, os.environ)
    kubectl = binaries.program_path(call.cache, "kubectl")
    kubeconfig.add(kubectl, target, folder.kubeconfig.read_text())
    call.progress.done(f"Set the current context of {target} to kind-{call.options.name}")
    return 0


def load_image(call: Call) -> int:
    """An archive of that name in the cache is imported, as it may be newer than the cluster's."""
    folder = _require_node(call.cache, call.options.name)
    for image in call.options.items:
        if archives.full_name(image) == archives.full_name(BUSYBOX_IMAGE):
            make_busybox(call.cache, call.progress)
        archive = archives.find(call.cache.images, image)
        if archive is not None:
            call.progress.stage(f"Loading {image} from {archive}")
            containers.import_archive(folder, archive)
            call.progress.done(f"Loaded {image} into cluster '{call.options.name}'")
        elif archives.full_name(image) in containers.list_images(folder):
            call.progress.done(f"{image} is in cluster '{call.options.name}' already")
        else:
            raise ClusterError(
                f"no image '{image}': build it into {call.cache.images} as a docker-archive (any "
                "name ending in .tar), or load an archive with 'load image-archive'"
            )
    return 0


def load_archive(call: Call) -> int:
    folder = _require_node(call.cache, call.options.name)
    for item in call.options.items:
        archive = Path(item).absolute()
        if not archive.is_file():
            raise ClusterError(f"no image archive {archive}")
        call.progress.stage(f"Loading {archive}")
        containers.import_archive(folder, archive)
        call.progress.done(f"Loaded {archive} into cluster '{call.options.name}'")
    return 0


def _require_node(cache: Cache, name: str) -> ClusterFolder:
    require_root()
    folder = inventory.require_live(cache, name)
    if not inventory.is_whole(folder):
        raise ClusterError(f"cluster '{name}' is a control plane only: it runs no Pods")
    return folder


def version(_: Call) -> int:
    print(f"kind (one node, no Docker) {binaries.KIND.version} Kubernetes {kubernetes_version()}")
    return 0


def pause(call: Call) -> int:
    return _hold(call, stop=True)


def resume(call: Call) -> int:
    return _hold(call, stop=False)


def _hold(call: Call, *, stop: bool) -> int:
    """Returns once the kernel shows the component held or going, not when it was asked for."""
    require_root()
    folder = inventory.require_live(call.cache, call.options.name)
    pid = inventory.find_component(folder, call.options.component)
    os.kill(pid, signal.SIGSTOP if stop else signal.SIGCONT)
    deadline = time.monotonic() + SIGNAL_LIMIT_SECONDS
    while is_stopped(pid) is not stop:
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{call.options.component} (process {pid}) does not react to signals"
            )
        time.sleep(POLL_SECONDS)
    call.progress.done(
        f"{call.options.component} of '{call.options.name}' is {'held' if stop else 'going on'}"
    )
    return 0


def restart(call: Call) -> int:
    """Kills a component; returns once another process of it runs and the API is ready again."""
    require_root()
    folder = inventory.require_live(call.cache, call.options.name)
    killed = inventory.find_component(folder, call.options.component)
    os.kill(killed, signal.SIGKILL)
    call.progress.stage(f"Waiting until {call.options.component} runs again")
    deadline = time.monotonic() + RESTART_LIMIT_SECONDS
    api = Api(inventory.read_port(folder), folder.pki)
    while not (_runs_anew(folder, call.options.component, killed) and api.is_ready()):
        inventory.require_live(call.cache, call.options.name)
        if time.monotonic() > deadline:
            raise ClusterError(f"{call.options.component} did not start again; see {folder.logs}")
        call.progress.tick()
        time.sleep(POLL_SECONDS)
    call.progress.done(f"{call.options.component} of '{call.options.name}' runs again")
    return 0


def _runs_anew(folder: ClusterFolder, component: str, killed: int) -> bool:
    try:
        return inventory.find_component(folder, component) != killed
    except ClusterError:
        return False


def make(call: Call) -> int:
    """The verb ``build``: without names, all that clusters and the Makefile use."""
    call.cache.root.mkdir(parents=True, exist_ok=True)
    names = [name for name in call.options.programs if name != "busybox"]
    units = {unit.folder: unit for unit in map(binaries.find_unit, names)}
    if units or not call.options.programs:
        build.require(call.cache, units.values() or binaries.DEFAULT_UNITS, call.progress)
    if "busybox" in call.options.programs:
        require_root()
        print(make_busybox(call.cache, call.progress))
    return 0


def make_busybox(cache: Cache, progress: Progress) -> Path:
    """The archive of the small test image, made when it is not there."""
    target = cache.images / "busybox-dev.tar"
    if not target.exists():
        debian.require(cache, debian.BUSYBOX_PACKAGES, progress)
        archives.write_busybox(target, BUSYBOX_IMAGE)
    return target


def path(call: Call) -> int:
    """The path of a program whether or not it is built, or of a cluster's file."""
    if call.options.what not in CLUSTER_PLACES:
        print(binaries.program_path(call.cache, call.options.what))
        return 0
    folder = inventory.require_live(call.cache, call.options.name)
    places = {
        "audit-log": folder.audit_log,
        "containerd-socket": folder.containerd_socket,
        "folder": folder.root,
        "kubeconfig": folder.kubeconfig,
        "logs": folder.logs,
    }
    print(places[call.options.what])
    return 0
