"""What Pods, kubectl and other tests get from a whole cluster."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster_bench import Bench, Cluster, assert_sentence, busybox_pod, wait_until
from onenode import archives, inventory
from onenode.api import Api
from onenode.settings import BUSYBOX_IMAGE

PAGE = "here is the page"


@pytest.fixture(scope="module")
def page(shared_node: Cluster) -> Iterator[Cluster]:
    """A web server behind a Service, both called ``page``."""
    script = f"mkdir /tmp/w && echo {PAGE} > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w"
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "page"},
        "spec": {"selector": {"app": "page"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    shared_node.apply(busybox_pod("page", script, app="page"), service)
    shared_node.kubectl("wait", "--for=condition=Ready", "pod/page", "--timeout=60s")
    yield shared_node
    shared_node.kubectl("delete", "pod/page", "service/page")


def run_pod(cluster: Cluster, name: str, script: str) -> str:
    """Runs a script in a Pod to its end; returns its log."""
    cluster.apply(busybox_pod(name, script))
    done = "--for=jsonpath={.status.phase}=Succeeded"
    cluster.kubectl("wait", done, f"pod/{name}", "--timeout=60s")
    log = cluster.kubectl("logs", name)
    cluster.kubectl("delete", "pod", name)
    return log


def test_a_pod_runs_and_its_log_is_read(shared_node: Cluster) -> None:
    assert run_pod(shared_node, "says", "echo said; id -u") == "said\n65532\n"


def test_a_log_is_followed(shared_node: Cluster) -> None:
    """The first line arrives while the Pod runs, the stream ends with it, the whole is kept."""
    script = "echo first; until [ -e /tmp/go ]; do usleep 50000; done; echo last"
    shared_node.apply(busybox_pod("tells", script))
    shared_node.kubectl("wait", "--for=condition=Ready", "pod/tells", "--timeout=60s")
    command = [str(shared_node.bench.program("kubectl")), f"--kubeconfig={shared_node.kubeconfig}"]
    command += ["logs", "--follow", "tells"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == b"first\n"
        shared_node.kubectl("exec", "tells", "--", "touch", "/tmp/go")
        assert follow.wait(timeout=30) == 0
    assert shared_node.kubectl("logs", "tells") == "first\nlast\n"
    shared_node.kubectl("delete", "pod", "tells")


def test_a_service_is_found_by_name_and_reached(page: Cluster) -> None:
    script = "nslookup page.default.svc.cluster.local >&2; exec wget -q -O - http://page/"
    assert PAGE in run_pod(page, "asks", script)


def test_the_api_is_reached_from_a_pod(page: Cluster) -> None:
    """The Service of the API server leads to a process of the node, not to a Pod."""
    script = "nc -w 5 kubernetes.default 443 < /dev/null && echo reached"
    assert "reached" in run_pod(page, "reaches", script)


def test_exec_runs_a_command_in_a_pod(page: Cluster) -> None:
    assert page.kubectl("exec", "page", "--", "id", "-u").strip() == "65532"


def test_a_port_is_forwarded(page: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(page.bench.program("kubectl")), "port-forward", "service/page", f"{port}:80"]
    # pytest-kind starts it with nothing but KUBECONFIG in its environment.
    forward = subprocess.Popen(
        command,
        env={"KUBECONFIG": str(page.kubeconfig)},
        cwd=page.kubeconfig.parent,  # without HOME, kubectl keeps its cache where it is
        stdout=subprocess.DEVNULL,
    )
    try:
        assert PAGE in wait_until(lambda: fetch(f"http://127.0.0.1:{port}/"))
    finally:
        forward.terminate()
        forward.wait(timeout=10)


def fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_pod_security_is_enforced(shared_node: Cluster) -> None:
    shared_node.kubectl("create", "namespace", "strict")
    level = "pod-security.kubernetes.io/enforce=restricted"
    shared_node.kubectl("label", "namespace", "strict", level)
    allowed = busybox_pod("allowed", "true")
    allowed["metadata"]["namespace"] = "strict"
    # The namespace's own ServiceAccount comes a moment after the namespace.
    wait_until(lambda: shared_node.try_kubectl("-n=strict", "get", "sa", "default").stdout)
    shared_node.apply(allowed)
    refused = shared_node.try_kubectl("-n=strict", "run", "refused", f"--image={BUSYBOX_IMAGE}")
    assert 'violates PodSecurity "restricted' in refused.stderr
    shared_node.kubectl("delete", "namespace", "strict")


def test_admission_policies_are_enforced(shared_node: Cluster) -> None:
    group = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
    }
    expression = "object.metadata.name != 'unwanted'"
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-unwanted"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": "that one is unwanted"}],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-unwanted"},
        "spec": {"policyName": "no-unwanted", "validationActions": ["Deny"]},
    }
    shared_node.apply(policy, binding)
    wait_until(lambda: "that one is unwanted" in create_unwanted(shared_node))
    kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding"
    shared_node.kubectl("delete", kinds, "no-unwanted")


def create_unwanted(cluster: Cluster) -> str:
    answer = cluster.try_kubectl("create", "configmap", "unwanted", "--dry-run=server")
    return answer.stderr


def test_writes_are_in_the_audit_log(shared_node: Cluster) -> None:
    path = Path(shared_node.bench.succeed("path", "--name=shared", "audit-log").strip())
    shared_node.kubectl("create", "configmap", "counted")
    shared_node.kubectl("delete", "configmap", "counted")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    seen = [
        event["verb"]
        for event in events
        if event.get("objectRef", {}).get("name") == "counted"
        and event["verb"] in {"create", "update", "patch", "delete"}
    ]
    assert seen == ["create", "delete"]


def test_jobs_are_made_faster_than_stock_limits_allow(shared_node: Cluster) -> None:
    """With the controller manager's stock limits, 100 Jobs take 25 seconds to get their Pods."""
    api = Api(inventory.read_port(shared_node.folder), shared_node.folder.pki)
    # Nothing fits the node selector: it is the controllers' pace that is looked at.
    spec = {**busybox_pod("none", "true")["spec"], "nodeSelector": {"kind": "none"}}
    began = time.monotonic()
    for number in range(100):
        metadata = {"name": f"quick-{number}", "labels": {"group": "quick"}}
        job = {"metadata": metadata, "spec": {"template": {"spec": spec}}}
        assert api.create("/apis/batch/v1/namespaces/default/jobs", job)
    wait_until(lambda: count_pods(api) == 100, limit_seconds=30)
    assert time.monotonic() - began < 10
    shared_node.kubectl("delete", "jobs", "--selector=group=quick", "--wait=false")


