"""Objects that nobody should write, forged Jobs and Pods, strange outputs: a short form of each."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from component.player import Cluster
from component.program import kubectl_workflow
from component.server import ROOT, ApiServer
from component.test_runtime import apply, jobs, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, operating
from support.plane import control_plane
from support.poisoning import campaign, log_faults
from support.spoil import spoiled
from workflow_do.engine.identity import Role, Unit, job_name

pytestmark = [pytest.mark.component, pytest.mark.timeout(240)]
SEED = 7


def test_spoiled_objects_of_all_kinds_do_no_harm(tmp_path: Path) -> None:
    with control_plane(tmp_path, "poison") as plane:
        everywhere = {"WORKFLOW_DO_NAMESPACES": ""}
        log = tmp_path / "operator.log"
        process = OperatorProcess(plane.server.kubeconfig, "all", log, everywhere)
        found = asyncio.run(campaign(plane, process, list(spoiled(SEED, 300))))
    assert log_faults(process) == []
    assert found.unexplained == [], "each has a condition, or else an Event"
    assert found.stored > 60, "many are to be taken as they are"
    assert found.forced > 60, "and many only while no rule holds"
    assert max(found.seconds) < 15
    assert found.restless == {}, "nothing is written over and over again"
    assert found.memory < 250


@pytest.fixture
def flow(server: ApiServer) -> str:
    """The name of a Workflow of two steps."""
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    steps = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]
    apply(server, "Workflow", "two-steps", {"steps": steps})
    return "two-steps"


def record(server: ApiServer, run: str, step: int) -> dict[str, Any]:
    """A step's record in the status of a run."""
    found: dict[str, Any] = server.get("wfr", run)["status"]["steps"][step]
    return found


def owned_by(kind: str, api_version: str, owner: dict[str, Any]) -> list[dict[str, Any]]:
    """The ownerReferences that name the object as controller."""
    meta = owner["metadata"]
    ref = {"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"]}
    return [{**ref, "controller": True}]


POD_SPEC = {"restartPolicy": "Never", "containers": [{"name": "action", "image": "x:1"}]}


def test_a_body_of_many_levels_blinds_nobody(
    server: ApiServer, kubelet: Kubelet, flow: str, tmp_path: Path
) -> None:
    """The API server stores it; Python's readers of JSON cannot read it."""
    deep = {"apiVersion": "workflow.do/v1alpha1", "kind": "WorkflowRun"}
    spec = {"workflowName": flow, "trigger": {"body": "DEEP"}}
    text = json.dumps({**deep, "metadata": {"name": "deep"}, "spec": spec})
    file = tmp_path / "deep.json"
    file.write_text(text.replace('"DEEP"', "[" * 5_000 + "]" * 5_000), encoding="utf-8")
    path = f"/apis/workflow.do/v1alpha1/namespaces/{server.namespace}/workflowruns"
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as process:
        server.kubectl("create", "--raw", path, "-f", str(file))
        server.kubectl("wait", "wfr/deep", "--for=condition=Completed", "--timeout=20s")
        process.stop()
        process.start()
        run = start(server, flow)
        kubelet.perform(run, "one", {})
        kubelet.perform(run, "two", {})
        assert verdict(server, run) == ("True", "Succeeded")
        assert jobs(server, "deep") == []
        assert log_faults(process) == []
    assert "RunInvalid" in shown(server, "get")
    assert "RunInvalid" in shown(server, "get", "deep")


@pytest.mark.usefixtures("operator")
def test_a_job_by_another_name_is_no_try(server: ApiServer, kubelet: Kubelet, flow: str) -> None:
    """It carries every label, the owner and the annotations of a try of the second step."""
    run = start(server, flow)
    kubelet.await_pod(run, "one")
    own = server.get("job", record(server, run, 0)["jobName"])["metadata"]
    labels = {k: v for k, v in own["labels"].items() if k.startswith("workflow.do/")}
    meta = {
        "name": "forged",
        "labels": {**labels, "workflow.do/step": "two"},
        "annotations": {**own["annotations"], "workflow.do/seq": "2"},
        "ownerReferences": own["ownerReferences"],
    }
    template = {"metadata": {"labels": {"x": "y"}}, "spec": POD_SPEC}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {}}
    server.kubectl("create", "-f", "-", input={**body, "spec": {"template": template}})
    kubelet.perform(run, "one", {})
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    uid = server.get("wfr", run)["metadata"]["uid"]
    assert record(server, run, 1)["jobName"] == job_name(run, uid, Unit(Role.DO, "two"), 1)
    assert record(server, run, 1)["tries"] == 1
    assert jobs(server, run).count("do/two/1") == 2, "the forged one and the try itself"


