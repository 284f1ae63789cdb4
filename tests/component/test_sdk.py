"""The SDK against a real API server; the test plays the operator."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from component.player import FAILS, RUNNING, STEPS, SUCCEEDS, Cluster, namespace_on
from component.server import ApiServer
from unit.cli import runs
from workflow_do.sdk import client as client_module
from workflow_do.sdk.client import APPROVALS, RUNS, WORKFLOWS, Client, Resource, Selection
from workflow_do.sdk.connect import connect
from workflow_do.sdk.definition import run_manifest
from workflow_do.sdk.do import Do, RunHandle, Workflow
from workflow_do.sdk.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    NotInstalled,
    OutputUnavailable,
    RunFailed,
    RunTimeout,
    Unreachable,
    WrongState,
)
from workflow_do.sdk.outputs import Reader
from workflow_do.sdk.runs import watch_run
from workflow_do.sdk.watch import Deadline, changes

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[Cluster]:
    """A namespace of its own on the API server."""
    with namespace_on(api_server) as made:
        yield made


@pytest.fixture
def do(cluster: Cluster) -> Do:
    return Do().connect(kubeconfig=cluster.kubeconfig, namespace=cluster.namespace)


@pytest.fixture
def flow(do: Do) -> Workflow:
    return do.workflow.define({"name": "new-user-onboarding-flow", "steps": STEPS})


def test_execute_gives_what_the_steps_gave(cluster: Cluster, flow: Workflow) -> None:
    with cluster.playing(SUCCEEDS):
        run = flow.execute(body=runs.BODY, timeout=30)
    assert run.succeeded
    assert run.name.startswith("new-user-onboarding-flow-")
    assert run.steps["createUser"].output == {"userId": "u-17", "created": True}
    made = cluster.client.get(RUNS, cluster.namespace, run.name)
    assert made["spec"] == {
        "workflowName": "new-user-onboarding-flow",
        "trigger": {"type": "api", "body": runs.BODY},
    }


def test_execute_raises_when_the_run_failed(cluster: Cluster, flow: Workflow) -> None:
    with cluster.playing(FAILS), pytest.raises(RunFailed, match="CRM answered 503") as caught:
        flow.execute(body=runs.BODY, timeout=30)
    error = caught.value
    assert error.step is not None
    assert (error.reason, error.step.id, error.step.exit_code) == ("ExitCode", "syncToCrm", 3)
    assert error.run.on_failure is not None
    assert error.run.on_failure.output == {"sent": True}


def test_a_failed_run_is_over_only_when_its_handler_is(cluster: Cluster, flow: Workflow) -> None:
    with cluster.playing(FAILS[:-1]), pytest.raises(RunTimeout):
        flow.execute(timeout=1.5)


def test_the_bound_is_kept_and_the_run_goes_on(cluster: Cluster, flow: Workflow) -> None:
    with cluster.playing(RUNNING):
        began = time.monotonic()
        with pytest.raises(RunTimeout, match="it goes on") as caught:
            flow.execute(timeout=2)
        assert 2 <= time.monotonic() - began < 3.5
    assert cluster.client.get(RUNS, cluster.namespace, caught.value.name)["spec"]


def test_a_run_that_is_deleted_is_not_waited_for(cluster: Cluster, flow: Workflow) -> None:
    handle = flow.start()
    watched = handle.watch(timeout=30)
    assert next(watched).reason == "Pending"
    cluster.delete_run(handle.name)
    with pytest.raises(NotFound, match="was deleted"):
        next(watched)


def test_another_run_of_the_same_name_is_not_this_one(cluster: Cluster, flow: Workflow) -> None:
    handle = flow.start(name="twin")
    cluster.delete_run("twin")
    flow.start(name="twin")
    with pytest.raises(NotFound, match="was deleted"):
        handle.wait(timeout=5)


def test_a_name_is_used_once(flow: Workflow) -> None:
    flow.start(name="only-one")
    with pytest.raises(AlreadyExists, match='"only-one" exists already'):
        flow.start(name="only-one")


def test_a_run_by_name(cluster: Cluster, do: Do, flow: Workflow) -> None:
    flow.start(name="by-name")
    assert do.run("by-name").get().workflow == "new-user-onboarding-flow"
    with pytest.raises(NotFound, match='"nobody" is not in namespace'):
        do.run("nobody").get()


HELD = json.dumps({"prices": [1] * 9_000}, separators=(",", ":"))
REF = {"name": "held", "size": len(HELD), "sha256": hashlib.sha256(HELD.encode()).hexdigest()}


def hold(cluster: Cluster, text: str = HELD) -> None:
    """The ConfigMap, as the operator makes it; or as somebody else makes it anew."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    held = {"metadata": {"name": "held"}, "data": {"data.json": text}}
    if "held" in [i["metadata"]["name"] for i in cluster.call("GET", path)["items"]]:
        cluster.call("DELETE", f"{path}/held")
    cluster.call("POST", path, held)


