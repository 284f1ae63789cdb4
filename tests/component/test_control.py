"""Pause, resume, cancel and retry against a real API server; the test plays the operator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from component.player import STEPS, SUCCEEDS, Cluster, namespace_on
from component.program import FLOW, add_workflow, command, environment, kubectl_workflow
from component.server import ApiServer
from unit.cli import runs
from workflow_do.api.run import DesiredState
from workflow_do.sdk.client import REVISIONS, RUNS, Selection
from workflow_do.sdk.control import ask, retry_run
from workflow_do.sdk.do import Do
from workflow_do.sdk.errors import AlreadyExists, Invalid, NotFound, WrongState
from workflow_do.sdk.runs import fetch_run, start_run, watch_run

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
REVISION = f"{FLOW}-5d4f"


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[Cluster]:
    """A namespace of its own on the API server, with the Workflow in it."""
    with namespace_on(api_server) as made:
        add_workflow(made, FLOW)
        yield made


@pytest.fixture
def do(cluster: Cluster) -> Do:
    return Do().connect(kubeconfig=cluster.kubeconfig, namespace=cluster.namespace)


def started(cluster: Cluster, status: runs.Object | None = None, name: str = "r1") -> str:
    """A run with that status; its uid."""
    made = start_run(cluster.client, FLOW, namespace=cluster.namespace, name=name, body=runs.BODY)
    if status is not None:
        cluster.write_status(name, status["status"])
    return made.uid


def add_revision(cluster: Cluster, name: str = REVISION) -> None:
    images = {s["action"]: {"image": "example.com/a:1"} for s in STEPS}
    manifest = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRevision",
        "metadata": {"name": name},
        "spec": {
            "workflowName": FLOW,
            "revision": 1,
            "contentHash": "5d4f",
            "workflow": {"steps": STEPS},
            "actions": images,
        },
    }
    cluster.client.create(REVISIONS, cluster.namespace, manifest)


def desired(cluster: Cluster, name: str = "r1") -> str:
    return fetch_run(cluster.client, cluster.namespace, name).desired_state


LIVE = runs.onboarding(runs.CREATED, runs.unit("Running", 3))


def test_pause_resume_and_cancel_say_what_happens_now(cluster: Cluster) -> None:
    started(cluster, LIVE)
    where = f"r1 -n {cluster.namespace}"
    done = kubectl_workflow(cluster, "pause", "r1")
    assert (done.returncode, done.stderr) == (0, f"go on with: kubectl workflow resume {where}\n")
    assert done.stdout == "run r1 paused: syncToCrm goes on to its end, nothing new starts\n"
    assert desired(cluster) == "Paused"
    again = kubectl_workflow(cluster, "pause", "r1")
    assert (again.returncode, again.stdout.split(":")[0]) == (0, "run r1 paused already")
    done = kubectl_workflow(cluster, "resume", "r1")
    assert (done.returncode, desired(cluster)) == (0, "Running")
    assert done.stdout == "run r1 resumed: syncToCrm runs, and what follows will start\n"
    assert done.stderr == f"follow it with: kubectl workflow watch {where}\n"
    done = kubectl_workflow(cluster, "cancel", "r1")
    assert (done.returncode, desired(cluster)) == (0, "Cancelled")
    assert done.stdout.startswith("run r1 cancelled: syncToCrm is being stopped; no handler runs")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_cancelled_run_goes_no_other_way(cluster: Cluster, verb: str) -> None:
    started(cluster, LIVE)
    ask(cluster.client, cluster.namespace, "r1", DesiredState.CANCELLED)
    done = kubectl_workflow(cluster, verb, "r1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: run r1 in namespace {cluster.namespace} was cancelled: that cannot be taken back; "
        "once it has ended, retry it\n"
    )
    patch = {"spec": {"desiredState": "Running"}}
    with pytest.raises(Invalid, match="a cancelled run cannot be resumed"):
        cluster.client.merge(RUNS, cluster.namespace, "r1", patch)


@pytest.mark.parametrize(
    ("verb", "status", "said"),
    [
        ("pause", runs.succeeded(), "has ended with success: it cannot be paused any more"),
        ("resume", runs.failed(), "has ended as ExitCode: it cannot be resumed any more"),
        ("cancel", runs.failed(), "has ended as ExitCode: it cannot be cancelled any more"),
        ("resume", runs.cancelled(), "has ended as Cancelled: it cannot be resumed any more"),
        ("retry", runs.succeeded(), "succeeded: there is nothing to retry; start another run"),
        ("retry", LIVE, "has not ended: wait for its end, or cancel it first"),
        ("retry", None, "has not ended: wait for its end, or cancel it first"),
        ("retry", runs.failed(), f"its revision {REVISION} is gone; start another run"),
    ],
)
def test_what_does_not_fit_the_state_of_the_run_is_refused(
    cluster: Cluster, verb: str, status: runs.Object | None, said: str
) -> None:
    started(cluster, status)
    done = kubectl_workflow(cluster, verb, "r1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: run r1 in namespace {cluster.namespace} ")
    assert said in done.stderr
    items, _ = cluster.client.list_all(Selection(RUNS, cluster.namespace))
    assert len(items) == 1


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry"])
def test_a_run_that_is_not_there(cluster: Cluster, verb: str) -> None:
    done = kubectl_workflow(cluster, verb, "r1")
    assert done.returncode == 2
    assert f'"r1" is not in namespace {cluster.namespace}' in done.stderr


def test_another_run_of_the_same_name_is_not_asked(cluster: Cluster) -> None:
    uid = started(cluster, LIVE)
    cluster.delete_run("r1")
    started(cluster, LIVE)
    with pytest.raises(NotFound, match="is not the one that was started here"):
        ask(cluster.client, cluster.namespace, "r1", DesiredState.CANCELLED, uid=uid)
    patch = {"metadata": {"uid": uid}, "spec": {"desiredState": "Cancelled"}}
    with pytest.raises(Invalid, match=r"metadata\.uid"):
        cluster.client.merge(RUNS, cluster.namespace, "r1", patch)
    assert desired(cluster) == "Running"


def test_retry_starts_a_run_of_the_same_trigger(cluster: Cluster) -> None:
    add_revision(cluster)
    uid = started(cluster, runs.failed())
    done = kubectl_workflow(cluster, "retry", "r1")
    assert done.returncode == 0
    made, follow = done.stderr.splitlines()
    assert made == "retry of r1: createUser taken over; syncToCrm, sendWelcome to run"
    assert follow.startswith("follow it with: kubectl workflow watch ")
    name = done.stdout.removeprefix("run ").removesuffix(" started\n")
    assert name.startswith(f"{FLOW}-")
    obj = cluster.client.get(RUNS, cluster.namespace, name)
    assert obj["spec"] == {
        "workflowName": FLOW,
        "retryOf": {"runName": "r1", "runUID": uid},
        "trigger": {"type": "api", "body": runs.BODY},
    }
    assert obj["metadata"]["labels"] == {"workflow.do/workflow": FLOW}


def test_retry_watches_the_new_run_to_its_end(cluster: Cluster) -> None:
    add_revision(cluster)
    started(cluster, runs.failed())
    arguments = command(cluster, "retry", "r1", "--name", "r2", "--watch", "-o", "json")
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("retry of r1: createUser taken over")
        next(watch_run(cluster.client, cluster.namespace, "r2", timeout=20))
        cluster.write_status("r2", SUCCEEDS[-1]["status"])
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(out)["metadata"]["name"] == "r2"
    assert "✔ run r2 succeeded in 1m17s" in err


def test_a_run_is_retried_once(cluster: Cluster) -> None:
    add_revision(cluster)
    started(cluster, runs.failed())
    _, second = retry_run(cluster.client, cluster.namespace, "r1", new_name="r2")
    claim = {"metadata": {"annotations": {"workflow.do/retried-by": second.uid}}}
    cluster.client.merge(RUNS, cluster.namespace, "r1", claim)
    done = kubectl_workflow(cluster, "retry", "r1")
    assert done.returncode == 2
    assert "was retried before, by r2: look at that run, and retry it if it failed" in done.stderr
    cluster.delete_run("r2")
    done = kubectl_workflow(cluster, "retry", "r1")
    assert "was retried before: retry the run that retried it, or start another run" in done.stderr


def test_retry_on_another_revision(cluster: Cluster) -> None:
    add_revision(cluster)
    started(cluster, runs.failed())
    done = kubectl_workflow(cluster, "retry", "r1", "--revision", "newer")
    assert done.returncode == 2
    assert f'no WorkflowRevision "newer" in namespace {cluster.namespace}; see: ' in done.stderr
    add_revision(cluster, "newer")
    done = kubectl_workflow(cluster, "retry", "r1", "--revision", "newer", "--name", "r2")
    assert done.returncode == 0
    assert "taken over where the Action and the input are the same in that revision" in done.stderr
    spec = cluster.client.get(RUNS, cluster.namespace, "r2")["spec"]
    assert spec["revisionName"] == "newer"


def test_who_may_not_read_revisions_may_retry(cluster: Cluster, tmp_path: Path) -> None:
    """Whether it is there is the operator's to say then."""
    started(cluster, runs.failed())
    rights = {"apiGroups": ["workflow.do"], "resources": ["workflowruns"], "verbs": ["*"]}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.namespace}"
    cluster.call("POST", f"{rbac}/roles", {"metadata": {"name": "runs"}, "rules": [rights]})
    binding = {
        "metadata": {"name": "runs"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runs"},
        "subjects": [{"kind": "ServiceAccount", "name": "ann", "namespace": cluster.namespace}],
    }
    cluster.call("POST", f"{rbac}/rolebindings", binding)
    accounts = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    cluster.call("POST", accounts, {"metadata": {"name": "ann"}})
    asked = cluster.call("POST", f"{accounts}/ann/token", {"spec": {"expirationSeconds": 600}})
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text("utf-8"))
    config["users"][0]["user"] = {"token": asked["status"]["token"]}
    file = tmp_path / "ann"
    file.write_text(json.dumps(config), "utf-8")
    do = Do().connect(kubeconfig=str(file), namespace=cluster.namespace)
    assert do.run("r1").retry(name="r2").get().retry_of == "r1"


