"""Making and ending clusters, as kind's users and pytest-kind do it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster_bench import Bench, Cluster, assert_sentence, wait_until

CREATE_LIMIT_SECONDS = 15.0


def test_no_clusters_is_an_empty_list(bench: Bench, tmp_path: Path) -> None:
    answer = bench.run("get", "clusters", WORKFLOW_DO_CACHE=str(tmp_path))
    assert answer.returncode == 0
    assert answer.stdout == ""
    assert answer.stderr.strip() == "No kind clusters found."


def test_create_as_pytest_kind_does(cluster: Cluster) -> None:
    """It makes an empty file that only its owner may read before it calls."""
    cluster.kubeconfig.touch(mode=0o600)
    seconds = cluster.create("--image=ignored", "--wait=90s")
    print(f"a whole cluster in {seconds:.1f} s")
    assert seconds <= CREATE_LIMIT_SECONDS
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    assert config["current-context"] == "kind-one"
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert cluster.is_listed
    assert cluster.bench.succeed("get", "nodes", "--name", "one").split() == ["one-control-plane"]
    assert "condition met" in cluster.kubectl("wait", "--for=condition=Ready", "node", "--all")
    assert cluster.bench.succeed("get", "kubeconfig", "--name=one").strip()


def test_delete_leaves_nothing(cluster: Cluster) -> None:
    cluster.create()
    namespace = cluster.namespace()
    assert cluster.find_leftovers(namespace)
    cluster.delete()
    assert cluster.find_leftovers(namespace) == []
    assert not cluster.is_listed
    assert "kind-one" not in cluster.kubeconfig.read_text()


def test_deleting_what_is_not_there_is_no_error(cluster: Cluster) -> None:
    answer = cluster.bench.run("delete", "cluster", *cluster.words)
    assert answer.returncode == 0
    assert "did not exist" in answer.stderr


def test_a_taken_name_is_refused(cluster: Cluster) -> None:
    cluster.create("--control-plane-only")
    answer = cluster.bench.run("create", "cluster", *cluster.words)
    assert_sentence(answer, "cluster 'one' exists already")
    cluster.kubectl("get", "--raw=/readyz")


def test_two_side_by_side(cluster: Cluster, shared_node: Cluster) -> None:
    cluster.create("--control-plane-only")
    cluster.kubectl("create", "namespace", "only-here")
    assert cluster.is_listed
    assert shared_node.is_listed
    assert shared_node.try_kubectl("get", "namespace", "only-here").returncode == 1
    cluster.delete()
    assert "shared-control-plane" in shared_node.kubectl("get", "nodes", "-o=name")


def test_control_plane_only(cluster: Cluster) -> None:
    seconds = cluster.create("--control-plane-only")
    print(f"a control plane in {seconds:.1f} s")
    assert seconds <= CREATE_LIMIT_SECONDS
    assert cluster.kubectl("get", "nodes", "-o=name") == ""
    cluster.kubectl("get", "serviceaccount", "default")
    cluster.kubectl("create", "job", "unplaced", "--image=localhost/none:1")
    wait_until(lambda: cluster.kubectl("get", "pods", "-o=name"))
    assert_sentence(
        cluster.bench.run("load", "docker-image", "any:1", "--name=one"), "a control plane only"
    )


def test_a_definition_is_usable_at_once(cluster: Cluster) -> None:
    cluster.create("--control-plane-only")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com",
                "names": {"kind": "Thing", "plural": "things"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                    }
                ],
            },
        }
    )
    cluster.kubectl("wait", "--for=condition=Established", "crd/things.example.com")


def test_it_outlives_its_starter(cluster: Cluster) -> None:
    """The starter's whole process group is killed, as a terminal or make would."""
    script = f"{cluster.bench.tool} create cluster --control-plane-only {' '.join(cluster.words)}"
    starter = subprocess.Popen(
        ["sh", "-c", f"{script} && exec sleep 60"],
        env=cluster.bench.environment,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: cluster.is_listed)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait(timeout=10)
    assert cluster.is_listed
    cluster.kubectl("get", "--raw=/readyz")


def test_kubeconfig_of_others_is_kept(cluster: Cluster) -> None:
    """Entries of other clusters stay; the new context becomes the current one."""
    other = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "other", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "other", "user": {"token": "none"}}],
        "contexts": [{"name": "other", "context": {"cluster": "other", "user": "other"}}],
        "current-context": "other",
    }
    cluster.kubeconfig.write_text(yaml.safe_dump(other))
    cluster.create("--control-plane-only")
    both = yaml.safe_load(cluster.kubeconfig.read_text())
    assert {entry["name"] for entry in both["contexts"]} == {"other", "kind-one"}
    assert both["current-context"] == "kind-one"
    cluster.delete()
    left = yaml.safe_load(cluster.kubeconfig.read_text())
    assert [entry["name"] for entry in left["contexts"]] == ["other"]
    assert not left.get("current-context")
    cluster.kubeconfig.unlink()


@pytest.mark.parametrize("words", [["export", "kubeconfig"], ["get", "kubeconfig"]])
def test_kubeconfig_once_more(shared_node: Cluster, tmp_path: Path, words: list[str]) -> None:
    target = tmp_path / "exported"
    flags = [f"--kubeconfig={target}"] if words[0] == "export" else []
    printed = shared_node.bench.succeed(*words, "--name", "shared", *flags)
    config = yaml.safe_load(printed or target.read_text())
    assert config["current-context"] == "kind-shared"
