"""The first process inside a node's namespaces: prepares them, starts the components, minds them.

Started as ``python3 -m onenode.node FOLDER`` by ``unshare``. It decides when each component may
start and starts one again that has ended; it reports to ``state.json`` and knows nothing of the
cluster's API. As process 1 it also reaps what others leave behind.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from onenode.components import Component
from onenode.files import write_json
from onenode.processes import read_boot, read_start_time
from onenode.settings import BRIDGE, DEFAULT_PATH, NODE_IP, ClusterFolder

START_TICK_SECONDS = 0.02
IDLE_TICK_SECONDS = 1.0
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 10.0
#: A component may end this often before the cluster has come up: on a busy machine some give up
#: waiting for the API server. Once more, and the start has failed.
EARLY_ENDS = 2
#: Whoever started this is long gone when the cluster has not come up by then.
START_LIMIT_SECONDS = 900.0

#: What the kubelet wants of the kernel. It would set this for the whole machine, so it is shown
#: files that say it already.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


@dataclass
class Running:
    """What the supervisor remembers of one component."""

    component: Component
    pid: int = 0
    starts: int = 0
    not_before: float = 0.0
    started_at: float = 0.0


def prepare(folder: ClusterFolder, whole: bool) -> None:
    """Network, mounts and limits of the node; raises CalledProcessError or OSError."""
    _run("ip", "link", "set", "lo", "up")
    # The bridge is there before the first Pod, so that the node's address is; a fixed hardware
    # address keeps Pods' neighbour tables right when ports come and go.
    _run("ip", "link", "add", BRIDGE, "address", "0a:58:0a:f4:00:01", "type", "bridge")
    _run("ip", "address", "add", f"{NODE_IP}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not whole:
        return
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    _run("mount", "--make-rshared", "/")
    for source, target in (
        (folder.logs, "/var/log"),
        (folder.root / "cni", "/var/lib/cni"),
        (folder.root / "kubelet-shared", "/var/lib/kubelet"),
    ):
        source.mkdir(exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(source), target)
    _show_kernel_settings(folder)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged.exists():
        bridged.write_text("1")


def _show_kernel_settings(folder: ClusterFolder) -> None:
    shown = folder.config / "kernel"
    for name, value in _KERNEL_SETTINGS.items():
        file = shown / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        if Path("/proc/sys", name).exists():
            _run("mount", "--bind", str(file), f"/proc/sys/{name}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)


def answers(port: int) -> bool:
    """Whether something listens on a local TCP port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Supervisor:
    """Starts the components in their order and keeps them running."""

    def __init__(self, folder: ClusterFolder, components: list[Component], relay_fd: int) -> None:
        self._folder = folder
        self._relay_fd = relay_fd
        self._all = [Running(component) for component in components]
        self._phase = "starting"
        self._error = ""

    def run(self) -> None:
        """Returns only when the start has failed or taken too long; all processes end with it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        self.report()
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while self._phase == "running" or (
            self._phase == "starting" and time.monotonic() < deadline
        ):
            pending = self._start_what_can()
            waits = START_TICK_SECONDS if pending else IDLE_TICK_SECONDS
            signal.sigtimedwait({signal.SIGCHLD}, waits)
            self._reap()

    def report(self, error: str = "") -> None:
        """Writes what is known; ``error`` ends the start of the cluster."""
        if error:
            self._phase, self._error = "failed", error
        state = {
            "namespace": os.stat("/proc/self/ns/pid").st_ino,
            "started": read_start_time("self"),
            "boot": read_boot(),
            "phase": self._phase,
            "error": self._error,
            "components": {one.component.name: one.pid for one in self._all},
        }
        write_json(self._folder.state, state)

    def _start_what_can(self) -> bool:
        """Starts every component whose conditions hold; tells whether some are still to start."""
        changed = pending = False
        ports = {port: answers(port) for port in self._ports_waited_for()}
        for one in self._all:
            if one.pid:
                continue
            if time.monotonic() >= one.not_before and self._may_start(one.component, ports):
                self._start(one)
                changed = True
            else:
                pending = True
        if changed:
            if not pending and self._phase == "starting":
                self._phase = "running"
            self.report()
        return pending

    def _ports_waited_for(self) -> set[int]:
        return {port for one in self._all if not one.pid for port in one.component.ports}

    @staticmethod
    def _may_start(component: Component, ports: dict[int, bool]) -> bool:
        return all(ports[port] for port in component.ports) and all(
            os.path.exists(path) for path in component.paths
        )

    def _start(self, one: Running) -> None:
        """posix_spawn: a child must not inherit the blocked signal, and needs no copy of Python."""
        argv = [part.replace("{relay_fd}", str(self._relay_fd)) for part in one.component.argv]
        log = str(self._folder.component_log(one.component.name))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if one.component.name != "relay":
            actions.append((os.POSIX_SPAWN_CLOSE, self._relay_fd))
        one.pid = os.posix_spawn(
            argv[0],
            argv,
            {"PATH": DEFAULT_PATH, "HOME": str(self._folder.root)},
            file_actions=actions,
            setsigmask=[],
            setpgroup=0,
        )
        one.starts += 1
        one.started_at = time.monotonic()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for one in self._all:
                if one.pid == pid:
                    self._note_end(one, os.waitstatus_to_exitcode(status))

    def _note_end(self, one: Running, code: int) -> None:
        """The component is started again, unless it keeps ending while the cluster starts."""
        one.pid = 0
        name = one.component.name
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        with self._folder.component_log(name).open("a") as log:
            log.write(f"--- {name} ended with {how}\n")
        if self._phase == "starting" and one.starts > EARLY_ENDS:
            self.report(f"{name} ended with {how}")
            return
        lived = time.monotonic() - one.started_at
        doubled = FIRST_BACKOFF_SECONDS * 2 ** min(one.starts - 1, 5)
        backoff = FIRST_BACKOFF_SECONDS if lived > LONGEST_BACKOFF_SECONDS else doubled
        one.not_before = time.monotonic() + min(backoff, LONGEST_BACKOFF_SECONDS)
        self.report()


def main(arguments: list[str]) -> int:
    folder = ClusterFolder(Path(arguments[0]))
    spec = json.loads(folder.spec.read_text())
    components = [Component.from_json(one) for one in spec["components"]]
    supervisor = Supervisor(folder, components, spec["relay_fd"])
    try:
        prepare(folder, spec["whole"])
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        supervisor.report(f"the node's namespaces cannot be prepared: {str(detail).strip()}")
        return 1
    supervisor.run()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
