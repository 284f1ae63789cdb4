"""A canary in what a program gives, with the operator at its most talkative: told nowhere.

The same with real programs, Secrets and logs is in tests/e2e/test_leaks.py.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import yaml

from component.player import Cluster
from component.program import kubectl_workflow
from component.server import ApiServer
from component.test_runtime import apply, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

CANARY = f"canary-{uuid.uuid4().hex}"
NUMBER = {"type": "object", "properties": {"token": {"type": "integer"}}}
KINDS = ("actions", "workflows", "workflowruns", "workflowrevisions")
OUTPUTS = {
    "misfit": ({"token": CANARY}, 0, "OutputInvalid"),
    "no-json": (f'{{"token": {CANARY}', 0, "OutputInvalid"),
    "too-large": ({"token": CANARY * 200}, 0, "OutputTooLarge"),
    "fails": ({"token": CANARY}, 3, "ExitCode"),
}


def test_what_a_failed_program_gave_is_told_nowhere(server: ApiServer, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    debug = {"WORKFLOW_DO_LOG_LEVEL": "debug"}
    with operating(server.kubeconfig, server.namespace, log, debug) as operator:
        kubelet = Kubelet(str(server.kubeconfig), server.namespace)
        apply(server, "Action", "tell", {"image": "example.com/x:1"})
        told = {}
        for name, (output, code, reason) in OUTPUTS.items():
            spec = {"image": "example.com/x:1", "outputSchema": NUMBER, "logsTail": False}
            apply(server, "Action", name, spec)
            handler = {"action": "tell", "input": {"failure": "{{ failure }}"}}
            flow = {"steps": [{"id": "it", "action": name}], "onFailure": handler}
            apply(server, "Workflow", name, flow)
            run = start(server, name)
            kubelet.perform(run, "it", output, exit_code=code)
            pod = kubelet.await_pod(run, role="onFailure")
            kubelet.start(pod)
            kubelet.end(pod, {})
            assert verdict(server, run) == ("False", reason)
            cluster = Cluster(str(server.kubeconfig), server.namespace)
            for form in ("table", "yaml"):
                shown = kubectl_workflow(cluster, "get", run, "-o", form)
                told[f"get {run} -o {form}"] = shown.stdout + shown.stderr
        told["metrics"] = operator.ask("metrics")
    told["log"] = operator.text()
    for kind in (*(f"{kind}.workflow.do" for kind in KINDS), "jobs", "events"):
        told[kind] = server.kubectl("get", kind, "-o", "json")

    assert CANARY in server.kubectl("get", "pods", "-o", "json"), "Kubernetes' own record has it"
    assert [place for place, text in told.items() if CANARY in text] == []
    assert all(told.values())


def peers(pid: int) -> set[int]:
    """The ports that a process has connected to (Linux, IPv4)."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(os.readlink(path))
    mine = {link.removeprefix("socket:[").rstrip("]") for link in links if "socket:[" in link}
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()]
    ends = [(row[1], row[2]) for row in rows[1:] if row[9] in mine]
    ports = [(int(a.split(":")[1], 16), int(b.split(":")[1], 16)) for a, b in ends]
    served = {local for local, remote in ports if remote == 0}
    return {remote for local, remote in ports if remote and local not in served}


def test_the_operator_connects_to_the_api_server_alone(server: ApiServer, tmp_path: Path) -> None:
    """With the address of a listener at every place where one could be taken for something."""
    called: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{listener.server_port}/x"
    config = yaml.safe_load(server.kubeconfig.read_text(encoding="utf-8"))
    api = urlsplit(config["clusters"][0]["cluster"]["server"]).port
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as operator:
        schema = {"$comment": url, "properties": {"url": {"const": url, "format": "uri"}}}
        fetching = {"image": "example.com/x:1", "inputSchema": {"$ref": url}}
        apply(server, "Action", "fetching", fetching)
        image = url.removeprefix("http://")
        apply(server, "Action", "calling", {"image": image, "args": [url], "inputSchema": schema})
        steps = [{"id": "it", "action": "calling", "input": {"url": url, "$ref": url}}]
        apply(server, "Workflow", "calling", {"description": url, "steps": steps})
        run = start(server, "calling")
        kubelet = Kubelet(str(server.kubeconfig), server.namespace)
        pod = kubelet.await_pod(run, "it")
        seen = set[int]()
        kubelet.start(pod)
        kubelet.end(pod, {"url": url, "$ref": url})

        def ended() -> bool:
            seen.update(peers(operator.pid))
            row = server.get("wfr", run)["status"].get("completionTime")
            return row is not None

        await_value(ended, f"{run} has ended", 30)
    listener.shutdown()
    listener.server_close()
    assert seen == {api}
    assert called == []