def with_outputs(cluster: Cluster, do: Do, flow: Workflow) -> RunHandle:
    """A run of which one step gave something large, and the items of another what they gave."""
    handle = flow.start(body=runs.BODY, name="r1")
    items = [runs.unit("Succeeded", 3, 4, output={"n": n}) for n in (1, 2)]
    items.append(runs.unit("Failed", 3, 4, reason="ExitCode"))
    items.append(runs.unit("Succeeded", 3, 4, outputRef=REF))
    large = runs.unit("Succeeded", 1, 3, outputRef=REF)
    many = runs.unit("Succeeded", 3, 5, items=items)
    cluster.write_status("r1", runs.onboarding(large, many)["status"])
    return handle


def test_outputs_are_read_wherever_they_stand(cluster: Cluster, do: Do, flow: Workflow) -> None:
    handle = with_outputs(cluster, do, flow)
    hold(cluster)
    whole = json.loads(HELD)
    assert handle.output("createUser") == whole
    assert handle.output("syncToCrm") == [{"n": 1}, {"n": 2}, None, whole]
    assert handle.output("syncToCrm", item=3) == whole
    assert handle.output("sendWelcome") is None
    assert handle.outputs() == {
        "createUser": whole,
        "syncToCrm": [{"n": 1}, {"n": 2}, None, whole],
    }
    for wrong in (lambda: handle.output("nope"), lambda: handle.output("syncToCrm", item=4)):
        with pytest.raises(NotFound, match="has no"):
            wrong()
    small = Reader(cluster.client, handle.get(), most=2 * len(HELD) - 1)
    assert small.output(handle.get().steps["createUser"]) == whole
    with pytest.raises(OutputUnavailable, match="larger than what is read at once"):
        small.output(handle.get().steps["createUser"])


def test_an_output_that_is_lost_is_never_something_else(
    cluster: Cluster, do: Do, flow: Workflow
) -> None:
    handle = with_outputs(cluster, do, flow)
    with pytest.raises(OutputUnavailable, match=r"ConfigMap held in namespace .* is gone"):
        handle.output("createUser")
    hold(cluster, HELD.replace("1", "2", 1))
    with pytest.raises(OutputUnavailable, match="holds something else by now"):
        handle.output("createUser")


def test_approving_and_rejecting(cluster: Cluster, flow: Workflow) -> None:
    handle = flow.start(body=runs.BODY, name="r1")
    with pytest.raises(WrongState, match="does not wait for approval"):
        handle.approve()
    waits = {"state": "Running", "approvalsRequired": 1}
    cluster.write_status("r1", {"steps": [{"id": "a", **waits}, {"id": "b", **waits}]})
    assert handle.approve("a", comment="fine", data={"limit": 5}).id == "a"
    assert handle.reject("b").id == "b"
    with pytest.raises(WrongState, match="at several places: name one of a, b"):
        handle.approve()
    made = [a["spec"] for a in cluster.client.list_all(Selection(APPROVALS, cluster.namespace))[0]]
    said = {a["step"]: (a["decision"], a.get("comment"), a.get("data")) for a in made}
    assert said == {"a": ("Approve", "fine", {"limit": 5}), "b": ("Reject", None, None)}
    assert {a["approver"] for a in made} == {cluster.client.whoami()}


def test_apply_is_repeatable_and_leaves_defaults_alone(cluster: Cluster, flow: Workflow) -> None:
    first, second = flow.apply(), flow.apply()
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    [fields] = first["metadata"]["managedFields"]
    assert (fields["manager"], fields["operation"]) == ("workflow-do-sdk", "Apply")
    assert set(fields["fieldsV1"]["f:spec"]) == {"f:steps"}


def test_apply_does_not_overrule_another_manager(cluster: Cluster, flow: Workflow) -> None:
    manifest = {**flow.manifest(), "spec": {"steps": STEPS[:1]}}
    cluster.client.apply(WORKFLOWS, cluster.namespace, manifest, "gitops", False)
    with pytest.raises(Conflict, match=r'conflict with "gitops".*force=True'):
        flow.start()
    assert flow.apply(force=True)["spec"]["steps"] == STEPS


