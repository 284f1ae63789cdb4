"""Parts are killed, held and broken; a cluster can always be ended and made again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster_bench import Bench, Cluster, assert_sentence, busybox_pod, wait_until
from onenode import inventory
from onenode.processes import Identity
from onenode.settings import Cache


def find_part(cluster: Cluster, part: str) -> int:
    """The pid, on this machine, of one part of a running cluster."""
    if part == "unshare":
        outer = Identity.load(cluster.folder.identity)
        assert outer is not None
        return outer.pid
    members = cluster.namespace().members()
    if part == "first process":
        return members[1]
    if part == "containerd-shim":
        names = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in members.values()}
        return next(pid for pid, name in names.items() if "containerd-shim" in name)
    return inventory.find_component(cluster.folder, part)


@pytest.mark.parametrize(
    "part",
    [
        "unshare",
        "first process",
        "containerd",
        "containerd-shim",
        "kubelet",
        "etcd",
        "kube-apiserver",
        "relay",
    ],
)
def test_nothing_is_left_after_a_part_was_killed(cluster: Cluster, part: str) -> None:
    cluster.create()
    cluster.bench.succeed("load", "docker-image", "localhost/workflow-do/busybox:dev", "-n", "one")
    cluster.apply(busybox_pod("sleeps", "exec sleep 600"))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/sleeps", "--timeout=60s")
    namespace = cluster.namespace()
    os.kill(find_part(cluster, part), signal.SIGKILL)
    if part in ("unshare", "first process"):
        wait_until(lambda: not cluster.is_listed)
    cluster.delete()
    assert cluster.find_leftovers(namespace) == []


def test_a_dead_cluster_is_made_again_under_its_name(cluster: Cluster) -> None:
    cluster.create()
    os.kill(find_part(cluster, "unshare"), signal.SIGKILL)
    wait_until(lambda: not cluster.is_listed)
    assert_sentence(cluster.bench.run("pause", "one", "etcd"), "cluster 'one' is not running")
    cluster.create()
    assert cluster.is_listed
    cluster.kubectl("get", "--raw=/readyz")


@pytest.mark.parametrize("component", ["etcd", "apiserver", "controller-manager", "containerd"])
def test_a_killed_component_is_started_again(shared_node: Cluster, component: str) -> None:
    before = inventory.find_component(shared_node.folder, component)
    shared_node.kubectl("create", "configmap", "kept")
    shared_node.bench.succeed("restart", "shared", component)
    assert inventory.find_component(shared_node.folder, component) != before
    shared_node.kubectl("delete", "configmap", "kept")


def test_a_held_etcd_holds_writes(cluster: Cluster) -> None:
    cluster.create("--control-plane-only")
    cluster.bench.succeed("pause", "one", "etcd")
    assert inventory.list_paused(cluster.folder) == ["etcd"]
    write = ("create", "configmap", "held", "--request-timeout=2s")
    assert cluster.try_kubectl(*write).returncode != 0
    cluster.bench.succeed("resume", "one", "etcd")
    assert inventory.list_paused(cluster.folder) == []
    wait_until(lambda: cluster.try_kubectl("create", "configmap", "after").returncode == 0)


def test_a_cluster_with_a_held_component_is_deleted(cluster: Cluster) -> None:
    cluster.create("--control-plane-only")
    namespace = cluster.namespace()
    cluster.bench.succeed("pause", "one", "kube-apiserver")
    cluster.delete()
    assert cluster.find_leftovers(namespace) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_create_leaves_nothing(cluster: Cluster, number: signal.Signals) -> None:
    process = cluster.bench.start("create", "cluster", *cluster.words)
    wait_until(cluster.folder.state.exists)
    namespace = cluster.namespace()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert cluster.find_leftovers(namespace) == []


def test_a_killed_create_is_cleaned_up_by_the_next(cluster: Cluster) -> None:
    process = cluster.bench.start("create", "cluster", *cluster.words)
    wait_until(cluster.folder.state.exists)
    namespace = cluster.namespace()
    process.kill()
    process.communicate(timeout=10)
    assert not cluster.is_listed
    cluster.create("--control-plane-only")
    assert namespace.members() == {}
    assert cluster.is_listed


def test_two_creates_of_one_name(cluster: Cluster) -> None:
    """The second waits for the first, then finds the name taken."""
    words = ("create", "cluster", "--control-plane-only", *cluster.words)
    both = [cluster.bench.start(*words) for _ in range(2)]
    errors = {process.communicate(timeout=120)[1]: process.returncode for process in both}
    assert sorted(errors.values()) == [0, 1]
    assert "exists already" in next(text for text, code in errors.items() if code == 1)
    assert cluster.is_listed


def test_an_innocent_process_with_a_reused_pid_is_spared(cluster: Cluster) -> None:
    """The saved pid belongs to another process now; its start time tells."""
    cluster.create("--control-plane-only")
    outer = Identity.load(cluster.folder.identity)
    assert outer is not None
    os.kill(outer.pid, signal.SIGKILL)
    wait_until(lambda: not outer.is_alive())
    waits = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, text=True) as innocent:
        Identity(innocent.pid, outer.started, outer.boot).save(cluster.folder.identity)
        assert not cluster.is_listed
        cluster.delete()
        assert innocent.poll() is None
        innocent.communicate("end\n", timeout=10)
    assert innocent.returncode == 0


def test_a_component_that_dies_at_start_is_named(bench: Bench, tmp_path: Path) -> None:
    broken = Bench(bench.tool, Cache(tmp_path / "c"))
    for unit in (bench.cache.root / "bin").iterdir():
        shutil.copytree(unit, broken.cache.binaries / unit.name, copy_function=os.symlink)
    etcd = next(broken.cache.binaries.glob("kubernetes-*/etcd"))
    etcd.unlink()
    etcd.write_text("#!/bin/sh\necho the disk is made of cheese\nexit 3\n")
    etcd.chmod(0o755)
    cluster = broken.cluster("broken")
    answer = broken.run("create", "cluster", "--control-plane-only", *cluster.words)
    log = broken.cache.failed / "broken" / "etcd.log"
    assert_sentence(answer, "etcd ended with exit code 3", "the disk is made of cheese", str(log))
    assert "cheese" in log.read_text()
    assert cluster.find_leftovers(None) == []
    assert not cluster.kubeconfig.exists()


def test_an_interrupted_build_leaves_nothing_half_made(bench: Bench, tmp_path: Path) -> None:
    """Without a build cache even a small program takes long enough to be interrupted."""
    binaries, compiled = tmp_path / "c" / "bin", tmp_path / "go-build"
    process = bench.start(
        "build", "node", WORKFLOW_DO_CACHE=str(tmp_path / "c"), GOCACHE=str(compiled)
    )
    wait_until(lambda: list(binaries.glob(".build-*")) and compiled.exists())
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(binaries.iterdir()) == []


def test_half_written_records_do_no_harm(cluster: Cluster) -> None:
    """A machine that lost its power may leave any of the files empty."""
    cluster.create("--control-plane-only")
    namespace, outer = cluster.namespace(), Identity.load(cluster.folder.identity)
    assert outer is not None
    cluster.folder.state.write_text("")
    assert cluster.is_listed
    assert_sentence(cluster.bench.run("pause", "one", "etcd"), "has no readable")
    cluster.delete()
    assert cluster.find_leftovers(namespace) == []
    assert not outer.is_alive()
