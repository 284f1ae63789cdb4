"""The cgroup folder in which a cluster's Pods live: made before the kubelet starts, removed last.

Works on version 1 (one tree a controller, proven) and on version 2 (one tree, not tried by this
project's tests).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_V2_WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
_POLL_SECONDS = 0.05


def is_unified(root: Path = ROOT) -> bool:
    """Whether the machine has cgroup version 2 only."""
    return (root / "cgroup.controllers").exists()


def list_trees(root: Path = ROOT) -> list[Path]:
    """The folders that hold a tree of cgroups each."""
    if is_unified(root):
        return [root]
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())


def make(name: str, root: Path = ROOT) -> None:
    """Makes the folder ``name`` in every tree; the kubelet misses it where it is not."""
    if is_unified(root):
        _enable_controllers(root)
        (root / name).mkdir(exist_ok=True)
        _enable_controllers(root / name)
        return
    for tree in list_trees(root):
        folder = tree / name
        folder.mkdir(exist_ok=True)
        if (tree / "cpuset.cpus").exists():
            _inherit_cpuset(folder)


def _inherit_cpuset(folder: Path) -> None:
    """A new cpuset of version 1 is empty and takes no process until it has both of these."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        (folder / file).write_text((folder.parent / file).read_text())


def _enable_controllers(folder: Path) -> None:
    """Version 2: hands the controllers down. A folder with processes of its own may not do so, so
    in a container they are moved into a leaf first."""
    available = (folder / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{one}" for one in _V2_WANTED if one in available)
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = folder / "workflow-do-rest"
        leaf.mkdir(exist_ok=True)
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (leaf / "cgroup.procs").write_text(pid)
        (folder / "cgroup.subtree_control").write_text(wanted)


def remove(name: str, limit_seconds: float, root: Path = ROOT) -> list[Path]:
    """Removes the folder ``name`` from every tree; returns what could not be removed in time.

    The kernel needs a moment after a process has ended before its cgroup counts as empty.
    """
    deadline = time.monotonic() + limit_seconds
    while True:
        left = [folder for tree in list_trees(root) if (folder := tree / name).is_dir()]
        for folder in left:
            _remove_tree(folder)
        left = [folder for folder in left if folder.is_dir()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_SECONDS)


def _remove_tree(folder: Path) -> None:
    """From the leaves up; the files of a cgroup are the kernel's and go with their folder."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
