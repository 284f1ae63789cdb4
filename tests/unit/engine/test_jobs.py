"""The manifest of a try: golden files, and the rules that must hold for every Action."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.world import World, action, step, workflow

GOLDEN = Path(__file__).parent / "golden"

FULL = {
    "imagePullPolicy": "IfNotPresent",
    "command": ["/bin/work", "$(HOME)"],
    "args": ["--fast"],
    "workingDir": "/srv",
    "env": [
        {"name": "GREETING", "value": "hello {{ input.name }}"},
        {"name": "PRICE", "value": "5$"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "settings"}}],
    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}}],
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    "serviceAccountName": "worker",
    "imagePullSecrets": [{"name": "pull"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
    "securityContext": {"runAsUser": 1000, "fsGroup": 1000, "readOnlyRootFilesystem": True},
    "terminationGracePeriodSeconds": 5,
    "podMetadata": {"labels": {"team": "shop"}, "annotations": {"note": "a"}},
    "jobMetadata": {"labels": {"team": "shop"}},
    "activeDeadlineSeconds": 60,
}


def job_of(name: str = "Alex", **spec: Any) -> dict[str, Any]:
    """The Job of a run with one step."""
    flow = workflow(step("createUser", name="{{ trigger.body.name }}"))
    world = World(flow, action("do-it", **spec), body={"name": name})
    world.reconcile()
    job = world.job()
    job["metadata"].pop("uid")
    job["metadata"].pop("creationTimestamp")
    return job


@pytest.mark.parametrize(("name", "spec"), [("minimal", {}), ("full", FULL)])
def test_golden(name: str, spec: dict[str, Any]) -> None:
    """UPDATE_GOLDEN=1 writes the files anew."""
    text = yaml.safe_dump(job_of(**spec), sort_keys=False)
    path = GOLDEN / f"job-{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    "text", ["$(PASSWORD)", "$$", "$$(X)", "a$", "${x}", "{{ 7*7 }}", "é€😀\n"]
)
def test_what_a_caller_gave_arrives_verbatim(text: str) -> None:
    """The kubelet turns `$$` into `$` and expands `$(NAME)`; nothing else is special to it."""
    job = job_of(name=text, env=FULL["env"])
    env = {
        e["name"]: e["value"]
        for e in job["spec"]["template"]["spec"]["containers"][0]["env"]
        if "value" in e
    }
    for value in env.values():
        assert "$(" not in value.replace("$$", "")
    assert json.loads(env["ACTION_INPUT"].replace("$$", "$")) == {"name": text}
    assert env["GREETING"].replace("$$", "$") == f"hello {text}"


@pytest.mark.parametrize("spec", [{}, FULL], ids=["minimal", "full"])
def test_every_pod_is_restricted(spec: dict[str, Any]) -> None:
    pod = job_of(**spec)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is ("serviceAccountName" in spec)
    assert len(pod["containers"]) == 1
    assert "initContainers" not in pod
