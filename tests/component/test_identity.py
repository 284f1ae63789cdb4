"""Tenants against the API server and a live operator: what they write is data, or refused.

The tenant may create and change runs in one namespace, and nothing else.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer, Result
from component.test_runtime import apply, verdict
from support.kubelet import Kubelet
from support.operator import OperatorProcess, operating
from support.schemawalk import WRITABLE, levels, put
from unit.api.test_identity_matrix import FORBIDDEN, POD_FIELDS

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

API = "workflow.do/v1alpha1"
TENANT = "tenant"
Object = dict[str, Any]


def create(server: ApiServer, made: Object, *options: str) -> Result:
    return server.run("create", "-o", "json", *options, "-f", "-", input=made)


def run_of(workflow: str, **spec: Any) -> Object:
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": {"name": f"run-{uuid.uuid4().hex[:8]}"},
        "spec": {"workflowName": workflow, "trigger": {"type": "api", "body": {}}, **spec},
    }


@pytest.mark.parametrize("kind", WRITABLE)
def test_every_forbidden_field_is_refused_at_every_place(server: ApiServer, kind: str) -> None:
    """As `kubectl apply` asks by default: strictly."""
    for path in levels(kind):
        made = {"apiVersion": API, "kind": kind, "metadata": {"name": "x"}}
        fields = {**FORBIDDEN, **(dict.fromkeys(POD_FIELDS, "x") if kind == "WorkflowRun" else {})}
        done = create(server, made | put(path, fields), "--validate=strict")
        where = path.replace("[]", "[0]")
        missed = [name for name in fields if f'unknown field "{where}.{name}"' not in done.stderr]

        assert done.returncode != 0
        assert missed == [], path


@pytest.mark.parametrize("place", levels("WorkflowRun"))
def test_whoever_asks_for_no_checks_has_them_dropped(server: ApiServer, place: str) -> None:
    made = run_of("flow", retryOf={"runName": "x", "runUID": "y"})
    at = made
    for part in place.split("."):
        at = at[part]
    at.update(copy.deepcopy(FORBIDDEN))
    done = create(server, made, "--validate=ignore")

    assert done.returncode == 0, done.stderr
    stored = json.loads(done.stdout)
    at = stored
    for part in place.split("."):
        at = at[part]
    assert at.keys() & FORBIDDEN.keys() == set()


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        pytest.param({"securityContext": {"runAsUser": 0}}, "runAsUser", id="root"),
        pytest.param(
            {
                "podMetadata": {
                    "annotations": {
                        "container.apparmor.security.beta.kubernetes.io/action": "unconfined"
                    }
                }
            },
            "AppArmor",
            id="AppArmor by annotation",
        ),
        pytest.param(
            {"serviceAccountName": "kube-system/admin"}, "serviceAccountName", id="account"
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "kube-system/admin"}}]}, "secretRef", id="Secret"
        ),
        pytest.param(
            {"podMetadata": {"labels": {"workflow.do/run-uid": "x"}}}, "workflow.do", id="our label"
        ),
    ],
)
def test_an_action_can_not_leave_its_place(server: ApiServer, spec: Object, place: str) -> None:
    made = {"apiVersion": API, "kind": "Action", "metadata": {"name": "x"}}
    done = create(server, {**made, "spec": {"image": "example.com/x:1", **spec}})

    assert done.returncode != 0
    assert place in done.stderr


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as process:
        yield process


@pytest.fixture(scope="module")
def tenant(server: ApiServer) -> str:
    """A user with the rights of the chart's role `run`."""
    runs = "--resource=workflowruns.workflow.do"
    server.kubectl("create", "role", TENANT, "--verb=create,patch,get,list,watch", runs)
    server.kubectl("create", "rolebinding", TENANT, f"--role={TENANT}", f"--user={TENANT}")
    return f"--as={TENANT}"


def template_of(pod: Object) -> Object:
    """What of a Pod could depend on who started the run; without the data that it is given."""
    spec = copy.deepcopy(pod["spec"])
    [container] = spec["containers"]
    mine = {"ACTION_INPUT", "WORKFLOW_RUN", "WORKFLOW_IDEMPOTENCY_KEY"}
    container["env"] = [row for row in container["env"] if row["name"] not in mine]
    kept = {k: v for k, v in pod["metadata"]["labels"].items() if not k.startswith("batch.")}
    own = ("workflow.do/run", "workflow.do/run-uid", "controller-uid", "job-name")
    labels = {k: v for k, v in kept.items() if k not in own}
    return {"spec": spec, "labels": labels, "notes": pod["metadata"].get("annotations")}


@pytest.mark.usefixtures("operator")
def test_a_tenant_gets_the_pod_that_everybody_gets(server: ApiServer, tenant: str) -> None:
    """Whatever the run says, and however it came about: new, on a revision, as a retry."""
    kubelet = Kubelet(str(server.kubeconfig), server.namespace)
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    steps = [{"id": "one", "action": "act", "input": {"all": "{{ trigger.body }}"}}]
    apply(server, "Workflow", "flow", {"steps": steps})
    plain = run_of("flow")
    server.kubectl("create", "-f", "-", input=plain)
    expected = template_of(kubelet.perform(plain["metadata"]["name"], "one", exit_code=1))
    assert verdict(server, plain["metadata"]["name"]) == ("False", "ExitCode")
    first = server.get("wfr", plain["metadata"]["name"])
    retry_of = {"runName": first["metadata"]["name"], "runUID": first["metadata"]["uid"]}
    words = {"workflow.do/step": "x", "example.com/serviceAccountName": "admin", "job-name": "x"}
    body = {**FORBIDDEN, "serviceAccountName": "admin", "namespace": "kube-system"}
    for spec in ({}, {"revisionName": first["status"]["revisionName"]}, {"retryOf": retry_of}):
        made = run_of("flow", **spec)
        made["spec"]["trigger"] |= {"body": body, "headers": {"x-account": "admin"}}
        made["spec"] |= copy.deepcopy(FORBIDDEN)
        made["metadata"] |= {"labels": words, "annotations": words}
        made["status"] = {"steps": [{"id": "one", "action": "act", "jobName": "x"}]}
        done = create(server, made, "--validate=ignore", tenant)
        assert done.returncode == 0, done.stderr
        pod = kubelet.perform(made["metadata"]["name"], "one", {})
        assert template_of(pod) == expected
        assert pod["metadata"]["namespace"] == server.namespace
        assert (
            "serviceAccountName" not in pod["spec"]
            or pod["spec"]["serviceAccountName"] == "default"
        )
        assert verdict(server, made["metadata"]["name"]) == ("True", "Succeeded")


