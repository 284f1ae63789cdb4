"""Kubeconfig files: rendering one, and adding a cluster to or removing it from a user's own.

A user's file is changed by kubectl, which locks it and keeps what it does not know.
"""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from onenode.errors import ClusterError
from onenode.files import write_private
from onenode.settings import find_home

_KUBECTL_LIMIT_SECONDS = 60


def render(context: str, server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """A kubeconfig with one cluster, user and context, all called ``context``."""
    encoded = [base64.b64encode(part).decode() for part in (authority, certificate, key)]
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    certificate-authority-data: {encoded[0]}
    server: {server}
users:
- name: {context}
  user:
    client-certificate-data: {encoded[1]}
    client-key-data: {encoded[2]}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
current-context: {context}
preferences: {{}}
"""


def render_for(pki: Path, client: str, context: str, server: str) -> str:
    """A kubeconfig for the client whose certificate lies in ``pki``."""
    files = ("ca.crt", f"{client}.crt", f"{client}.key")
    authority, certificate, key = ((pki / file).read_bytes() for file in files)
    return render(context, server, authority, certificate, key)


def find_path(named: str | None, environ: Mapping[str, str]) -> Path:
    """The file that ``--kubeconfig`` names, else the first of KUBECONFIG, else the user's own."""
    if named:
        return Path(named).absolute()
    for part in environ.get("KUBECONFIG", "").split(os.pathsep):
        if part:
            return Path(part).absolute()
    return find_home(environ) / ".kube" / "config"


def add(kubectl: Path, target: Path, text: str) -> None:
    """Adds the cluster in ``text`` to ``target`` and makes its context the current one.

    ``target`` may be absent or empty; entries of the same name are replaced.
    """
    if not target.exists() or not target.read_text().strip():
        write_private(target, text)
        return
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "new"
        own.write_text(text)
        merged = _kubectl(
            kubectl, f"{own}{os.pathsep}{target}", ["config", "view", "--flatten", "--raw"]
        )
    write_private(target, merged)


def remove(kubectl: Path, target: Path, context: str) -> None:
    """Takes the cluster, user and context of that name out of ``target``, if they are there."""
    if not target.exists() or f"name: {context}\n" not in target.read_text() + "\n":
        return
    for kind in ("delete-context", "delete-cluster", "delete-user"):
        _kubectl(kubectl, str(target), ["config", kind, context], tolerate="not in")
    if f"current-context: {context}\n" in target.read_text() + "\n":
        _kubectl(kubectl, str(target), ["config", "unset", "current-context"])


def _kubectl(kubectl: Path, config: str, arguments: list[str], tolerate: str = "") -> str:
    answer = subprocess.run(
        [kubectl, *arguments],
        env={**os.environ, "KUBECONFIG": config},
        capture_output=True,
        text=True,
        timeout=_KUBECTL_LIMIT_SECONDS,
        check=False,
    )
    if answer.returncode != 0 and not (tolerate and tolerate in answer.stderr):
        last = answer.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise ClusterError(f"kubectl cannot change the kubeconfig {config}: {last[0]}")
    return answer.stdout
