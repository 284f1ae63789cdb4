"""Names, versions and places that the other modules share.

Versions have one source, the ``go.mod`` files under ``hack/cluster/go``; they are read there.
It decides where everything lives in the cache and starts nothing.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onenode.errors import ClusterError

SOURCE = Path(__file__).resolve().parent.parent
GO_SOURCES = SOURCE / "go"

#: Addresses inside the node's own network namespace; every cluster uses the same ones.
NODE_IP = "10.244.0.1"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_SERVICE_IP = "10.96.0.1"
API_PORT = 6443
ETCD_PORT = 2379
CLUSTER_DOMAIN = "cluster.local"
BRIDGE = "cni0"
CNI_PLUGINS = Path("/usr/lib/cni")

PAUSE_IMAGE = "localhost/workflow-do/pause:1"
BUSYBOX_IMAGE = "localhost/workflow-do/busybox:dev"

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin"

#: What a Unix socket's address may hold on Linux, without the closing zero byte.
SOCKET_PATH_LIMIT = 107

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?")


def read_module_version(go_mod: str, module: str) -> str:
    """The version of ``module`` required by the text of a ``go.mod`` file.

    Raises ClusterError when the module is not required there.
    """
    found = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ClusterError(f"go.mod does not require {module}; restore hack/cluster/go")
    return found.group(1)


def module_version(folder: str, module: str) -> str:
    """The version of ``module`` in ``hack/cluster/go/<folder>/go.mod``."""
    return read_module_version((GO_SOURCES / folder / "go.mod").read_text(), module)


def kubernetes_version() -> str:
    """For example ``v1.34.4``."""
    return module_version("kubernetes", "k8s.io/kubernetes")


def check_name(name: str) -> str:
    """``name`` when it can name a cluster (and so a node, a cgroup and a folder)."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"'{name}' cannot name a cluster: use 1 to 40 of a-z, 0-9, '-' and '.', "
            "with a letter or digit at both ends"
        )
    return name


def find_home(environ: Mapping[str, str]) -> Path:
    """The user's home folder, also where the environment does not say."""
    return Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)


def find_cache(environ: Mapping[str, str]) -> Path:
    """The folder of all built state: ``WORKFLOW_DO_CACHE``, or one under the home folder."""
    named = environ.get("WORKFLOW_DO_CACHE")
    return Path(named).absolute() if named else find_home(environ) / ".cache" / "workflow-do"


@dataclass(frozen=True)
class ClusterFolder:
    """Where one cluster keeps its files; the folder is named after the cluster."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def node_name(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def cgroup(self) -> str:
        """A cgroup of its own, also beside a cluster of this name in another cache."""
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:8]
        return f"workflow-do-{self.name}-{digest}"

    @property
    def identity(self) -> Path:
        """Who the outer process is; written by itself before it becomes ``unshare``."""
        return self.root / "identity.json"

    @property
    def state(self) -> Path:
        """What the node's first process says of itself and its components."""
        return self.root / "state.json"

    @property
    def ready(self) -> Path:
        """There once ``create`` has seen the whole cluster work."""
        return self.root / "ready"

    @property
    def spec(self) -> Path:
        """What the node's first process is to start."""
        return self.root / "node.json"

    @property
    def access(self) -> Path:
        """There once CoreDNS may read Services."""
        return self.root / "access-granted"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def kubeconfig(self) -> Path:
        """For use outside the node, with the port of this machine."""
        return self.root / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        return self.root / "containerd.sock"

    def component_log(self, component: str) -> Path:
        return self.logs / f"{component}.log"


@dataclass(frozen=True)
class Cache:
    """The folder of everything that is built or running."""

    root: Path

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    @property
    def images(self) -> Path:
        """Image archives, found by the names written inside them."""
        return self.root / "images"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def build_logs(self) -> Path:
        return self.root / "logs"

    @property
    def failed(self) -> Path:
        """Logs of clusters that did not start, one folder a name."""
        return self.root / "failed"

    def cluster(self, name: str) -> ClusterFolder:
        return ClusterFolder(self.clusters / check_name(name))
