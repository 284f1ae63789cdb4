"""The Kubernetes objects of the benchmark: what both ways run, and where. Pure data.

Both ways run the same container: what a workflow's Job has beyond it is the operator's own doing.
"""

from __future__ import annotations

from typing import Any, Final

from hack.deploy import LOCAL_PREFIX

Raw = dict[str, Any]

NAMESPACE: Final = "bench"
CLIENT: Final = "client"
FAKE_TAINT: Final = "bench/simulated"
IMAGE: Final = f"{LOCAL_PREFIX}/busybox:dev"
_API: Final = "workflow.do/v1alpha1"
_COMMAND: Final = ["sh", "-c", 'printf \'{"n":1}\' > "$ACTION_OUTPUT"']
_PLACES: Final[dict[str, Raw]] = {
    "real": {},
    "simulated": {
        "nodeSelector": {"type": "simulated"},
        "tolerations": [{"key": FAKE_TAINT, "operator": "Exists"}],
    },
}


def fake_node(number: int) -> Raw:
    """A node that kwok plays; only what tolerates its taint gets there."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"simulated-{number}",
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"type": "simulated"},
        },
        "spec": {"taints": [{"key": FAKE_TAINT, "effect": "NoSchedule"}]},
    }


def job_spec(place: str) -> Raw:
    """The spec of a bare Job: the same Pod as the operator makes of the Action `place`."""
    env = {"ACTION_INPUT": '{"n":1}', "ACTION_OUTPUT": "/dev/termination-log"}
    container = {
        "name": "action",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": _COMMAND,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 3600,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsUser": 65532,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        **_PLACES[place],
    }
    return {"backoffLimit": 0, "podReplacementPolicy": "Failed", "template": {"spec": pod}}


def actions() -> list[Raw]:
    """real and simulated end at once; hold runs on until it is deleted."""
    base = {"image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": _COMMAND}
    held = {"podMetadata": {"labels": {"bench/hold": "true"}}}
    specs = {
        "real": base,
        "simulated": {**base, **_PLACES["simulated"]},
        "hold": {**base, **_PLACES["simulated"], **held},
    }
    return [_object("Action", name, spec) for name, spec in specs.items()]


def workflow(action: str, steps: int) -> Raw:
    """A chain: each step takes the output of the one before."""
    rows = [{"id": "s1", "action": action, "input": {"n": 0}}]
    rows += [
        {"id": f"s{n}", "action": action, "input": {"n": f"{{{{ steps.s{n - 1}.output.n }}}}"}}
        for n in range(2, steps + 1)
    ]
    return _object("Workflow", workflow_name(action, steps), {"steps": rows})


def workflow_name(action: str, steps: int) -> str:
    """The name of the chain of so many steps."""
    return f"{action}-{steps}"


def _object(kind: str, name: str, spec: Raw) -> Raw:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": _API, "kind": kind, "metadata": meta, "spec": spec}


def client(source: str) -> list[Raw]:
    """The Pod in which the client waits to be told what to measure, and its permissions."""
    meta = {"name": CLIENT, "namespace": NAMESPACE}
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {
            "apiGroups": ["workflow.do"],
            "resources": ["workflowruns"],
            "verbs": ["create", "list", "watch"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": CLIENT},
            "subjects": [{"kind": "ServiceAccount", "name": CLIENT, "namespace": NAMESPACE}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"client.py": source}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _client_pod()},
    ]


def _client_pod() -> Raw:
    """The operator's image has Python and aiohttp; the program comes from the ConfigMap."""
    return {
        "serviceAccountName": CLIENT,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": CLIENT,
                "image": f"{LOCAL_PREFIX}/operator:dev",
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "infinity"],
                "volumeMounts": [{"name": "program", "mountPath": "/bench"}],
            }
        ],
        "volumes": [{"name": "program", "configMap": {"name": CLIENT}}],
    }
