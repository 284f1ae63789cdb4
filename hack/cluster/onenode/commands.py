"""What each verb of the command line does; every function returns an exit code.

Results go to standard output and nothing else does, so that scripts can read them.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from onenode import archives, binaries, build, containers, inventory, kubeconfig, lifecycle
from onenode import packages as debian
from onenode.errors import ClusterError
from onenode.processes import is_stopped
from onenode.progress import Progress
from onenode.settings import BUSYBOX_IMAGE, Cache, ClusterFolder, kubernetes_version

CLUSTER_PLACES = ("audit-log", "containerd-socket", "folder", "kubeconfig", "logs")

DEFAULT_WAIT_SECONDS = 120.0
SIGNAL_LIMIT_SECONDS = 10.0
RESTART_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02


def require_root() -> None:
    if not sys.platform.startswith("linux"):
        raise ClusterError(f"this needs Linux, not {sys.platform}; use a Linux machine, or Docker")
    if os.geteuid() != 0:
        raise ClusterError("this needs root: namespaces, mounts and cgroups are made; use sudo")


def create(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    require_root()
    began = time.monotonic()
    whole = not options.control_plane_only
    for flag in ("image", "config"):
        if getattr(options, flag):
            progress.done(f"Note: --{flag} is ignored: one node, Kubernetes {kubernetes_version()}")
    cache.root.mkdir(parents=True, exist_ok=True)
    build.check_room(cache.root, lifecycle.ROOM_MEGABYTES)
    debian.require(
        cache, debian.NODE_PACKAGES if whole else debian.CONTROL_PLANE_PACKAGES, progress
    )
    units = binaries.NODE_UNITS if whole else binaries.CONTROL_PLANE_UNITS
    build.require(cache, units, progress)
    target = kubeconfig.find_path(options.kubeconfig, os.environ)
    request = lifecycle.Request(
        name=options.name,
        kubeconfig=target,
        whole=whole,
        limit_seconds=options.wait or DEFAULT_WAIT_SECONDS,
        retain=options.retain,
    )
    lifecycle.create(cache, request, progress)
    progress.done(
        f"Cluster '{options.name}' is up after {time.monotonic() - began:.1f} s; "
        f"kubectl --kubeconfig {target} --context kind-{options.name} get nodes"
    )
    return 0


def delete(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    require_root()
    target = kubeconfig.find_path(options.kubeconfig, os.environ)
    progress.stage(f"Deleting cluster '{options.name}'")
    existed = lifecycle.delete(cache, options.name, target, progress)
    was = "is deleted" if existed else "did not exist; nothing to delete"
    progress.done(f"Cluster '{options.name}' {was}")
    return 0


def get_clusters(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    names = inventory.list_live(cache)
    if not names:
        print("No kind clusters found.", file=sys.stderr)
    for name in names:
        print(name)
    return 0


def get_nodes(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    folder = cache.cluster(options.name)
    if inventory.is_live(folder) and inventory.is_whole(folder):
        print(folder.node_name)
    else:
        print(f'No kind nodes found for cluster "{options.name}".', file=sys.stderr)
    return 0


def get_kubeconfig(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    print(inventory.require_live(cache, options.name).kubeconfig.read_text(), end="")
    return 0


def export(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    folder = inventory.require_live(cache, options.name)
    target = kubeconfig.find_path(options.kubeconfig, os.environ)
    kubectl = binaries.program_path(cache, "kubectl")
    kubeconfig.add(kubectl, target, folder.kubeconfig.read_text())
    progress.done(f"Set the current context of {target} to kind-{options.name}")
    return 0


def load_image(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    """An archive of that name in the cache is imported, as it may be newer than the cluster's."""
    folder = _require_node(cache, options.name)
    for image in options.items:
        if archives.full_name(image) == archives.full_name(BUSYBOX_IMAGE):
            make_busybox(cache, progress)
        archive = archives.find(cache.images, image)
        if archive is not None:
            progress.stage(f"Loading {image} from {archive}")
            containers.import_archive(folder, archive)
            progress.done(f"Loaded {image} into cluster '{options.name}'")
        elif archives.full_name(image) in containers.list_images(folder):
            progress.done(f"{image} is in cluster '{options.name}' already")
        else:
            raise ClusterError(
                f"no image '{image}': build it into {cache.images} as a docker-archive (any file "
                "name ending in .tar), or load an archive with 'load image-archive'"
            )
    return 0


