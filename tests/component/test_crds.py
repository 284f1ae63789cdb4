"""The definitions on a real API server: what it takes, what it refuses and with which words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from component.server import ROOT, ApiServer

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

KINDS = {
    "Action": "actions.workflow.do",
    "Workflow": "workflows.workflow.do",
    "WorkflowRevision": "workflowrevisions.workflow.do",
    "WorkflowRun": "workflowruns.workflow.do",
    "WorkflowApproval": "workflowapprovals.workflow.do",
}
CRDS = str(ROOT / "crds")
Object = dict[str, Any]


def made(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name}
    return {"apiVersion": "workflow.do/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def action(name: str = "act", **spec: Any) -> Object:
    return made("Action", name, {"image": "example.com/a:1", **spec})


def workflow(name: str = "flow", *ids: str, **spec: Any) -> Object:
    steps = [{"id": id_, "action": "act"} for id_ in ids or ("one",)]
    return made("Workflow", name, {"steps": steps, **spec})


def run(name: str = "run", **spec: Any) -> Object:
    full = {"type": "api", "body": {"list": [1, None]}, "headers": {"a": "b"}, "id": "evt-1"}
    given = {"workflowName": "flow", "revisionName": "flow-1", "trigger": full}
    return made("WorkflowRun", name, {**given, **spec})


def revision(name: str = "flow-1") -> Object:
    frozen = action(command=["x"], inputSchema={"type": "object"})["spec"]
    return made(
        "WorkflowRevision",
        name,
        {
            "workflowName": "flow",
            "revision": 1,
            "contentHash": "c0ffee",
            "workflow": workflow(title="A flow")["spec"],
            "actions": {"act": frozen},
        },
    )


def approval(name: str = "yes", **spec: Any) -> Object:
    about = {"workflowName": "flow", "runName": "run", "runUID": "u-1", "step": "approve"}
    says = {"decision": "Approve", "approver": "sam@example.com", "comment": "fine"}
    return made("WorkflowApproval", name, {**about, **says, "data": {"limit": 5}, **spec})


SAMPLES = {
    "Action": action,
    "Workflow": workflow,
    "WorkflowRevision": revision,
    "WorkflowRun": run,
    "WorkflowApproval": approval,
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize(
    "how", [pytest.param((), id="client side"), pytest.param(("--server-side",), id="server side")]
)
def test_applying_the_definitions_again_changes_nothing(
    server: ApiServer, how: tuple[str, ...]
) -> None:
    force = ("--force-conflicts",) if how else ()
    server.kubectl("apply", *how, *force, "-f", CRDS)
    before = versions(server)

    again = server.kubectl("apply", *how, "-f", CRDS)

    assert versions(server) == before
    assert again.count("unchanged") == (0 if how else len(KINDS))
    assert server.run("diff", *how, *force, "-f", CRDS).returncode == 0


def versions(server: ApiServer) -> list[str]:
    found = server.get("crd", *KINDS.values())["items"]
    return [item["metadata"]["resourceVersion"] for item in found]


@kinds
def test_the_server_accepts_the_definition_whole(server: ApiServer, kind: str) -> None:
    found = server.get("crd", KINDS[kind])
    conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}

    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@kinds
def test_a_sample_passes_a_dry_run_and_is_kept_as_it_was_written(
    server: ApiServer, kind: str
) -> None:
    sample = SAMPLES[kind]("dry")
    text = server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=sample)

    assert json.loads(text)["spec"] == sample["spec"]


def test_the_workflow_that_started_the_project_applies_as_it_is(server: ApiServer) -> None:
    steps = [
        {
            "id": "createUser",
            "action": "create-user-db",
            "input": {
                "email": "{{ trigger.body.email }}",
                "name": "{{ trigger.body.name }}",
                "plan": "free-tier",
            },
        },
        {
            "id": "syncToCrm",
            "action": "add-user-to-crm",
            "input": {"userId": "{{ steps.createUser.output.userId }}"},
        },
    ]
    handler = {
        "action": "notify-devops-team",
        "input": {"message": "Onboarding failed for {{ trigger.body.email }}"},
    }
    spec = {"trigger": {"type": "api"}, "steps": steps, "onFailure": handler}
    flow = made("Workflow", "new-user-onboarding-flow", spec)

    server.kubectl("apply", "-f", "-", input=flow)

    assert server.get(KINDS["Workflow"], "new-user-onboarding-flow")["spec"] == spec


@pytest.mark.parametrize("body", ["text", 1, 1.5, True, [], [None, {"a": []}], {}, {"a": None}])
def test_the_body_of_a_trigger_may_be_any_json(server: ApiServer, body: Any) -> None:
    sample = run("body", trigger={"body": body})
    text = server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=sample)

    assert json.loads(text)["spec"]["trigger"] == {"body": body}


@kinds
def test_explain_knows_every_top_field(server: ApiServer, kind: str) -> None:
    root = server.get("crd", KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in root["properties"].keys() & {"spec", "status"}:
        for name, node in root["properties"][part]["properties"].items():
            text = server.kubectl(
                "explain",
                f"{KINDS[kind].split('.')[0]}.{part}.{name}",
                "--api-version=workflow.do/v1alpha1",
            )
            words = " ".join(text.split())
            assert " ".join(node["description"].split()) in words, f"{part}.{name}"


@pytest.mark.parametrize(
    ("sample", "field"),
    [
        pytest.param(workflow(stepz=[]), "spec.stepz", id="in a spec"),
        pytest.param(
            made("Workflow", "flow", {"steps": [{"id": "a", "action": "act", "inputs": {}}]}),
            "spec.steps[0].inputs",
            id="in a step",
        ),
        pytest.param(
            action(hostNetwork=True), "spec.hostNetwork", id="a part of a Pod not offered"
        ),
        pytest.param(run(image="example.com/evil"), "spec.image", id="an image in a run"),
    ],
)
def test_an_unknown_field_is_refused_by_name(server: ApiServer, sample: Object, field: str) -> None:
    assert f'unknown field "{field}"' in server.refused("create", "-f", "-", input=sample)


def env(**variable: Any) -> Object:
    return action(env=[{"name": "A", **variable}])


def volume(**source: Any) -> Object:
    return action(volumes=[{"name": "v", **source}])


RESERVED_ENV = "names that start with ACTION_ or WORKFLOW_ are set by the operator"
RESERVED_KEY = "job-name and controller-uid are set by the operator and by Kubernetes"
ONE_SOURCE = "exactly one of secret, configMap, emptyDir and persistentVolumeClaim must be given"
REFUSED = {
    "workflow name too long": (workflow("w" * 51), "may have at most 50 characters"),
    "run name too long": (run("r" * 64), "may have at most 63 characters"),
    "action name too long": (action("a" * 64), "may have at most 63 characters"),
    "no steps": (made("Workflow", "flow", {"steps": []}), "spec.steps: Invalid value"),
    "two steps of one id": (
        workflow("flow", "a", "b", "a"),
        'spec.steps: Invalid value: "array": each step needs an id of its own',
    ),
    "step named trigger": (workflow("flow", "a", "trigger"), "spec.steps[1].id"),
    "step named trigger, why": (workflow("flow", "trigger"), "the id `trigger` is reserved"),
    "step id with a dash": (workflow("flow", "a-b"), "spec.steps[0].id"),
    "step of two verbs": (
        made("Workflow", "flow", {"steps": [{"id": "a", "action": "x", "workflow": "y"}]}),
        "exactly one of action, workflow, wait and approval must be given",
    ),
    "step that waits, with input": (
        made("Workflow", "flow", {"steps": [{"id": "a", "wait": {"seconds": 1}, "input": {}}]}),
        "are for steps with an action or a workflow: leave them out",
    ),
    "retry of a child run": (
        made("Workflow", "flow", {"steps": [{"id": "a", "workflow": "y", "retry": {}}]}),
        "retry is for steps with an action",
    ),
    "unknown trigger type": (workflow(trigger={"type": "cron"}), 'supported values: "api"'),
    "unknown pull policy": (action(imagePullPolicy="Sometimes"), "spec.imagePullPolicy"),
    "no image": (made("Action", "act", {}), "spec.image: Required value"),
    "template as image": (action(image="{{ input.image }}"), "image is literal"),
    "env ACTION_": (action(env=[{"name": "ACTION_X", "value": "a"}]), RESERVED_ENV),
    "env WORKFLOW_": (action(env=[{"name": "WORKFLOW_X", "value": "a"}]), RESERVED_ENV),
    "env without a value": (env(), "exactly one of value and valueFrom"),
    "env with both": (
        env(value="x", valueFrom={"secretKeyRef": {"name": "s", "key": "k"}}),
        "exactly one of value and valueFrom",
    ),
    "env from nothing": (env(valueFrom={}), "exactly one of secretKeyRef and configMapKeyRef"),
    "env from two": (
        env(
            valueFrom={
                "secretKeyRef": {"name": "s", "key": "k"},
                "configMapKeyRef": {"name": "s", "key": "k"},
            }
        ),
        "exactly one of secretKeyRef and configMapKeyRef",
    ),
    "two variables of one name": (
        action(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        "spec.env[1]: Duplicate value",
    ),
    "envFrom nothing": (action(envFrom=[{"prefix": "A"}]), "exactly one of secretRef and"),
    "envFrom two": (
        action(envFrom=[{"secretRef": {"name": "s"}, "configMapRef": {"name": "c"}}]),
        "exactly one of secretRef and configMapRef",
    ),
    "volume of nothing": (volume(), ONE_SOURCE),
    "volume of two": (volume(emptyDir={}, secret={"secretName": "s"}), ONE_SOURCE),
    "mount of no volume": (
        action(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        "each of volumeMounts must name one of volumes",
    ),
    "mount at a relative path": (
        action(
            volumes=[{"name": "v", "emptyDir": {}}],
            volumeMounts=[{"name": "v", "mountPath": "v"}],
        ),
        "spec.volumeMounts[0].mountPath",
    ),
    "not a quantity": (action(resources={"limits": {"cpu": "lots"}}), "spec.resources.limits.cpu"),
    **{
        f"{owner} {part} {key}": (action(**{owner: {part: {key: "x"}}}), RESERVED_KEY)
        for owner in ("podMetadata", "jobMetadata")
        for part in ("labels", "annotations")
        for key in ("workflow.do/run", "batch.kubernetes.io/x", "job-name", "controller-uid")
    },
    "approval name too long": (approval("a" * 64), "may have at most 63 characters"),
    "approval that is neither": (approval(decision="Maybe"), 'supported values: "Approve"'),
    "approval of nobody": (approval(approver=""), "spec.approver"),
    "approval with a list": (approval(data=[1]), "spec.data"),
    "run without a trigger": (
        made("WorkflowRun", "run", {"workflowName": "flow"}),
        "spec.trigger: Required value",
    ),
}


@pytest.mark.parametrize(("sample", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_an_object_says_wrong_of_itself_is_refused(
    server: ApiServer, sample: Object, message: str
) -> None:
    assert message in server.refused("create", "--dry-run=server", "-f", "-", input=sample)


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(workflow("w" * 50), id="longest workflow name"),
        pytest.param(run("r" * 63), id="longest run name"),
        pytest.param(workflow("flow", "Trigger", "triggers"), id="ids like trigger"),
        pytest.param(workflow("flow", *(f"{'s' * 36}{n:04}" for n in range(300))), id="300 steps"),
        pytest.param(workflow("flow", *(f"{'s' * 36}{n:04}" for n in range(500))), id="500 steps"),
        pytest.param(env(value=""), id="empty value"),
        pytest.param(action(env=[{"name": "MY_ACTION_X", "value": "a"}]), id="ACTION_ inside"),
        pytest.param(volume(emptyDir={}), id="emptyDir without fields"),
        pytest.param(
            action(resources={"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": "0.5"}}),
            id="quantities",
        ),
        pytest.param(
            action(podMetadata={"labels": {"app": "x", "example.com/workflow.do": "y"}}),
            id="other labels",
        ),
        pytest.param(
            action(inputSchema={"type": "object", "$defs": {"x": {"enum": [1, None]}}}),
            id="any schema",
        ),
    ],
)
def test_what_is_at_the_edge_is_let_through(server: ApiServer, sample: Object) -> None:
    server.kubectl("create", "--dry-run=server", "-f", "-", input=sample)


RUN_CHANGES = {
    "removed revisionName": [{"op": "remove", "path": "/spec/revisionName"}],
    "other revisionName": [{"op": "replace", "path": "/spec/revisionName", "value": "flow-2"}],
    "other workflowName": [{"op": "replace", "path": "/spec/workflowName", "value": "other"}],
    "removed body": [{"op": "remove", "path": "/spec/trigger/body"}],
    "other body": [{"op": "replace", "path": "/spec/trigger/body/list/0", "value": 2}],
    "body of another type": [{"op": "replace", "path": "/spec/trigger/body", "value": "x"}],
    "removed header": [{"op": "remove", "path": "/spec/trigger/headers/a"}],
    "added header": [{"op": "add", "path": "/spec/trigger/headers/c", "value": "d"}],
    "removed headers": [{"op": "remove", "path": "/spec/trigger/headers"}],
    "removed id": [{"op": "remove", "path": "/spec/trigger/id"}],
    "removed type": [{"op": "remove", "path": "/spec/trigger/type"}],
    "emptied trigger": [{"op": "replace", "path": "/spec/trigger", "value": {}}],
}
REVISION_CHANGES = {
    "other number": [{"op": "replace", "path": "/spec/revision", "value": 2}],
    "removed title": [{"op": "remove", "path": "/spec/workflow/title"}],
    "removed command": [{"op": "remove", "path": "/spec/actions/act/command"}],
    "removed schema": [{"op": "remove", "path": "/spec/actions/act/inputSchema"}],
    "added to a schema": [
        {"op": "add", "path": "/spec/actions/act/inputSchema/required", "value": ["a"]}
    ],
    "added action": [{"op": "add", "path": "/spec/actions/b", "value": {"image": "b"}}],
    "emptied actions": [{"op": "replace", "path": "/spec/actions", "value": {}}],
}


APPROVAL_CHANGES = {
    "other decision": [{"op": "replace", "path": "/spec/decision", "value": "Reject"}],
    "other approver": [{"op": "replace", "path": "/spec/approver", "value": "kim@example.com"}],
    "other run": [{"op": "replace", "path": "/spec/runUID", "value": "u-2"}],
    "removed comment": [{"op": "remove", "path": "/spec/comment"}],
    "removed data": [{"op": "remove", "path": "/spec/data"}],
    "other data": [{"op": "replace", "path": "/spec/data/limit", "value": 6}],
}


@pytest.fixture(scope="module")
def immutable(server: ApiServer) -> ApiServer:
    """The server with a run, a revision and an approval, all named `fixed`."""
    for sample in (run("fixed"), revision("fixed"), approval("fixed")):
        server.kubectl("create", "-f", "-", input=sample)
    return server


def patch(kind: str, name: str, change: Any) -> tuple[str, ...]:
    return ("patch", KINDS[kind], name, "--type=json", "-p", json.dumps(change))


@pytest.mark.parametrize("change", RUN_CHANGES.values(), ids=RUN_CHANGES.keys())
def test_the_spec_of_a_run_never_changes(immutable: ApiServer, change: Any) -> None:
    refusal = immutable.refused(*patch("WorkflowRun", "fixed", change))

    assert "a WorkflowRun is immutable but for desiredState: create a new run" in refusal


@pytest.mark.parametrize("change", REVISION_CHANGES.values(), ids=REVISION_CHANGES.keys())
def test_the_spec_of_a_revision_never_changes(immutable: ApiServer, change: Any) -> None:
    refusal = immutable.refused(*patch("WorkflowRevision", "fixed", change))

    assert "the spec of a WorkflowRevision is immutable" in refusal


@pytest.mark.parametrize("change", APPROVAL_CHANGES.values(), ids=APPROVAL_CHANGES.keys())
def test_the_spec_of_an_approval_never_changes(immutable: ApiServer, change: Any) -> None:
    refusal = immutable.refused(*patch("WorkflowApproval", "fixed", change))

    assert "one who has decided cannot decide anew" in refusal


@pytest.mark.parametrize("kind", ["WorkflowRun", "WorkflowRevision", "WorkflowApproval"])
def test_labels_of_what_is_immutable_may_change(immutable: ApiServer, kind: str) -> None:
    immutable.kubectl("label", KINDS[kind], "fixed", "team=ops", "--overwrite")


def test_applying_a_run_without_an_optional_field_is_refused(server: ApiServer) -> None:
    sample = run("applied")
    server.kubectl("apply", "-f", "-", input=sample)
    without = copy.deepcopy(sample)
    del without["spec"]["revisionName"]

    assert "immutable" in server.refused("apply", "-f", "-", input=without)