@pytest.mark.usefixtures("operator")
def test_a_pod_made_by_hand_says_nothing_of_a_try(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    """It has our labels, the Job as its controller, and ends with an output of its own."""
    run = start(server, flow)
    real = kubelet.await_pod(run, "one")
    kubelet.start(real)
    job = server.get("job", record(server, run, 0)["jobName"])
    labels = {k: v for k, v in job["metadata"]["labels"].items() if k.startswith("workflow.do/")}
    meta = {
        "name": f"{job['metadata']['name']}-zzzzz",
        "labels": labels,
        "ownerReferences": owned_by("Job", "batch/v1", job),
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": POD_SPEC}
    server.kubectl("create", "-f", "-", input=body)
    forged = server.get("pod", meta["name"])
    kubelet.start(forged)
    kubelet.end(forged, {"paid": "by nobody"})
    kubelet.settle(forged)
    server.kubectl("annotate", "wfr", run, "example.com/look=again")
    kubelet.end(real, {"paid": "by me"})
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert record(server, run, 0)["output"] == {"paid": "by me"}


def test_who_may_write_workflows_may_not_write_a_status(server: ApiServer, helm: Path) -> None:
    chart = ROOT / "charts" / "workflow-do"
    what = ("--kube-version=1.34", "--show-only=templates/users.yaml")
    command = (helm, "template", "poison", chart, *what)
    roles = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout
    server.kubectl("apply", "-f", "-", input=roles)
    server.kubectl("create", "rolebinding", "mallory", "--clusterrole=edit", "--user=mallory")
    apply(server, "Action", "act", {"image": "example.com/x:1"})

    def may(verb: str, what: str, *more: str) -> bool:
        return server.run("auth", "can-i", verb, what, *more, "--as=mallory").returncode == 0

    ours = ("actions", "workflows", "workflowruns")
    await_value(lambda: may("create", "workflowruns.workflow.do"), "the roles are aggregated", 30)
    for plural in ours:
        assert not may("patch", f"{plural}.workflow.do", "--subresource=status")
    assert not may("create", "workflowrevisions.workflow.do")
    patch = ("--subresource=status", "--type=merge", "-p", '{"status": {"conditions": []}}')
    assert "forbidden" in server.refused("patch", "act", "act", *patch, "--as=mallory").lower()


REFUSED = {
    "as long as the kubelet keeps": (f'{{"x":"{"y" * 4088}"}}', "OutputTooLarge"),
    "binary": ("\x00\x01\x7f\u0080ELF", "OutputInvalid"),
    "a terminal's codes": ('\x1b[2J\x1b]0;x\x07{"n":1}', "OutputInvalid"),
    "not a number": ('{"n":NaN}', "OutputInvalid"),
    "no end": ('{"n":-Infinity}', "OutputInvalid"),
    "10^400": ('{"n":1' + "0" * 400 + "}", "OutputInvalid"),
    "1e400": ('{"n":1e400}', "OutputInvalid"),
    "half a pair": ('{"s":"\\ud800"}', "OutputInvalid"),
    "a key of half a pair": ('{"\\udfff":1}', "OutputInvalid"),
    "twice": ('{"a":1,"a":2}', "OutputInvalid"),
    "deep": ('{"a":' + "[" * 1500 + "]" * 1500 + "}", "OutputInvalid"),
    "a list": ("[1]", "OutputInvalid"),
}
STORED: dict[str, Any] = {
    "ansi": {"text": "\x1b[31mred\x1b[0m\x07\x9b2J", "\x1b[1mkey": 1},
    "script": {"text": "<script>alert(1)</script>"},
    "proto": {"__proto__": {"admin": True}, "constructor": {"prototype": {}}},
    "template": {"text": "{{ 7 * 7 }} $(ACTION_INPUT) {% raw %}"},
    "odd": {"text": "\u202e\ufeff\u0000\u2028", "": None},
    "limits": {"big": 2**63 - 1, "small": -(2**63), "float": 1e308},
}


@pytest.mark.usefixtures("operator")
def test_strange_outputs_are_refused_or_kept_as_data(server: ApiServer, kubelet: Kubelet) -> None:
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    apply(server, "Workflow", "speak", {"steps": [{"id": "one", "action": "act"}]})
    bad = {start(server, "speak"): case for case in REFUSED.values()}
    good = {start(server, "speak"): value for value in STORED.values()}
    for run, (text, _) in bad.items():
        kubelet.perform(run, "one", text)
    for run, value in good.items():
        kubelet.perform(run, "one", value)
    for run, (_, reason) in bad.items():
        assert verdict(server, run) == ("False", reason)
        assert record(server, run, 0)["state"] == "Unknown"
        assert "output" not in record(server, run, 0)
    for run, value in good.items():
        assert verdict(server, run) == ("True", "Succeeded")
        assert record(server, run, 0)["output"] == value
    for words in (("get",), ("watch",), ("get", "-o", "yaml"), ("get", "-o", "json")):
        for run in list(good)[:1]:
            text = shown(server, *words, run)
            assert "red" in text
            assert raw_controls(text) == set()
    assert raw_controls(shown(server, "get")) == set()


def shown(server: ApiServer, *arguments: str) -> str:
    """What `kubectl workflow` prints."""
    done = kubectl_workflow(Cluster(str(server.kubeconfig), server.namespace), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def raw_controls(text: str) -> set[str]:
    """Characters that a terminal would act upon."""
    return {c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0}
