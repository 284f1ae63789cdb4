"""Which identity, which node, which namespace: what those who write our kinds can not ask for.

Every place of every kind that a tenant may write, enumerated from the definitions, times what
has let tenants of other systems out: accounts, host namespaces, privileges, other namespaces.
The API server's own refusals are in tests/component/test_identity.py.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from pydantic import BaseModel, ValidationError

from support.schemawalk import WRITABLE, levels, put, texts
from workflow_do.api.action import ActionSpec
from workflow_do.api.approval import ApprovalSpec
from workflow_do.api.run import RunSpec
from workflow_do.api.workflow import WorkflowSpec

MODELS: Final[dict[str, type[BaseModel]]] = {
    "Action": ActionSpec,
    "Workflow": WorkflowSpec,
    "WorkflowRun": RunSpec,
    "WorkflowApproval": ApprovalSpec,
}

FORBIDDEN: Final[dict[str, Any]] = {
    "automountServiceAccountToken": True,
    "capabilities": {"add": ["SYS_ADMIN"]},
    "dnsConfig": {"nameservers": ["192.0.2.1"]},
    "dnsPolicy": "None",
    "ephemeralContainers": [{"name": "x", "image": "x"}],
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["api"]}],
    "hostIPC": True,
    "hostNetwork": True,
    "hostPath": {"path": "/"},
    "hostPID": True,
    "hostUsers": True,
    "hostname": "node",
    "initContainers": [{"name": "x", "image": "x"}],
    "containers": [{"name": "x", "image": "x"}],
    "sidecars": [{"name": "x", "image": "x"}],
    "allowPrivilegeEscalation": True,
    "appArmorProfile": {"type": "Unconfined"},
    "privileged": True,
    "procMount": "Unmasked",
    "seccompProfile": {"type": "Unconfined"},
    "seLinuxOptions": {"type": "spc_t"},
    "sysctls": [{"name": "kernel.msgmax", "value": "1"}],
    "windowsOptions": {"hostProcess": True},
    "runAsNonRoot": False,
    "namespace": "kube-system",
    "nodeName": "control-plane",
    "patch": "[]",
    "podSpecPatch": '{"hostNetwork": true}',
    "podTemplate": {"spec": {"hostNetwork": True}},
    "lifecycle": {"postStart": {"exec": {"command": ["id"]}}},
    "livenessProbe": {"exec": {"command": ["id"]}},
    "ports": [{"containerPort": 80, "hostPort": 80}],
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
    "csi": {"driver": "x"},
    "ephemeral": {},
    "nfs": {"server": "192.0.2.1", "path": "/"},
    "fieldRef": {"fieldPath": "status.hostIP"},
    "volumeDevices": [{"name": "x", "devicePath": "/dev/sda"}],
    "schedulerName": "mine",
    "serviceAccount": "admin",
    "shareProcessNamespace": True,
    "subPathExpr": "$(X)",
    "user": "admin",
}
"""Fields of Pods, and of what other systems let runs patch. No kind of ours has any of them."""

ACCOUNT: Final = "serviceAccountName"
MAY_NAME_AN_ACCOUNT: Final = {"Action": {"spec"}, "Workflow": {"spec"}}

PLACES = [
    pytest.param(kind, path, id=f"{kind} {path}") for kind in WRITABLE for path in levels(kind)
]


def unknown_fields(kind: str, path: str, fields: dict[str, Any]) -> set[str]:
    """Which of the fields the model does not know at that place."""
    assert path.startswith("spec")
    spec = put(path.removeprefix("spec").removeprefix("."), fields)
    with pytest.raises(ValidationError) as refused:
        MODELS[kind].model_validate(spec)
    return {
        str(error["loc"][-1])
        for error in refused.value.errors()
        if error["type"] == "extra_forbidden"
    }


@pytest.mark.parametrize(("kind", "path"), PLACES)
def test_no_place_takes_a_field_that_leads_out_of_the_pod(kind: str, path: str) -> None:
    assert unknown_fields(kind, path, FORBIDDEN) == FORBIDDEN.keys()


@pytest.mark.parametrize(("kind", "path"), PLACES)
def test_an_account_is_named_by_actions_and_workflows_in_one_place_each(
    kind: str, path: str
) -> None:
    if path in MAY_NAME_AN_ACCOUNT.get(kind, ()):
        return
    assert unknown_fields(kind, path, {ACCOUNT: "admin"}) == {ACCOUNT}


POD_FIELDS: Final = {
    "affinity",
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "nodeSelector",
    "podMetadata",
    "jobMetadata",
    "priorityClassName",
    "resources",
    "runtimeClassName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
    "volumeMounts",
    "volumes",
    "workingDir",
}


@pytest.mark.parametrize("path", levels("WorkflowRun"))
def test_a_run_can_name_nothing_of_a_pod_at_all(path: str) -> None:
    fields = dict.fromkeys(POD_FIELDS, "x")
    assert unknown_fields("WorkflowRun", path, fields) == POD_FIELDS


OWN_NAMES: Final = {"spec.env[].name", "spec.volumes[].name", "spec.volumeMounts[].name"}
"""Names that are made there, and mean nothing outside of the Pod."""

REFERENCES = [
    pytest.param(kind, path, id=f"{kind} {path}")
    for kind in WRITABLE
    for path in texts(kind)
    if re.search(r"(^|[.])([a-z][A-Za-z]*Name|name|action|workflow)$", path)
    and path not in OWN_NAMES
]

ELSEWHERE: Final = (
    "kube-system/admin",
    "kube-system:admin",
    "system:serviceaccount:kube-system:admin",
    "../kube-system/secrets/admin",
    "..",
    "//kube-system",
    "https://example.com/x",
    "admin@kube-system",
    "kube-system\\admin",
    "kube-system%2Fadmin",
    "admin\n",
    "admin?namespace=kube-system",
    "*",
    "",
    " ",
    "{{ trigger.body.account }}",
    "$(ACCOUNT)",
)
"""What could be taken for the name of something in another namespace, or chosen by data."""


def refused_at(kind: str, path: str, value: str) -> bool:
    spec = put(path.removeprefix("spec."), value)
    with pytest.raises(ValidationError) as refused:
        MODELS[kind].model_validate(spec)
    steps = re.findall(r"[A-Za-z]+", path)[1:]
    return any(
        [str(part) for part in error["loc"] if isinstance(part, str)] == steps
        and error["type"].startswith("string_")
        for error in refused.value.errors()
    )


@pytest.mark.parametrize(("kind", "path"), REFERENCES)
def test_a_reference_is_a_name_within_the_namespace(kind: str, path: str) -> None:
    assert [value for value in ELSEWHERE if not refused_at(kind, path, value)] == []


TEXTS: Final = {
    "Action": {
        "an image, taken literally": {"spec.image"},
        "the program, taken literally": {"spec.command[]", "spec.args[]", "spec.workingDir"},
        "its variables": {"spec.env[].name", "spec.env[].value", "spec.envFrom[].prefix"},
        "keys of the Secret or ConfigMap beside them": {
            "spec.env[].valueFrom.secretKeyRef.key",
            "spec.env[].valueFrom.configMapKeyRef.key",
            "spec.volumes[].secret.items[].key",
            "spec.volumes[].configMap.items[].key",
        },
        "paths inside of the container or the volume (`..` is refused by Kubernetes)": {
            "spec.volumes[].secret.items[].path",
            "spec.volumes[].configMap.items[].path",
            "spec.volumeMounts[].mountPath",
            "spec.volumeMounts[].subPath",
        },
        "names inside of the Pod": {"spec.volumes[].name", "spec.volumeMounts[].name"},
        "which nodes": {
            "spec.nodeSelector{}",
            "spec.tolerations[].key",
            "spec.tolerations[].value",
        },
        "labels and annotations": {
            "spec.podMetadata.labels{}",
            "spec.podMetadata.annotations{}",
            "spec.jobMetadata.labels{}",
            "spec.jobMetadata.annotations{}",
        },
    },
    "Workflow": {
        "with which other runs it shares places": {"spec.concurrency.key"},
        "for people": {"spec.title", "spec.description", "spec.steps[].title"},
        "ids of its own": {"spec.steps[].id", "spec.steps[].needs[]", "spec.finally[].id"},
        "expressions over data": {"spec.steps[].when", "spec.steps[].forEach.items"},
        "a text shown to people, rendered": {"spec.steps[].approval.message"},
        "a time, rendered": {"spec.steps[].wait.until"},
    },
    "WorkflowRun": {
        "data": {"spec.trigger.headers{}", "spec.trigger.id", "spec.trigger.idempotencyKey"},
        "compared with the uid of the run that is named beside it": {"spec.retryOf.runUID"},
    },
    "WorkflowApproval": {
        "compared with the uid of the run that is named beside it": {"spec.runUID"},
        "compared with a step's id": {"spec.step"},
        "compared by the admission policy with who is asking": {"spec.approver"},
        "for people": {"spec.comment"},
    },
}
"""Every text that is no reference, by what it can do. What is new has to find its line here."""


@pytest.mark.parametrize("kind", WRITABLE)
def test_it_is_known_of_every_text_what_it_can_do(kind: str) -> None:
    references = {param.values[1] for param in REFERENCES if param.values[0] == kind}
    known = set[str]().union(*TEXTS[kind].values())

    assert set(texts(kind)) - references - known == set(), "say in TEXTS what it can do"
