"""What goes wrong outside the tool is told in one sentence: no traceback, exit code 1."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_bench import Bench, Cluster, assert_sentence
from onenode import packages
from onenode.errors import ClusterError
from onenode.progress import Progress
from onenode.settings import Cache

MINIMAL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("words", [["create", "cluster"], ["delete", "cluster"]])
def test_without_root(bench: Bench, tmp_path: Path, words: list[str]) -> None:
    copy = Path("/tmp", f"tool-{os.getpid()}")
    shutil.copytree(bench.tool.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        answer = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy / "kind", *words],
            env={"PATH": MINIMAL_PATH, "HOME": "/nonexistent"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        shutil.rmtree(copy)
    assert_sentence(answer, "this needs root")


def test_without_network(bench: Bench, tmp_path: Path) -> None:
    """A network namespace of its own, without as much as a loopback, and no module cache."""
    answer = subprocess.run(
        ["unshare", "--net", bench.tool, "build", "kind"],
        env={
            **os.environ,
            "WORKFLOW_DO_CACHE": str(tmp_path / "c"),
            "GOMODCACHE": str(tmp_path / "modules"),
            "GOFLAGS": "-modcacherw",
        },
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert_sentence(answer, "cannot fetch the Go modules of kind-v", "no network", "log is")


def test_a_package_that_cannot_be_had(tmp_path: Path) -> None:
    absent = {"workflow-do-has-no-such-package": ("/nowhere/program",)}
    with pytest.raises(ClusterError, match=r"apt-get install failed .*; the log is ") as caught:
        packages.require(Cache(tmp_path), absent, Progress())
    assert "workflow-do-has-no-such-package" in str(caught.value)


def test_too_small_a_disk(bench: Bench, small_disk: Path) -> None:
    answer = bench.run("create", "cluster", WORKFLOW_DO_CACHE=str(small_disk))
    assert_sentence(answer, f"not enough room in {small_disk}", "WORKFLOW_DO_CACHE")


def test_a_disk_that_fills_up(bench: Bench, small_disk: Path) -> None:
    """The image is larger than the disk; half of it must not stay."""
    answer = bench.run("build", "busybox", WORKFLOW_DO_CACHE=str(small_disk))
    assert_sentence(answer, "no room left on the disk", str(small_disk))
    assert list((small_disk / "images").iterdir()) == []


def test_go_is_missing(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    answer = bench.run("build", WORKFLOW_DO_CACHE=str(tmp_path / "c"), PATH=str(folder))
    assert_sentence(answer, "Go is not installed", "install Go 1.26")


def test_go_is_too_old(bench: Bench, tmp_path: Path) -> None:
    fake = tmp_path / "go"
    fake.write_text("#!/bin/sh\necho go version go1.21.3 linux/amd64\n")
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    answer = bench.run("create", "cluster", WORKFLOW_DO_CACHE=str(tmp_path / "c"), PATH=path)
    assert_sentence(answer, f"Go 1.21 ({fake}) is too old", "install Go 1.26")


def test_too_long_a_path(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / ("long" * 30)
    cache.mkdir()
    (cache / "bin").symlink_to(bench.cache.root / "bin")
    answer = bench.run("create", "cluster", "--control-plane-only", WORKFLOW_DO_CACHE=str(cache))
    assert_sentence(answer, "too long for a socket's path", "set WORKFLOW_DO_CACHE")


def test_the_real_kind_takes_over_where_docker_is_chosen(bench: Bench) -> None:
    bench.succeed("build", "kind")
    real = bench.run("version", WORKFLOW_DO_CLUSTER="docker")
    assert real.stdout.startswith("kind v")
    assert " go1." in real.stdout
    answer = bench.run("version", WORKFLOW_DO_CLUSTER="podman")
    assert_sentence(answer, "WORKFLOW_DO_CLUSTER is 'podman'", "'docker' or 'onenode'")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["get", "kubeconfig", "--name=nobody"], "no cluster 'nobody'"),
        (["export", "kubeconfig", "--name", "nobody"], "no cluster 'nobody'"),
        (["load", "docker-image", "x:1", "--name=nobody"], "no cluster 'nobody'"),
        (["pause", "nobody", "etcd"], "no cluster 'nobody'"),
        (["path", "--name=nobody", "audit-log"], "no cluster 'nobody'"),
        (["path", "emacs"], "no program 'emacs' here; there are coredns, etcd, helm"),
        (["build", "emacs"], "no program 'emacs'"),
        (["create", "cluster", "--name=No_Name"], "'No_Name' cannot name a cluster"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_unknown(bench: Bench, words: list[str], part: str) -> None:
    assert_sentence(bench.run(*words), part)


def test_an_unknown_component(shared_node: Cluster) -> None:
    answer = shared_node.bench.run("pause", "shared", "gearbox")
    assert_sentence(answer, "no component 'gearbox'; it has containerd, coredns, etcd")


def test_a_kubeconfig_that_is_no_kubeconfig(cluster: Cluster) -> None:
    """It is not overwritten, and what was made meanwhile is gone."""
    cluster.kubeconfig.write_text("clusters: [")
    try:
        answer = cluster.bench.run("create", "cluster", "--control-plane-only", *cluster.words)
        assert_sentence(answer, "kubectl cannot change the kubeconfig")
        assert cluster.kubeconfig.read_text() == "clusters: ["
        assert not cluster.is_listed
    finally:
        cluster.kubeconfig.unlink()
