"""What stands in the configuration files of a node's programs; pure text from facts.

The settings that are not the programs' own defaults say why.
"""

from __future__ import annotations

import json
from pathlib import Path

from onenode.settings import (
    BRIDGE,
    CLUSTER_DOMAIN,
    CNI_PLUGINS,
    NODE_IP,
    PAUSE_IMAGE,
    POD_CIDR,
    ClusterFolder,
)


def render_containerd(folder: ClusterFolder, snapshotter: str) -> str:
    """containerd 1.6's own format, version 2.

    ``restrict_oom_score_adj``: without it no Pod starts where CAP_SYS_RESOURCE is missing.
    """
    return f"""\
version = 2
root = "{folder.root}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "{folder.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder.root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
max_concurrent_downloads = 1
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{folder.config}/cni"
"""


def render_cni() -> str:
    """A bridge with the node's address, and host ports; no masquerading: nothing lies outside."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_CIDR, "gateway": NODE_IP}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    plugins = [bridge, portmap]
    return json.dumps({"cniVersion": "0.4.0", "name": "node", "plugins": plugins}, indent=2)


def render_kubelet(folder: ClusterFolder) -> str:
    """KubeletConfiguration; it never evicts for want of disk and removes no image by itself.

    ``oomScoreAdj: 0``: the default is refused where CAP_SYS_RESOURCE is missing.
    """
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_IP,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True, "cacheTTL": "2m"},
                "x509": {"clientCAFile": f"{folder.pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{folder.pki}/kubelet.crt",
            "tlsPrivateKeyFile": f"{folder.pki}/kubelet.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{folder.cgroup}",
            "clusterDNS": [NODE_IP],
            "clusterDomain": CLUSTER_DOMAIN,
            "containerRuntimeEndpoint": f"unix://{folder.containerd_socket}",
            "containerLogMaxSize": "20Mi",
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
            },
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
            "kubeAPIQPS": 500,
            "kubeAPIBurst": 1000,
            "eventRecordQPS": 0,
            "maxPods": 250,
            "oomScoreAdj": 0,
            "podLogsDir": f"{folder.logs}/pods",
            "resolvConf": f"{folder.config}/resolv.conf",
            "serializeImagePulls": False,
            "staticPodPath": "",
        },
        indent=2,
    )


def render_scheduler(folder: ClusterFolder) -> str:
    """KubeSchedulerConfiguration; the stock 50 requests a second would be the bottleneck."""
    return json.dumps(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {
                "kubeconfig": f"{folder.config}/kube-scheduler.kubeconfig",
                "qps": 500,
                "burst": 1000,
            },
            "leaderElection": {"leaderElect": False},
        },
        indent=2,
    )


def render_audit_policy() -> str:
    """Who did what, without bodies; heartbeats and health checks would only hide it."""
    lease_renewals = {
        "level": "None",
        "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
        "namespaces": ["kube-node-lease", "kube-system"],
    }
    health_checks = {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*"]}
    return json.dumps(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [lease_renewals, health_checks, {"level": "Metadata"}],
        },
        indent=2,
    )


def render_corefile(folder: ClusterFolder) -> str:
    """CoreDNS answers for the cluster's own names; there is nobody to forward others to."""
    return f"""\
.:53 {{
    bind {NODE_IP}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {folder.config}/coredns.kubeconfig
        pods insecure
        ttl 5
    }}
    loadbalance
}}
"""


def coredns_access() -> list[tuple[str, dict[str, object]]]:
    """What CoreDNS may read: (API path to POST to, object)."""
    group = "rbac.authorization.k8s.io"
    path = f"/apis/{group}/v1"
    rules = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["list", "watch"],
        },
    ]
    frame: dict[str, object] = {"apiVersion": f"{group}/v1", "metadata": {"name": "system:coredns"}}
    role = {**frame, "kind": "ClusterRole", "rules": rules}
    binding = {
        **frame,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "system:coredns"}],
    }
    return [(f"{path}/clusterroles", role), (f"{path}/clusterrolebindings", binding)]


def write_all(folder: ClusterFolder, snapshotter: str) -> None:
    """Writes every configuration file of a whole node into ``folder.config``."""
    cni = folder.config / "cni"
    cni.mkdir(parents=True, exist_ok=True)
    files: dict[Path, str] = {
        cni / "10-node.conflist": render_cni(),
        folder.config / "containerd.toml": render_containerd(folder, snapshotter),
        folder.config / "kubelet.json": render_kubelet(folder),
        folder.config / "kube-scheduler.json": render_scheduler(folder),
        folder.config / "audit-policy.json": render_audit_policy(),
        folder.config / "Corefile": render_corefile(folder),
        folder.config / "resolv.conf": f"nameserver {NODE_IP}\n",
    }
    for path, text in files.items():
        path.write_text(text)