def test_a_tenant_can_change_nothing_of_a_run_but_whether_it_goes_on(
    server: ApiServer, tenant: str
) -> None:
    made = run_of("flow")
    made["spec"]["revisionName"] = "flow-1"
    create(server, made)
    name = made["metadata"]["name"]

    def patched(patch: Object, *options: str) -> Result:
        text = json.dumps(patch)
        return server.run("patch", "wfr", name, "--type=merge", "-p", text, tenant, *options)

    for spec in (
        {"workflowName": "other"},
        {"revisionName": "flow-2"},
        {"revisionName": None},
        {"trigger": {"body": {"a": 1}}},
        {"retryOf": {"runName": "x", "runUID": "y"}},
    ):
        assert "immutable" in patched({"spec": spec}).stderr, spec
    status = patched({"status": {"revisionName": "flow-2"}}, "--subresource=status")
    assert "forbidden" in status.stderr
    assert patched({"spec": {"desiredState": "Paused"}}).returncode == 0


@pytest.mark.usefixtures("operator")
def test_what_is_in_another_namespace_is_not_there(
    server: ApiServer, api_server: ApiServer
) -> None:
    other = api_server.within(f"other-{uuid.uuid4().hex[:8]}")
    other.kubectl("create", "namespace", other.namespace)
    apply(other, "Action", "act-there", {"image": "example.com/x:1"})
    apply(other, "Workflow", "flow-there", {"steps": [{"id": "one", "action": "act-there"}]})
    foreign = run_of("flow-there")
    other.kubectl("create", "-f", "-", input=foreign)
    uid = other.get("wfr", foreign["metadata"]["name"])["metadata"]["uid"]
    apply(server, "Workflow", "flow-here", {"steps": [{"id": "one", "action": "act-there"}]})
    retry_of = {"runName": foreign["metadata"]["name"], "runUID": uid}
    wanted = {
        "WorkflowNotFound": run_of("flow-there"),
        "ActionNotFound": run_of("flow-here"),
        "RetryRefused": run_of("flow-here", retryOf=retry_of),
        "RevisionNotFound": run_of("flow-there", revisionName="flow-there-aaaaaaaaaa"),
    }
    for made in wanted.values():
        server.kubectl("create", "-f", "-", input=made)
    found = {made["metadata"]["name"]: reason for reason, made in wanted.items()}
    for name, reason in found.items():
        assert verdict(server, name, timeout=40) == ("False", reason)
    assert server.get("jobs", "-l", "workflow.do/workflow=flow-there")["items"] == []
    other.kubectl("delete", "namespace", other.namespace, "--wait=false")


SCRATCH = {"name": "v", "emptyDir": {}}
UP = {"key": "k", "path": "../../etc/passwd"}


@pytest.mark.usefixtures("operator")
def test_no_path_leads_out_of_a_volume(server: ApiServer) -> None:
    """Kubernetes refuses these, when the Job is made; nothing has begun then."""
    mount = {"name": "v", "mountPath": "/v"}
    cases = {
        "sub-path": {"volumes": [SCRATCH], "volumeMounts": [{**mount, "subPath": "../../etc"}]},
        "secret-item": {
            "volumes": [{"name": "v", "secret": {"secretName": "s", "items": [UP]}}],
            "volumeMounts": [mount],
        },
        "config-item": {
            "volumes": [{"name": "v", "configMap": {"name": "c", "items": [UP]}}],
            "volumeMounts": [mount],
        },
    }
    runs = []
    for name, spec in cases.items():
        apply(server, "Action", name, {"image": "example.com/x:1", **spec})
        apply(server, "Workflow", name, {"steps": [{"id": "one", "action": name}]})
        made = run_of(name)
        server.kubectl("create", "-f", "-", input=made)
        runs.append(made["metadata"]["name"])
    assert {verdict(server, run) for run in runs} == {("False", "JobRejected")}


def test_nothing_can_be_asked_of_a_run_that_has_ended(server: ApiServer) -> None:
    made = run_of("flow")
    create(server, made)
    name = made["metadata"]["name"]
    since = "2026-01-31T08:00:00Z"
    ended = {"type": "Completed", "status": "True", "reason": "Succeeded", "message": ""}
    status = {"conditions": [{**ended, "lastTransitionTime": since}]}
    patch = json.dumps({"status": status})
    server.kubectl("patch", "wfr", name, "--subresource=status", "--type=merge", "-p", patch)
    for state in ("Paused", "Cancelled"):
        text = json.dumps({"spec": {"desiredState": state}})
        assert "has ended" in server.refused("patch", "wfr", name, "--type=merge", "-p", text)
    server.kubectl("label", "wfr", name, "example.com/a=b")
    server.kubectl("annotate", "wfr", name, "example.com/a=b")
