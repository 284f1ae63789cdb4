"""Which clusters there are, whether they live, and how to reach into one; changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from onenode.errors import ClusterError
from onenode.processes import Identity, Namespace, is_stopped
from onenode.settings import Cache, ClusterFolder


@dataclass(frozen=True)
class NodeState:
    """What the node's first process reports; ``components`` maps names to pids inside the node."""

    namespace: Namespace
    phase: str
    error: str
    components: dict[str, int]


def read_state(folder: ClusterFolder) -> NodeState | None:
    """The node's last report, or None when there is none."""
    try:
        data: dict[str, Any] = json.loads(folder.state.read_text())
        namespace = Namespace(data["namespace"], data["started"], data["boot"])
        return NodeState(namespace, data["phase"], data["error"], data["components"])
    except (OSError, ValueError, KeyError):
        return None


def is_live(folder: ClusterFolder) -> bool:
    """Whether the cluster was brought up whole and the process it hangs on is there."""
    outer = Identity.load(folder.identity)
    return folder.ready.exists() and outer is not None and outer.is_alive()


def list_live(cache: Cache) -> list[str]:
    """The names of all live clusters, sorted."""
    if not cache.clusters.is_dir():
        return []
    folders = [ClusterFolder(path) for path in cache.clusters.iterdir() if path.is_dir()]
    return sorted(folder.name for folder in folders if is_live(folder))


def require_live(cache: Cache, name: str) -> ClusterFolder:
    """The folder of the live cluster ``name``; ClusterError when there is no such cluster."""
    folder = cache.cluster(name)
    if is_live(folder):
        return folder
    if folder.root.exists():
        raise ClusterError(
            f"cluster '{name}' is not running; delete it, or create it again under the same name"
        )
    known = ", ".join(list_live(cache)) or "there are none"
    raise ClusterError(f"no cluster '{name}' (clusters: {known}); make it with 'create cluster'")


def read_port(folder: ClusterFolder) -> int:
    """The API's port on this machine."""
    return int(json.loads(folder.spec.read_text())["port"])


def is_whole(folder: ClusterFolder) -> bool:
    """Whether the cluster has a node that runs Pods, or only a control plane."""
    try:
        return bool(json.loads(folder.spec.read_text())["whole"])
    except (OSError, ValueError, KeyError):
        return False


def find_component(folder: ClusterFolder, component: str) -> int:
    """The pid, outside the node, of a running component.

    Raises ClusterError for a component that the cluster does not have or that does not run.
    """
    state = read_state(folder)
    if state is None:
        raise ClusterError(f"cluster '{folder.name}' has no readable {folder.state}; delete it")
    names = {full_component_name(component, state.components), component}
    known = names & set(state.components)
    if not known:
        raise ClusterError(
            f"cluster '{folder.name}' has no component '{component}'; it has "
            f"{', '.join(sorted(state.components))}"
        )
    name = known.pop()
    inside = state.components[name]
    outside = state.namespace.members().get(inside) if inside else None
    if outside is None:
        raise ClusterError(
            f"{name} of cluster '{folder.name}' does not run at the moment; "
            f"see {folder.component_log(name)}"
        )
    return outside


def full_component_name(component: str, known: dict[str, int]) -> str:
    """``apiserver`` and ``kube-apiserver`` mean the same."""
    return component if component in known else f"kube-{component}"


def list_paused(folder: ClusterFolder) -> list[str]:
    """The components held by ``pause``."""
    state = read_state(folder)
    if state is None:
        return []
    members = state.namespace.members()
    return sorted(
        name
        for name, inside in state.components.items()
        if inside in members and is_stopped(members[inside])
    )
