"""Finds the Debian packages that a cluster needs and installs what is missing.

No package may start a daemon: while apt runs, a policy-rc.d forbids it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from onenode import locks
from onenode.errors import ClusterError
from onenode.progress import Progress
from onenode.settings import Cache

#: For each package, files that show that it (or what another system ships instead) is installed.
CONTROL_PLANE_PACKAGES = {
    "openssl": ("openssl",),
    "util-linux": ("unshare", "nsenter"),
    "mount": ("mount",),
    "iproute2": ("ip",),
}
NODE_PACKAGES = {
    **CONTROL_PLANE_PACKAGES,
    "containerd": ("containerd", "ctr"),
    "runc": ("runc",),
    "containernetworking-plugins": ("/usr/lib/cni/bridge", "/usr/lib/cni/host-local"),
    "iptables": ("iptables",),
    "conntrack": ("conntrack",),
    "socat": ("socat",),
}
BUSYBOX_PACKAGES = {"busybox-static": ("/bin/busybox",)}

APT_LIMIT_SECONDS = 900
LOCK_LIMIT_SECONDS = 1800
POLICY = Path("/usr/sbin/policy-rc.d")


def find_missing(packages: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The packages of which a file cannot be found."""
    return [
        package
        for package, files in packages.items()
        if any(shutil.which(file) is None for file in files)
    ]


def require(cache: Cache, packages: Mapping[str, tuple[str, ...]], progress: Progress) -> None:
    """Installs what is missing of ``packages``; does nothing when all is there."""
    if not find_missing(packages):
        return
    lock = cache.locks / "apt.lock"
    with locks.hold(lock, "installing packages", LOCK_LIMIT_SECONDS, progress):
        missing = find_missing(packages)
        if not missing:
            return
        if shutil.which("apt-get") is None:
            raise ClusterError(
                f"these packages are missing: {' '.join(missing)}; install them (this machine has "
                "no apt-get, so it cannot be done for you)"
            )
        log = cache.build_logs / "apt.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with _no_daemons():
            _apt(["update"], log, "Refreshing the package lists", progress)
            install = ["install", "--yes", "--no-install-recommends", *missing]
            _apt(install, log, f"Installing {' '.join(missing)}", progress)
    left = find_missing(packages)
    if left:
        raise ClusterError(f"apt did not bring all files of {' '.join(left)}; see {log}")
    progress.done(f"Installed {' '.join(missing)}")


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Debian asks policy-rc.d before it starts a service; 101 says no."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _apt(arguments: list[str], log: Path, stage: str, progress: Progress) -> None:
    progress.stage(stage)
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=2", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("a") as file:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            code = _wait(process, progress)
        finally:
            if process.poll() is None:
                process.terminate()
    if code != 0:
        last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise ClusterError(
            f"apt-get {arguments[0]} failed (no network, or the package is not to be had?): "
            f"{last[-1][:200] if last else 'it printed nothing'}; the log is {log}"
        )


def _wait(process: subprocess.Popen[bytes], progress: Progress) -> int:
    for _ in range(APT_LIMIT_SECONDS * 2):
        try:
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            progress.tick()
    raise ClusterError(f"apt-get did not end within {APT_LIMIT_SECONDS} s; stopped")
