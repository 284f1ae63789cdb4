"""The programs of a node: their arguments, and what each waits for before it is started.

Pure; the node's first process (``node``) starts them from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onenode.settings import (
    API_PORT,
    CLUSTER_DOMAIN,
    ETCD_PORT,
    NODE_IP,
    POD_CIDR,
    SERVICE_CIDR,
    ClusterFolder,
)

Locate = Callable[[str], Path]

CONTROL_PLANE = ("relay", "etcd", "kube-apiserver", "kube-controller-manager")


@dataclass(frozen=True)
class Component:
    """One program: started once all local TCP ports in ``ports`` answer and all ``paths`` exist."""

    name: str
    argv: tuple[str, ...]
    ports: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Component:
        return cls(data["name"], tuple(data["argv"]), tuple(data["ports"]), tuple(data["paths"]))


def list_components(folder: ClusterFolder, locate: Locate, whole: bool) -> list[Component]:
    """The components of a whole node, or those of its control plane without a scheduler.

    ``locate`` tells the path of a built program; ``{relay_fd}`` in the relay's arguments is filled
    in by whoever holds the listening socket.
    """
    control_plane = [
        Component("relay", (str(locate("relay")), "--fd={relay_fd}", f"--to=127.0.0.1:{API_PORT}")),
        _etcd(folder, locate),
        _api_server(folder, locate),
        _controller_manager(folder, locate, whole),
    ]
    if not whole:
        return control_plane
    return [
        *control_plane,
        Component(
            "containerd", ("/usr/bin/containerd", f"--config={folder.config}/containerd.toml")
        ),
        Component(
            "kube-scheduler",
            (str(locate("kube-scheduler")), f"--config={folder.config}/kube-scheduler.json"),
            ports=(API_PORT,),
        ),
        _kubelet(folder, locate),
        _proxy(folder, locate),
        Component(
            "coredns",
            (str(locate("coredns")), f"-conf={folder.config}/Corefile"),
            ports=(API_PORT,),
            paths=(str(folder.access),),
        ),
    ]


def _etcd(folder: ClusterFolder, locate: Locate) -> Component:
    """Without fsync: the data of a throw-away cluster need not outlive the machine."""
    client, peer = f"http://127.0.0.1:{ETCD_PORT}", "http://127.0.0.1:2380"
    flags = [
        "--name=node",
        f"--data-dir={folder.root}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=node={peer}",
        "--unsafe-no-fsync",
        "--heartbeat-interval=50",
        "--election-timeout=250",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    ]
    return Component("etcd", (str(locate("etcd")), *flags))


def _api_server(folder: ClusterFolder, locate: Locate) -> Component:
    pki = folder.pki
    flags = [
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        f"--secure-port={API_PORT}",
        f"--advertise-address={NODE_IP}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        f"--audit-policy-file={folder.config}/audit-policy.json",
        f"--audit-log-path={folder.audit_log}",
        "--audit-log-maxsize=500",
        "--audit-log-maxbackup=2",
    ]
    return Component("kube-apiserver", (str(locate("kube-apiserver")), *flags), ports=(ETCD_PORT,))


def _controller_manager(folder: ClusterFolder, locate: Locate, whole: bool) -> Component:
    """The stock 20 requests a second would limit the cluster to about four Jobs a second.

    Where there is no kubelet a test plays it, and the Nodes it makes send no heartbeats: so they
    are not watched.
    """
    unused = "" if whole else ",-node-lifecycle-controller"
    kubeconfig = f"{folder.config}/kube-controller-manager.kubeconfig"
    flags = [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--client-ca-file={folder.pki}/ca.crt",
        f"--requestheader-client-ca-file={folder.pki}/front-proxy-ca.crt",
        f"--root-ca-file={folder.pki}/ca.crt",
        f"--service-account-private-key-file={folder.pki}/service-account.key",
        f"--cluster-signing-cert-file={folder.pki}/ca.crt",
        f"--cluster-signing-key-file={folder.pki}/ca.key",
        f"--controllers=*{unused}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-job-syncs=50",
        "--concurrent-gc-syncs=30",
        "--bind-address=127.0.0.1",
    ]
    program = str(locate("kube-controller-manager"))
    return Component("kube-controller-manager", (program, *flags), ports=(API_PORT,))


def _kubelet(folder: ClusterFolder, locate: Locate) -> Component:
    flags = [
        f"--config={folder.config}/kubelet.json",
        f"--kubeconfig={folder.config}/kubelet.kubeconfig",
        f"--root-dir={folder.root}/kubelet",
        f"--hostname-override={folder.node_name}",
        f"--node-ip={NODE_IP}",
    ]
    return Component(
        "kubelet",
        (str(locate("kubelet")), *flags),
        ports=(API_PORT,),
        paths=(str(folder.containerd_socket),),
    )


def _proxy(folder: ClusterFolder, locate: Locate) -> Component:
    """Connection tracking limits belong to the whole machine, so they are left alone."""
    flags = [
        f"--kubeconfig={folder.config}/kube-proxy.kubeconfig",
        f"--hostname-override={folder.node_name}",
        f"--cluster-cidr={POD_CIDR}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--oom-score-adj=0",
    ]
    return Component("kube-proxy", (str(locate("kube-proxy")), *flags), ports=(API_PORT,))