def load_archive(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    folder = _require_node(cache, options.name)
    for item in options.items:
        archive = Path(item).absolute()
        if not archive.is_file():
            raise ClusterError(f"no image archive {archive}")
        progress.stage(f"Loading {archive}")
        containers.import_archive(folder, archive)
        progress.done(f"Loaded {archive} into cluster '{options.name}'")
    return 0


def _require_node(cache: Cache, name: str) -> ClusterFolder:
    require_root()
    folder = inventory.require_live(cache, name)
    if not inventory.is_whole(folder):
        raise ClusterError(f"cluster '{name}' is a control plane only: it runs no Pods")
    return folder


def version(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    print(f"kind (one node, no Docker) {binaries.KIND.version} Kubernetes {kubernetes_version()}")
    return 0


def pause(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    return _hold(cache, options, progress, stop=True)


def resume(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    return _hold(cache, options, progress, stop=False)


def _hold(cache: Cache, options: argparse.Namespace, progress: Progress, *, stop: bool) -> int:
    """Returns once the kernel shows the component held or going, not when it was asked for."""
    require_root()
    folder = inventory.require_live(cache, options.name)
    pid = inventory.find_component(folder, options.component)
    os.kill(pid, signal.SIGSTOP if stop else signal.SIGCONT)
    deadline = time.monotonic() + SIGNAL_LIMIT_SECONDS
    while is_stopped(pid) is not stop:
        if time.monotonic() > deadline:
            raise ClusterError(f"{options.component} (process {pid}) does not react to signals")
        time.sleep(POLL_SECONDS)
    progress.done(f"{options.component} of '{options.name}' is {'held' if stop else 'going on'}")
    return 0


def restart(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    """Kills a component and returns once another process of it runs."""
    require_root()
    folder = inventory.require_live(cache, options.name)
    killed = inventory.find_component(folder, options.component)
    os.kill(killed, signal.SIGKILL)
    progress.stage(f"Waiting until {options.component} runs again")
    deadline = time.monotonic() + RESTART_LIMIT_SECONDS
    while True:
        try:
            if inventory.find_component(folder, options.component) != killed:
                break
        except ClusterError:
            if not inventory.is_live(folder):
                raise
        if time.monotonic() > deadline:
            raise ClusterError(f"{options.component} did not start again; see {folder.logs}")
        progress.tick()
        time.sleep(POLL_SECONDS)
    progress.done(f"{options.component} of '{options.name}' runs again")
    return 0


def make(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    """The verb ``build``: without names, all that clusters and the Makefile use."""
    cache.root.mkdir(parents=True, exist_ok=True)
    names = [name for name in options.programs if name != "busybox"]
    units = {unit.folder: unit for unit in map(binaries.find_unit, names)}
    if units or not options.programs:
        build.require(cache, units.values() or binaries.DEFAULT_UNITS, progress)
    if "busybox" in options.programs:
        require_root()
        print(make_busybox(cache, progress))
    return 0


def make_busybox(cache: Cache, progress: Progress) -> Path:
    """The archive of the small test image, made when it is not there."""
    target = cache.images / "busybox-dev.tar"
    if not target.exists():
        debian.require(cache, debian.BUSYBOX_PACKAGES, progress)
        archives.write_busybox(target, BUSYBOX_IMAGE)
    return target


def path(cache: Cache, options: argparse.Namespace, progress: Progress) -> int:
    """The path of a program whether or not it is built, or of a cluster's file."""
    if options.what not in CLUSTER_PLACES:
        print(binaries.program_path(cache, options.what))
        return 0
    folder = inventory.require_live(cache, options.name)
    places = {
        "audit-log": folder.audit_log,
        "containerd-socket": folder.containerd_socket,
        "folder": folder.root,
        "kubeconfig": folder.kubeconfig,
        "logs": folder.logs,
    }
    print(places[options.what])
    return 0
