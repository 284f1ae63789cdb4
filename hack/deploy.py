"""Puts the operator and the examples onto a cluster: what the demo and the e2e tests share.

    CLUSTER=auto     the cluster is ours: images are built and loaded, programs come from its cache
    CLUSTER=current  the cluster is yours: images must be pullable, kubectl and helm are on PATH

Every command has a time limit. A command that fails raises Failed with its own last words.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIND = ROOT / "hack" / "cluster" / "kind"
BUILD_IMAGES = ROOT / "hack" / "images" / "build"
CHART = ROOT / "charts" / "workflow-do"
SYSTEM_NAMESPACE = "workflow-do-system"
LOCAL_PREFIX = "localhost/workflow-do"


class Failed(Exception):
    """A command did not succeed; the message is what it said last."""


def run(
    *command: str | Path,
    limit: float = 120,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """The standard output of a command; Failed if it fails or takes over `limit` seconds."""
    words = [str(word) for word in command]
    name = Path(words[0]).name
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=limit, env=env, check=False
        )
    except FileNotFoundError:
        raise Failed(f"{name} is not there: install it, or put it on PATH") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(words[:4])} …: no end after {limit:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-8:]
        raise Failed(f"{' '.join([name, *words[1:4]])} …: " + "\n".join(said))
    return done.stdout


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that can be talked to. `name` is None where it is the user's own."""

    kubeconfig: Path | None
    name: str | None

    def tool(self, name: str) -> str:
        """The path of kubectl or helm: built along with our own clusters, else from PATH."""
        if self.name is not None:
            return _built(name)
        found = shutil.which(name)
        if found is None:
            raise Failed(f"{name} is not on PATH, and CLUSTER=current needs it")
        return found

    @property
    def env(self) -> dict[str, str]:
        """The environment in which kubectl and helm find the cluster."""
        extra = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig is not None else {}
        return {**os.environ, **extra}

    def kubectl(self, *args: str | Path, limit: float = 120, stdin: str | None = None) -> str:
        """The output of `kubectl ARGS`."""
        return run(self.tool("kubectl"), *args, limit=limit, stdin=stdin, env=self.env)

    def load(self, *images: str) -> None:
        """Bring locally built images onto the nodes of a cluster of ours."""
        if self.name is None:
            return
        for image in images:
            run(
                KIND,
                "load",
                "docker-image",
                f"{LOCAL_PREFIX}/{image}",
                "--name",
                self.name,
                limit=300,
            )


@cache
def _built(program: str) -> str:
    """The path of a program in the cache of our own clusters; it does not move."""
    return run(KIND, "path", program, limit=1800).strip()


def current() -> Cluster:
    """The user's own cluster: the current context of KUBECONFIG."""
    given = os.environ.get("KUBECONFIG")
    return Cluster(Path(given) if given else None, None)


def build_images(*names: str) -> None:
    """Build images into the cache: operator, onboarding; unchanged ones are left alone."""
    run(BUILD_IMAGES, *names, limit=1800)


def image_id(name: str) -> str:
    """The digest of a locally built image."""
    tar = Path(run(BUILD_IMAGES, name, limit=1800).strip())
    return str(json.loads(tar.with_suffix(".json").read_text())["imageID"])


def image_prefix() -> str:
    """What stands before /operator and /onboarding in the names of the images."""
    return os.environ.get("IMAGE_PREFIX") or LOCAL_PREFIX


def install_operator(cluster: Cluster, *settings: str) -> None:
    """Install or upgrade the chart, and wait until the operator is ready."""
    values = [f"image.repository={image_prefix()}/operator", "image.tag=dev", *settings]
    if cluster.name is not None:
        values.append(f"podAnnotations.image={image_id('operator')}")  # a new image, a new Pod
    flags = [flag for value in values for flag in ("--set-string", value)]
    command = [cluster.tool("helm"), "upgrade", "--install", "workflow-do", str(CHART)]
    command += ["--namespace", SYSTEM_NAMESPACE, "--create-namespace", "--wait", "--timeout", "90s"]
    try:
        run(*command, *flags, limit=120, env=cluster.env)
    except Failed as failure:
        raise Failed(f"{failure}\n{operator_log(cluster)}") from None


def operator_log(cluster: Cluster, lines: int = 20) -> str:
    """The last lines of each operator's log, or why there is none."""
    where = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/name=workflow-do", "--prefix")
    try:
        return cluster.kubectl("logs", *where, f"--tail={lines}")
    except Failed as failure:
        return str(failure)


def ensure_namespace(cluster: Cluster, namespace: str) -> None:
    """Make the namespace if it is not there."""
    text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"
    cluster.kubectl("apply", "-f", "-", stdin=text)
