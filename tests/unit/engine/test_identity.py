"""As whom and where a Pod runs: decided by Actions and Workflows, never by data.

Every open place of every kind (where names or values stand that nobody has declared) gets all
that would be dangerous in a Pod. What may change of the Job is listed, place by place.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest

from support.schemawalk import open_places
from support.world import World, action, step, workflow

KINDS: Final = ("Action", "Workflow", "WorkflowRun")
"""An approval adds data to a step's output, and outputs are inputs of other steps like any."""

POISON: Final[dict[str, Any]] = {
    "serviceAccountName": "admin",
    "hostNetwork": True,
    "namespace": "kube-system",
    "podSpecPatch": '{"hostNetwork": true}',
    "spec": {"hostPID": True, "serviceAccountName": "admin", "nodeName": "control-plane"},
    "securityContext": {"privileged": True, "runAsUser": 0},
    "volumes": [{"name": "x", "hostPath": {"path": "/"}}],
    "image": "example.com/other:1",
    "automountServiceAccountToken": True,
}
WORDS: Final = {
    "example.com/hostNetwork": "true",
    "example.com/serviceAccountName": "admin",
    "example.com/namespace": "kube-system",
}
INPUT: Final = ".spec.template.spec.containers[0].env"
LABELS, NOTES = ".spec.template.metadata.labels", ".spec.template.metadata.annotations"
HASH: Final = ".metadata.annotations.workflow.do/input-hash"

MAY_CHANGE: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Action": {
        "spec.inputSchema": (),
        "spec.outputSchema": (),
        "spec.compensate.input": (),
        "spec.resources.requests": (".spec.template.spec.containers[0].resources",),
        "spec.resources.limits": (".spec.template.spec.containers[0].resources",),
        "spec.nodeSelector": (".spec.template.spec.nodeSelector",),
        "spec.podMetadata.labels": (LABELS,),
        "spec.podMetadata.annotations": (NOTES,),
        "spec.jobMetadata.labels": (".metadata.labels",),
        "spec.jobMetadata.annotations": (".metadata.annotations",),
    },
    "Workflow": {
        "spec.trigger.bodySchema": (),
        "spec.steps[].input": (INPUT, HASH),
        "spec.steps[].compensate.input": (),
        "spec.steps[].approval.dataSchema": (),
        "spec.onFailure.input": (),
        "spec.finally[].input": (),
        "spec.outputs": (),
    },
    "WorkflowRun": {
        "spec.trigger.body": (INPUT, HASH),
        "spec.trigger.headers": (INPUT, HASH),
    },
}
"""Per open place: the only parts of a step's Job that may depend on it."""

WHOLE: Final = {"body": "{{ trigger.body }}", "headers": "{{ trigger.headers }}"}


def test_every_open_place_is_listed() -> None:
    found = {kind: set(open_places(kind)) for kind in KINDS}
    known = {kind: set(places) for kind, places in MAY_CHANGE.items()}

    assert {kind: found[kind] - known[kind] for kind in KINDS} == {kind: set() for kind in found}


def objects() -> dict[str, dict[str, Any]]:
    """A specimen of each kind, with something at every open place."""
    meta = {"labels": {"a": "b"}, "annotations": {"a": "b"}}
    act = action(
        "do-it",
        inputSchema={"type": "object"},
        outputSchema={"type": "object"},
        resources={"requests": {"cpu": "1m"}, "limits": {"cpu": "1"}},
        nodeSelector={"a": "b"},
        podMetadata=meta,
        jobMetadata=copy.deepcopy(meta),
        compensate={"action": "do-it", "input": {}},
    )
    flow = workflow(step("a", **WHOLE), trigger={"type": "api", "bodySchema": {"type": "object"}})
    flow["spec"]["steps"][0]["compensate"] = {"action": "do-it", "input": {}}
    flow["spec"]["steps"].append({"id": "b", "approval": {"dataSchema": {"type": "object"}}})
    flow["spec"]["onFailure"] = {"action": "do-it", "input": {}}
    flow["spec"]["finally"] = [{"id": "last", "action": "do-it", "input": {}}]
    flow["spec"]["outputs"] = {}
    run = {"spec": {"trigger": {"type": "api", "body": {}, "headers": {}}}}
    return {"Action": act, "Workflow": flow, "WorkflowRun": run}