def test_a_workflow_of_the_cluster_is_run_as_it_is(
    cluster: Cluster, do: Do, flow: Workflow
) -> None:
    manifest = {**flow.manifest(), "spec": {"steps": STEPS[:1]}}
    applied = cluster.client.apply(WORKFLOWS, cluster.namespace, manifest, "gitops", False)
    with cluster.playing(SUCCEEDS):
        assert do.workflow.get(flow.name).execute(timeout=30).succeeded
    now = cluster.client.get(WORKFLOWS, cluster.namespace, flow.name)
    assert now["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


def test_an_action_is_applied(do: Do) -> None:
    action = do.action.define({"name": "create-user-db", "image": "example.com/users:1"})
    assert action.apply()["spec"]["image"] == "example.com/users:1"


def test_what_the_api_server_refuses_names_the_place(cluster: Cluster) -> None:
    manifest = {**run_manifest("w", name="r"), "spec": {"workflowName": "w"}}
    with pytest.raises(Invalid, match=r"spec\.trigger: Required value"):
        cluster.client.create(RUNS, cluster.namespace, manifest)


def test_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    do = Do().connect(kubeconfig=cluster.kubeconfig, namespace="nowhere")
    with pytest.raises(NotFound, match='namespace "nowhere" is not there'):
        do.workflow.define({"name": "w", "steps": STEPS}).start()


def test_a_cluster_without_the_kinds(cluster: Cluster) -> None:
    older = Resource("/apis/workflow.do/v1alpha0", "workflowruns", "workflow.do")
    with pytest.raises(NotInstalled, match="install the CRDs"):
        cluster.client.list_all(Selection(older, cluster.namespace))


def rewritten(cluster: Cluster, path: Path, **changed: Any) -> str:
    """The cluster's kubeconfig with another server or another user."""
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text("utf-8"))
    if "server" in changed:
        config["clusters"][0]["cluster"]["server"] = changed["server"]
    if "token" in changed:
        config["users"][0]["user"] = {"token": changed["token"]}
    path.write_text(json.dumps(config), "utf-8")
    return str(path)


def test_what_rbac_refuses_names_the_right_to_ask_for(cluster: Cluster, tmp_path: Path) -> None:
    accounts = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    cluster.call("POST", accounts, {"metadata": {"name": "eve"}})
    asked = cluster.call("POST", f"{accounts}/eve/token", {"spec": {"expirationSeconds": 600}})
    config = rewritten(cluster, tmp_path / "eve", token=asked["status"]["token"])
    do = Do().connect(kubeconfig=config, namespace=cluster.namespace)
    with pytest.raises(Forbidden, match=r"verb get on workflowruns\.workflow\.do"):
        do.run("r").get()
    config = rewritten(cluster, tmp_path / "mallory", token="no-token")
    do = Do().connect(kubeconfig=config, namespace=cluster.namespace)
    with pytest.raises(Forbidden, match="does not accept the credentials"):
        do.run("r").get()


def test_an_api_server_that_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    config = rewritten(cluster, tmp_path / "config", server="https://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"cannot reach the API server at https://127\.0\.0\.1:9"):
        Do().connect(kubeconfig=config).run("r").get()


def test_lists_are_read_page_by_page(
    cluster: Cluster, flow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)
    names = {flow.start().name for _ in range(5)}
    items, version = cluster.client.list_all(Selection(RUNS, cluster.namespace))
    assert {item["metadata"]["name"] for item in items} == names
    assert version


def test_a_watch_from_too_old_a_version_lists_anew(cluster: Cluster, flow: Workflow) -> None:
    name = flow.start().name
    old = {"metadata": {"name": name, "namespace": cluster.namespace, "resourceVersion": "1"}}
    lost = {"metadata": {"name": "lost", "namespace": cluster.namespace, "resourceVersion": "1"}}
    selection = Selection(RUNS, cluster.namespace)
    seen = next(changes(cluster.client, selection, Deadline(20), seen=old))
    assert (seen.object["metadata"]["name"], seen.gone) == (name, False)
    told = changes(cluster.client, selection, Deadline(20), seen=lost)
    assert [(c.object["metadata"]["name"], c.gone) for c in itertools.islice(told, 2)] == [
        ("lost", True),
        (name, False),
    ]


class Proxy:
    """Passes bytes on to the API server, until it is told to cut or to refuse."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._pairs: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            if not self.open:
                inner.close()
                continue
            self.connections += 1
            outer = socket.create_connection(self._target)
            self._pairs += [inner, outer]
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def cut(self) -> None:
        """End every connection there is."""
        for end in self._pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._pairs.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    host, port = cluster.connection.host.removeprefix("https://").split(":")
    made = Proxy((host, int(port)))
    yield made
    made.close()


def test_a_wait_survives_lost_connections_and_an_outage(
    cluster: Cluster, flow: Workflow, proxy: Proxy, tmp_path: Path
) -> None:
    config = rewritten(cluster, tmp_path / "config", server=f"https://127.0.0.1:{proxy.port}")
    client = Client(connect(config, namespace=cluster.namespace))
    name = flow.start().name
    reasons: list[str] = []
    watched = watch_run(client, cluster.namespace, name, timeout=40)
    reasons.append(next(watched).reason)
    proxy.cut()
    cluster.write_status(name, RUNNING[1]["status"])
    reasons.append(next(watched).reason)
    proxy.open = False
    proxy.cut()
    # The outage ends, and the run with it, while the wait is asking again.
    threading.Timer(1.5, lambda: setattr(proxy, "open", True)).start()
    cluster.write_status(name, SUCCEEDS[-1]["status"])
    last = list(watched)[-1]
    assert (reasons, last.succeeded) == (["Pending", "Running"], True)
    assert proxy.connections >= 3