def count_pods(api: Api) -> int:
    answer = api.get("/api/v1/namespaces/default/pods")
    pods = answer["items"] if answer else []
    return sum(pod["metadata"]["name"].startswith("quick-") for pod in pods)


def test_an_image_archive_is_loaded(shared_node: Cluster, tmp_path: Path) -> None:
    image, archive = "example.com/made/here:1", tmp_path / "made.tar"
    archives.write_busybox(archive, image)
    shared_node.bench.succeed("load", "image-archive", str(archive), "--name=shared")
    again = shared_node.bench.run("load", "docker-image", "--name", "shared", image)
    assert again.returncode == 0
    assert "already" in again.stderr


def test_an_image_in_the_cache_is_found_by_its_name(shared_node: Cluster) -> None:
    answer = shared_node.bench.run("load", "docker-image", "--name", "shared", BUSYBOX_IMAGE)
    assert answer.returncode == 0
    assert "Loaded" in answer.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["docker-image", "example.com/nobody/made:1"], "no image 'example.com/nobody/made:1'"),
        (["image-archive", "/nowhere/image.tar"], "no image archive /nowhere/image.tar"),
        (["image-archive", "/etc/passwd"], "containerd does not take /etc/passwd"),
    ],
    ids=["unknown image", "no such file", "no archive"],
)
def test_loading_nothing_is_an_error(shared_node: Cluster, words: list[str], part: str) -> None:
    assert_sentence(shared_node.bench.run("load", *words, "--name=shared"), part)


def test_programs_have_the_versions_of_their_modules(bench: Bench, built: object) -> None:
    kubectl = subprocess.run(
        [bench.program("kubectl"), "version", "--client", "--output=json"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert json.loads(kubectl.stdout)["clientVersion"]["gitVersion"] in bench.succeed("version")
    helm = subprocess.run([bench.program("helm"), "version"], capture_output=True, timeout=30)
    assert helm.returncode == 0