def job_of(found: dict[str, dict[str, Any]]) -> Any:
    """The Job of the first step, as it would be posted."""
    world = World(found["Workflow"], found["Action"], body={})
    world.run["spec"]["trigger"] = found["WorkflowRun"]["spec"]["trigger"]
    world.reconcile()
    return world.job("a")


def poisoned(kind: str, path: str) -> dict[str, dict[str, Any]]:
    """The specimens, with poison at one place."""
    found = objects()
    at: Any = found[kind]
    for part in path.split("."):
        at = next(item for item in at if part in item) if isinstance(at, list) else at
        at = at[part.removesuffix("[]")]
    quantities = {"example.com/hostNetwork": "1", "nvidia.com/gpu": "1"}
    is_data = not path.endswith(("labels", "annotations", "nodeSelector", "headers"))
    is_amount = path.startswith("spec.resources")
    at.update(quantities if is_amount else copy.deepcopy(POISON) if is_data else WORDS)
    return found


def changes(a: Any, b: Any, path: str = "") -> set[str]:
    """The places at which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = a.keys() | b.keys()
        return set[str]().union(*(changes(a.get(k), b.get(k), f"{path}.{k}") for k in keys))
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        rows = enumerate(zip(a, b, strict=True))
        return set[str]().union(*(changes(x, y, f"{path}[{at}]") for at, (x, y) in rows))
    return set() if a == b else {path}


PLACES = [
    pytest.param(kind, path, id=f"{kind} {path}") for kind in KINDS for path in open_places(kind)
]


@pytest.mark.parametrize(("kind", "path"), PLACES)
def test_data_and_maps_change_nothing_of_a_job_but_their_own_place(kind: str, path: str) -> None:
    found = changes(job_of(objects()), job_of(poisoned(kind, path)))
    allowed = MAY_CHANGE[kind][path]

    assert {place for place in found if not place.startswith(allowed or ("nothing",))} == set()
    assert bool(found) == bool(allowed), "else the test does not see what it looks at"


@pytest.mark.parametrize("role", ["do", "undo", "onFailure"])
@pytest.mark.parametrize(
    ("of_action", "of_workflow", "account"),
    [
        pytest.param({}, {}, None, id="nobody"),
        pytest.param({"serviceAccountName": "worker"}, {}, "worker", id="the Action's"),
        pytest.param({}, {"serviceAccountName": "team"}, "team", id="the Workflow's"),
        pytest.param(
            {"serviceAccountName": "worker"},
            {"serviceAccountName": "team"},
            "worker",
            id="the Action's before the Workflow's",
        ),
    ],
)
def test_the_account_and_its_token(
    of_action: dict[str, Any], of_workflow: dict[str, Any], account: str | None, role: str
) -> None:
    other = {"action": "other", "input": {}}
    flow = workflow(step("a"), step("b"), onFailure=other, **of_workflow)
    known = (action("do-it", compensate=other, **of_action), action("other", **of_action))
    world = World(flow, *known, body={})
    world.reconcile()
    for code in (0, 1, 0, 0):
        if world.job()["metadata"]["labels"]["workflow.do/role"] == role:
            break
        world.ends("{}", code=code)
        world.reconcile()
    assert world.job()["metadata"]["labels"]["workflow.do/role"] == role
    pod = world.job()["spec"]["template"]["spec"]

    assert pod.get("serviceAccountName") == account
    assert pod["automountServiceAccountToken"] is (account is not None)


def test_a_retry_runs_as_its_original_whatever_became_of_the_definitions() -> None:
    world = World(workflow(step("a")), action("do-it", serviceAccountName="worker"), body={})
    world.reconcile()
    world.ends(code=1)
    world.reconcile()
    again = world.retry()
    again.actions["do-it"] = action("do-it", serviceAccountName="admin")
    again.reconcile()

    assert again.job()["spec"]["template"]["spec"]["serviceAccountName"] == "worker"


@pytest.mark.parametrize("namespace", ["shop", "kube-system"])
def test_a_job_is_made_in_the_namespace_of_its_run(namespace: str) -> None:
    world = World(workflow(step("a")), action("do-it"), body={"namespace": "other"})
    world.run["metadata"]["namespace"] = namespace
    world.reconcile()

    assert world.job()["metadata"]["namespace"] == namespace
