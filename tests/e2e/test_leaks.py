"""A secret that an Action may read is known to its program, and to nobody else on the way.

Real programs fail in every way that tells something, while the operator logs all it can. The canary
is then looked for wherever this project writes anything.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hack import deploy

from support.bench import Bench, Raw, action, record, step, workflow

CANARY = f"canary-{uuid.uuid4().hex}"
CLI = Path(sys.executable).parent / "kubectl-workflow"
OURS = "actions,workflows,workflowruns,workflowrevisions,workflowapprovals"
KINDS = ",".join(f"{kind}.workflow.do" for kind in OURS.split(","))
TELL = {"action": "tell", "input": {"failure": "{{ failure }}"}}
NUMBER = {"type": "object", "properties": {"token": {"type": "integer"}}}

READ = "secret = os.environ['TOKEN'] + open('/secret/token').read()\nprint('got', secret)\n"
PROGRAMS = {
    "fails": ("raw(secret)\nsys.exit('cannot log in with ' + secret)", {}),
    "raises": ("raise ValueError(secret)", {}),
    "misfit": ("out({'token': secret})", {"outputSchema": NUMBER}),
    "surplus": ("out({secret: 1})", {"outputSchema": {"additionalProperties": False}}),
    "no-json": ("raw('{\"token\": ' + secret)", {}),
    "no-object": ("out([secret])", {}),
    "too-large": ("out({'token': secret * 200})", {}),
    "killed": ("time.sleep(30)", {"activeDeadlineSeconds": 2}),
    "succeeds": ("out({'token': len(secret)})", {"outputSchema": NUMBER}),
}


def keeper(name: str, program: str, **spec: object) -> Raw:
    """An Action that gets the secret in each way there is, and writes it to its log."""
    token = {"secretKeyRef": {"name": "token", "key": "token"}}
    return action(
        name,
        READ + program,
        env=[{"name": "TOKEN", "valueFrom": token}],
        envFrom=[{"prefix": "ALL_", "secretRef": {"name": "token"}}],
        volumes=[{"name": "secret", "secret": {"secretName": "token"}}],
        volumeMounts=[{"name": "secret", "mountPath": "/secret", "readOnly": True}],
        **spec,
    )


def cli(bench: Bench, *arguments: str) -> str:
    """All that the command line writes, on both streams."""
    command = [str(CLI), *arguments, "-n", bench.namespace]
    if bench.cluster.kubeconfig is not None:
        command += ["--kubeconfig", str(bench.cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def operators(bench: Bench) -> dict[str, str]:
    """The logs and the metrics of all operators."""
    home = ("-n", deploy.SYSTEM_NAMESPACE)
    chosen = ("-l", "app.kubernetes.io/name=workflow-do")
    names = bench.cluster.kubectl(*home, "get", "pods", *chosen, "-o", "name").split()
    found = {}
    for name in names:
        pod = name.partition("/")[2]
        found[f"log of {pod}"] = bench.cluster.kubectl(*home, "logs", pod)
        path = f"/api/v1/namespaces/{deploy.SYSTEM_NAMESPACE}/pods/{pod}:8080/proxy/metrics"
        found[f"metrics of {pod}"] = bench.cluster.kubectl("get", "--raw", path)
    return found


@pytest.fixture(scope="module")
def told(shared: Bench) -> dict[str, str]:
    """By place: all that was written of the runs, once they have ended."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}}
    shared.apply(
        {**secret, "stringData": {"token": CANARY}},
        action("tell", "out({})"),
        *(keeper(name, text, logsTail=False, **spec) for name, (text, spec) in PROGRAMS.items()),
        *(workflow(name, step("it", name), onFailure=TELL) for name in PROGRAMS),
    )
    runs = {name: shared.start(name) for name in PROGRAMS}
    for name, run in runs.items():
        ended = record(shared.finish(run, 60), "it")["state"]
        assert (ended == "Succeeded") == (name == "succeeds"), name
    places = {
        "objects": shared.kubectl("get", KINDS, "-o", "json"),
        "Jobs": shared.kubectl("get", "jobs", "-o", "json"),
        "Events": shared.kubectl("get", "events", "-o", "json"),
        **operators(shared),
    }
    for name, run in runs.items():
        for command in (("get", run), ("get", run, "-o", "yaml"), ("watch", run)):
            places[f"{' '.join(command)} ({name})"] = cli(shared, *command)
        places[f"history {name}"] = cli(shared, "history", name)
    return places


def test_the_secret_is_nowhere(told: dict[str, str]) -> None:
    assert [place for place, text in told.items() if CANARY in text] == []


def test_the_places_were_looked_at(told: dict[str, str]) -> None:
    assert '"OutputInvalid"' in told["objects"]
    assert '"OutputTooLarge"' in told["objects"]
    assert [text for place, text in told.items() if place.startswith("metrics")]
    assert [
        text for place, text in told.items() if place.startswith("log of") and "leading" in text
    ]
    assert all(text.strip() for place, text in told.items() if not place.startswith("log of"))


@pytest.mark.usefixtures("told")
def test_it_is_in_the_log_of_the_program_for_who_may_read_logs(shared: Bench) -> None:
    runs = shared.get("workflowruns.workflow.do")["items"]
    [name] = [r["metadata"]["name"] for r in runs if r["spec"]["workflowName"] == "fails"]
    assert CANARY in cli(shared, "logs", name)


def test_without_the_switch_the_end_of_the_log_is_with_the_run(bench: Bench) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}}
    bench.apply(
        {**secret, "stringData": {"token": CANARY}},
        keeper("fails", "sys.exit(3)"),
        workflow("flow", step("it", "fails")),
    )
    run = bench.finish(bench.start("flow"), 60)
    assert CANARY in record(run, "it")["logsTail"]
