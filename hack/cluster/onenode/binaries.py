"""Which programs the cluster is made of, where they lie once built, and how Go is asked for them.

Only facts and pure functions; ``build`` does the work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onenode.errors import ClusterError
from onenode.settings import GO_SOURCES, Cache, module_version

#: Helm's own go.mod asks for it; one rule for all keeps the sentence simple.
OLDEST_GO = (1, 26)


@dataclass(frozen=True)
class Unit:
    """One ``go build``: a folder under ``hack/cluster/go`` and the programs that come from it.

    ``packages`` maps the name a program gets in the cache to the Go package that it is built from.
    ``module`` is the one whose version names the folder in the cache; without one the programs are
    our own and a digest of their source names it. ``megabytes`` is the room they take.
    """

    folder: str
    packages: dict[str, str]
    megabytes: int
    module: str = ""
    minutes_cold: str = "seconds"

    @property
    def source(self) -> Path:
        return GO_SOURCES / self.folder

    @property
    def version(self) -> str:
        return module_version(self.folder, self.module) if self.module else digest(self.source)

    @property
    def key(self) -> str:
        """The folder's name in the cache, for example ``kubernetes-v1.34.4``."""
        return f"{self.folder}-{self.version}"

    @property
    def linker_flags(self) -> str:
        """Strips symbols; Kubernetes learns its version only from here."""
        flags = "-s -w"
        if self.folder == "kubernetes":
            major, minor = self.version.removeprefix("v").split(".")[:2]
            place = "k8s.io/component-base/version"
            flags += f" -X {place}.gitVersion={self.version} -X {place}.gitTreeState=clean"
            flags += f" -X {place}.gitMajor={major} -X {place}.gitMinor={minor}"
        return flags

    def path(self, cache: Cache, program: str) -> Path:
        return cache.binaries / self.key / program

    def is_built(self, cache: Cache) -> bool:
        return all(self.path(cache, program).exists() for program in self.packages)


def digest(folder: Path) -> str:
    """Twelve hexadecimal digits that change with any source file under ``folder``."""
    summed = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in {".go", ".mod", ".sum"}:
            summed.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return summed.hexdigest()[:12]


KUBERNETES = Unit(
    folder="kubernetes",
    module="k8s.io/kubernetes",
    megabytes=520,
    minutes_cold="5 to 10 minutes",
    packages={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    },
)
COREDNS = Unit(
    folder="coredns",
    module="github.com/coredns/coredns",
    megabytes=80,
    minutes_cold="2 minutes",
    packages={"coredns": "github.com/coredns/coredns"},
)
HELM = Unit(
    folder="helm",
    module="helm.sh/helm/v3",
    megabytes=60,
    minutes_cold="2 minutes",
    packages={"helm": "helm.sh/helm/v3/cmd/helm"},
)
NODE = Unit(folder="node", megabytes=10, packages={"pause": "./pause", "relay": "./relay"})
KWOK = Unit(
    folder="kwok",
    module="sigs.k8s.io/kwok",
    megabytes=80,
    minutes_cold="2 minutes",
    packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
)
KIND = Unit(
    folder="kind",
    module="sigs.k8s.io/kind",
    megabytes=12,
    packages={"kind": "sigs.k8s.io/kind"},
)

ALL_UNITS = (NODE, KUBERNETES, COREDNS, HELM, KWOK, KIND)
#: What ``build`` makes unless told otherwise.
DEFAULT_UNITS = (NODE, KUBERNETES, COREDNS, HELM)
CONTROL_PLANE_UNITS = (NODE, KUBERNETES)
NODE_UNITS = (NODE, KUBERNETES, COREDNS)


def find_unit(program: str) -> Unit:
    """The unit that ``program`` (or a whole unit of that name) is built in."""
    for unit in ALL_UNITS:
        if program in unit.packages or program == unit.folder:
            return unit
    raise ClusterError(f"no program '{program}' here; there are {', '.join(list_programs())}")


def list_programs() -> list[str]:
    return sorted(program for unit in ALL_UNITS for program in unit.packages)


def program_path(cache: Cache, program: str) -> Path:
    """Where ``program`` lies once it is built."""
    return find_unit(program).path(cache, program)


def parse_go_version(text: str) -> tuple[int, int]:
    """``go version go1.26.8 linux/amd64`` → ``(1, 26)``."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    if found is None:
        raise ClusterError(f"'go version' answered {text.strip()[:80]!r}; reinstall Go")
    return int(found.group(1)), int(found.group(2))


_NETWORK_SIGNS = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "network is unreachable",
    "connection refused",
    "TLS handshake timeout",
)


def explain_failure(folder: str, lines: Iterable[str], log: Path) -> str:
    """One sentence for a ``go build`` that ended with an error, from the last lines of its log."""
    tail = [line.strip() for line in lines if line.strip()]
    text = "\n".join(tail)
    if "no space left on device" in text:
        return (
            f"no room left on the disk while building {folder}; free some gigabytes in the Go "
            "cache and in WORKFLOW_DO_CACHE, then try again (the log: {log})".format(log=log)
        )
    if any(sign in text for sign in _NETWORK_SIGNS):
        return (
            f"cannot fetch the Go modules of {folder}: no network, or the module proxy (GOPROXY) "
            f"does not answer; the log is {log}"
        )
    last = tail[-1][:300] if tail else "it printed nothing"
    return f"building {folder} failed: {last} (the log: {log})"
