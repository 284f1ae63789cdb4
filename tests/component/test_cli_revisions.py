"""Revisions from the command line, with a live operator: history, difference, going back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.player import Cluster
from component.program import kubectl_workflow
from component.server import ApiServer
from component.test_runtime import apply, verdict
from support.kubelet import Kubelet
from support.operator import operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
IMAGES = ("example.com/charge:1", "example.com/charge:2")


@pytest.fixture(scope="module")
def cluster(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    log = tmp_path_factory.mktemp("operator") / "log"
    with operating(server.kubeconfig, server.namespace, log):
        yield Cluster(str(server.kubeconfig), server.namespace)


def define(server: ApiServer, image: str, *ids: str, **spec: Any) -> None:
    apply(server, "Action", "charge", {"image": image})
    steps = [{"id": id_, "action": "charge"} for id_ in ids]
    apply(server, "Workflow", "order", {"steps": steps, **spec})


def run(cluster: Cluster, server: ApiServer, name: str, *options: str) -> tuple[str, list[str]]:
    """Run it to its end: its revision, and the images of its Pods."""
    done = kubectl_workflow(cluster, "run", "order", "--name", name, *options)
    assert done.returncode == 0, done.stderr
    kubelet = Kubelet(str(server.kubeconfig), server.namespace)
    images = []
    for step in ("one", "two"):
        pod = kubelet.perform(name, step, {})
        images.append(pod["spec"]["containers"][0]["image"])
    assert verdict(server, name) == ("True", "Succeeded")
    return server.get("wfr", name)["status"]["revisionName"], images


def test_there_and_back_again(cluster: Cluster, server: ApiServer) -> None:
    define(server, IMAGES[0], "one", "two", jobRetentionSeconds=100)
    first, images = run(cluster, server, "r1")
    assert images == [IMAGES[0]] * 2
    define(server, IMAGES[1], "one", "two", "three", suspend=True, jobRetentionSeconds=200)
    live = kubectl_workflow(cluster, "history", "order").stdout.splitlines()
    assert live[1].startswith("- (current)")
    assert "+step three" in live[1]
    assert IMAGES[1] in live[1]
    assert live[2].split()[:2] == ["1", first]

    difference = kubectl_workflow(cluster, "diff", "order").stdout
    assert f"-    image: {IMAGES[0]}" in difference
    assert "+    id: three" in difference

    tried = kubectl_workflow(cluster, "rollback", "order", "--dry-run")
    assert tried.stdout.splitlines() == ["Action charge changes", "Workflow order changes"]
    assert len(server.get("wfl", "order")["spec"]["steps"]) == 3

    done = kubectl_workflow(cluster, "rollback", "order", "--to", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"workflow order is back at revision 1 ({first})"
    spec = server.get("wfl", "order")["spec"]
    assert [step["id"] for step in spec["steps"]] == ["one", "two"]
    assert (spec["suspend"], spec["jobRetentionSeconds"]) == (True, 200), "not of the revision"
    server.kubectl("patch", "wfl", "order", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    assert run(cluster, server, "r2") == (first, [IMAGES[0]] * 2)
    again = kubectl_workflow(cluster, "rollback", "order", "--to", "1")
    assert again.returncode == 0
    assert "nothing to do" in again.stderr


def test_what_only_undoes_belongs_to_a_revision_too(cluster: Cluster, server: ApiServer) -> None:
    """An Action that no Workflow names, but another Action does."""
    undo = {"image": "example.com/refund:1"}
    charge = {"image": IMAGES[0], "compensate": {"action": "refund"}}
    apply(server, "Action", "refund", undo)
    apply(server, "Action", "pay", charge)
    for flow in ("bill", "other"):
        apply(server, "Workflow", flow, {"steps": [{"id": "one", "action": "pay"}]})
    done = kubectl_workflow(cluster, "run", "bill", "--name", "b1")
    assert done.returncode == 0, done.stderr
    kubelet = Kubelet(str(server.kubeconfig), server.namespace)
    kubelet.perform("b1", "one", {})
    assert verdict(server, "b1") == ("True", "Succeeded")
    history = kubectl_workflow(cluster, "history", "bill").stdout.splitlines()
    assert history[1].startswith("1 (current)")
    nothing = kubectl_workflow(cluster, "rollback", "bill", "--to", "1")
    assert "nothing to do" in nothing.stderr

    apply(server, "Action", "refund", {"image": "example.com/refund:2"})
    shared = kubectl_workflow(cluster, "rollback", "bill", "--to", "1")
    assert shared.returncode != 0
    assert "refund (used by other)" in shared.stderr
    assert server.get("act", "refund")["spec"]["image"] == "example.com/refund:2"


def test_a_run_of_an_older_revision(cluster: Cluster, server: ApiServer) -> None:
    define(server, "example.com/charge:8", "one", "two")
    before, _ = run(cluster, server, "old-1")
    define(server, "example.com/charge:9", "one", "two")
    number = server.get("wfv", before)["spec"]["revision"]

    assert run(cluster, server, "old-2", "--revision", str(number)) == (
        before,
        ["example.com/charge:8"] * 2,
    )
    unknown = kubectl_workflow(cluster, "run", "order", "--revision", "77")
    assert unknown.returncode == 2
    assert 'no revision "77" of Workflow "order"; there are: ' in unknown.stderr


def test_an_action_of_another_workflow_is_not_changed_unasked(
    cluster: Cluster, server: ApiServer
) -> None:
    define(server, "example.com/charge:21", "one", "two")
    before, _ = run(cluster, server, "shared-1")
    define(server, "example.com/charge:22", "one", "two")
    apply(server, "Workflow", "refund", {"steps": [{"id": "one", "action": "charge"}]})

    refused = kubectl_workflow(cluster, "rollback", "order", "--to", before)
    assert refused.returncode == 2
    assert "charge (used by refund)" in refused.stderr
    assert server.get("act", "charge")["spec"]["image"] == "example.com/charge:22"
    done = kubectl_workflow(cluster, "rollback", "order", "--to", before, "--shared-actions")
    assert done.returncode == 0, done.stderr
    assert server.get("act", "charge")["spec"]["image"] == "example.com/charge:21"


def test_what_is_gone_is_made_anew(cluster: Cluster, server: ApiServer) -> None:
    define(server, "example.com/charge:31", "one", "two", revisionHistoryLimit=10)
    before, _ = run(cluster, server, "gone-1")
    server.kubectl("delete", "wfl", "order", "refund", "--ignore-not-found")
    server.kubectl("delete", "act", "charge")
    done = kubectl_workflow(cluster, "rollback", "order", "--to", before)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "Action charge is made anew",
        "Workflow order is made anew",
    ]
    assert run(cluster, server, "gone-2") == (before, ["example.com/charge:31"] * 2)


def test_the_history_as_data(cluster: Cluster, server: ApiServer) -> None:
    done = kubectl_workflow(cluster, "history", "order", "-o", "json")
    items = json.loads(done.stdout)["items"]
    numbers = [item["spec"]["revision"] for item in items]

    assert numbers == sorted(numbers) != []
    assert {item["kind"] for item in items} == {"WorkflowRevision"}
    named = kubectl_workflow(cluster, "history", "order", "-o", "name").stdout.splitlines()
    assert named == [f"workflowrevision.workflow.do/{i['metadata']['name']}" for i in items]


def test_a_workflow_that_never_was(cluster: Cluster, server: ApiServer, tmp_path: Path) -> None:
    for command in ("history", "diff", "rollback"):
        done = kubectl_workflow(cluster, command, "nothing")
        assert done.returncode == 2
        assert "nothing" in done.stderr