def test_a_handle_asks_the_same(cluster: Cluster, do: Do) -> None:
    add_revision(cluster)
    handle = do.workflow.get(FLOW).start(name="r1")
    assert handle.pause().desired_state == "Paused"
    assert handle.resume().desired_state == "Running"
    with pytest.raises(WrongState, match="has not ended"):
        handle.retry()
    cluster.write_status("r1", runs.failed()["status"])
    again = handle.retry(name="r2")
    with pytest.raises(AlreadyExists, match='"r2" exists already'):
        handle.retry(name="r2")
    cluster.write_status("r2", SUCCEEDS[-1]["status"])
    assert again.wait(timeout=10).retry_of == "r1"
    with pytest.raises(WrongState, match="has ended with success"):
        again.cancel()
    assert do.workflow.get(FLOW).start(name="r3").cancel().desired_state == "Cancelled"


TRICKY = ["y", "N", "yes", "089", "0o17", "0X1F", "1e3", "1.0e3", "1_000", ".5", "-", "~", "null"]
TRICKY += ["2026-01-02", "1:30", "=", "<<", "0x", "é😀", " a", "a: b", "#", "a\nb\n", "\ttab", "!x"]


def test_kubectl_reads_yaml_as_it_is_meant(api_server: ApiServer, do: Do) -> None:
    step = {"id": "a", "action": "b", "input": {text: text for text in TRICKY}}
    written = do.workflow.define({"name": "tricky", "steps": [step]}).to_yaml()
    read = api_server.kubectl("create", "--dry-run=server", "-f", "-", "-o", "json", input=written)
    assert json.loads(read)["spec"]["steps"] == [step]
