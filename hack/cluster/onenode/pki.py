"""The keys and certificates of one cluster, made with openssl; elliptic, so that it takes no time.

Knows who needs a certificate and what must stand in it, not where the files are used.
"""

from __future__ import annotations

import concurrent.futures
import subprocess
from dataclasses import dataclass
from pathlib import Path

from onenode.errors import ClusterError
from onenode.settings import CLUSTER_DOMAIN, KUBERNETES_SERVICE_IP, NODE_IP

_OPENSSL_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
"""
_DAYS = "3650"
_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]

#: User and groups come from RBAC's bootstrap roles; kubeadm gives the same ones.
CLIENTS = {
    "admin": "/O=system:masters/CN=kubernetes-admin",
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "coredns": "/CN=system:coredns",
    "apiserver-kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
}
SERVICE_ACCOUNT_KEY = "service-account"


@dataclass(frozen=True)
class Certificate:
    """One certificate to be made; ``names`` are subject alternative names in openssl's notation."""

    file: str
    subject: str
    names: str = ""
    authority: str = "ca"


def list_certificates(node_name: str) -> list[Certificate]:
    """Everything that is signed in a cluster whose node is called ``node_name``."""
    server_names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    server_names += [f"kubernetes.default.svc.{CLUSTER_DOMAIN}", node_name]
    names = [f"DNS:{name}" for name in server_names]
    names += [f"IP:{address}" for address in ("127.0.0.1", KUBERNETES_SERVICE_IP, NODE_IP)]
    kubelet = f"/O=system:nodes/CN=system:node:{node_name}"
    return [
        Certificate("apiserver", "/CN=kube-apiserver", ",".join(names)),
        Certificate("kubelet", kubelet, f"DNS:{node_name},IP:{NODE_IP}"),
        Certificate("front-proxy-client", "/CN=front-proxy-client", authority="front-proxy-ca"),
        *(Certificate(file, subject) for file, subject in CLIENTS.items()),
    ]


def write_all(folder: Path, node_name: str) -> None:
    """Writes ``<file>.crt`` and ``<file>.key`` for all, and the service accounts' key pair."""
    folder.mkdir(mode=0o700)
    config = folder / "openssl.cnf"
    config.write_text(_OPENSSL_CONFIG)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        for authority in ("ca", "front-proxy-ca"):
            pool.submit(_make_authority, folder, authority)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        made = [pool.submit(_sign, folder, one) for one in list_certificates(node_name)]
        made.append(pool.submit(_make_key_pair, folder, SERVICE_ACCOUNT_KEY))
        for one in made:
            one.result()


def _make_authority(folder: Path, file: str) -> None:
    request = ["req", "-x509", *_CURVE, "-days", _DAYS, "-config", "openssl.cnf"]
    request += ["-extensions", "authority", "-subj", f"/CN={file}"]
    _openssl(folder, [*request, "-keyout", f"{file}.key", "-out", f"{file}.crt"])


def _sign(folder: Path, certificate: Certificate) -> None:
    request = ["req", "-x509", *_CURVE, "-days", _DAYS, "-config", "openssl.cnf"]
    request += ["-extensions", "leaf", "-subj", certificate.subject]
    request += ["-CA", f"{certificate.authority}.crt", "-CAkey", f"{certificate.authority}.key"]
    if certificate.names:
        request += ["-addext", f"subjectAltName={certificate.names}"]
    file = certificate.file
    _openssl(folder, [*request, "-keyout", f"{file}.key", "-out", f"{file}.crt"])


def _make_key_pair(folder: Path, file: str) -> None:
    generate = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    _openssl(folder, [*generate, "-out", f"{file}.key"])
    _openssl(folder, ["pkey", "-in", f"{file}.key", "-pubout", "-out", f"{file}.pub"])


def _openssl(folder: Path, arguments: list[str]) -> None:
    answer = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    if answer.returncode != 0:
        last = answer.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise ClusterError(f"openssl {arguments[0]} failed (3.0 or newer is needed): {last[0]}")
