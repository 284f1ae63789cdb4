"""The validating webhook of the chart, asked by a real API server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from component.server import CLUSTER, ApiServer, tool
from component.test_chart import Object, of_kind, operator, pod, template
from support.certificates import make_certificate
from support.definitions import GIVES, TAKES, flow
from support.inward import inward
from support.kubelet import await_value
from support.operator import OperatorProcess, free_port

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
VALUES: Object = {"webhook": {"enabled": True, "secretName": "tls", "caBundle": "Q0E="}}


def definition(kind: str, name: str, spec: Any) -> Object:
    meta = {"name": name}
    return {"apiVersion": "workflow.do/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


BROKEN = definition("Action", "broken", {"image": "x", "inputSchema": {"type": "strin"}})


def rendered(helm: Path, values: Object) -> list[Object]:
    done = template(helm, values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


@pytest.fixture(scope="module")
def asked(
    server: ApiServer, helm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """The server, which asks an operator by the chart's configuration, at an address here."""
    folder = make_certificate(tmp_path_factory.mktemp("webhook") / "tls")
    port = free_port()
    values = {**VALUES, "watchNamespaces": [server.namespace]}
    [hook] = of_kind(rendered(helm, values), "ValidatingWebhookConfiguration")
    hook["metadata"]["name"] = f"webhook-{server.namespace}"
    hook["webhooks"][0]["clientConfig"] = {
        "url": f"https://127.0.0.1:{port}/review",
        "caBundle": base64.b64encode((folder / "tls.crt").read_bytes()).decode(),
    }
    # What was there before: a change of its labels must not be refused.
    server.kubectl("apply", "-f", "-", input=definition("Workflow", "old", flow("userid", id=7)))
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    environment = {
        "WORKFLOW_DO_WEBHOOK_CERTIFICATES": str(folder),
        "WORKFLOW_DO_WEBHOOK_PORT": str(port),
    }
    process = OperatorProcess(server.kubeconfig, server.namespace, log, environment)
    process.start()
    server.kubectl("apply", "-f", "-", input=hook)
    try:
        cluster = Path(tool("path", "--name", CLUSTER, "audit-log")).parent
        with inward(cluster, port, folder):
            await_value(lambda: not taken(server), "the API server asks", 10)
            yield server
            process.stop(seconds=10)
            # Ignore: nobody answers any more, so what is broken is stored.
            server.kubectl("apply", "-f", "-", input=BROKEN)
    finally:
        process.close()
        server.kubectl("delete", "validatingwebhookconfiguration", hook["metadata"]["name"])


def taken(server: ApiServer) -> bool:
    """The API server hears of the configuration a moment after it was made."""
    return server.run("apply", "--dry-run=server", "-f", "-", input=BROKEN).returncode == 0


def test_what_could_not_run_is_refused_with_every_finding(asked: ApiServer) -> None:
    for kind, name, spec in (("Action", "gives", GIVES), ("Action", "takes", TAKES)):
        asked.kubectl("apply", "-f", "-", input=definition(kind, name, spec))
    broken = definition("Workflow", "broken", flow("userid", idd="x"))
    said = asked.refused("apply", "-f", "-", input=broken)
    assert 'webhook "definitions.workflow.do" denied the request' in said
    assert "steps[1].input.id: `steps.make.output` has no `userid` (did you mean `userId`?)" in said
    assert "steps[1].input.idd: `idd` is not taken (did you mean `id`?)" in said
    assert "inputSchema" in asked.refused("apply", "-f", "-", input=BROKEN)


def test_what_is_right_is_stored_and_what_is_only_missing_is_told(asked: ApiServer) -> None:
    asked.kubectl("apply", "-f", "-", input=definition("Action", "gives", GIVES))
    asked.kubectl("apply", "-f", "-", input=definition("Action", "takes", TAKES))
    done = asked.run("apply", "-f", "-", input=definition("Workflow", "good", flow()))
    assert (done.returncode, done.stderr) == (0, "")
    early = {"steps": [{"id": "a", "action": "later"}]}
    told = asked.run("apply", "-f", "-", input=definition("Workflow", "early", early))
    assert told.returncode == 0
    assert "Warning: there is no Action `later` yet" in told.stderr


def test_a_change_that_leaves_the_spec_is_nobodys_business(asked: ApiServer) -> None:
    asked.kubectl("label", "workflows.workflow.do", "old", "team=shop")
    patch = json.dumps({"spec": {"title": "Still wrong"}})
    said = asked.refused("patch", "workflows.workflow.do", "old", "--type=merge", "-p", patch)
    assert "denied the request" in said


def test_by_default_there_is_none(helm: Path) -> None:
    objects = rendered(helm, {})
    assert not of_kind(objects, "ValidatingWebhookConfiguration")
    assert not of_kind(objects, "Service")
    assert "WEBHOOK" not in json.dumps(operator(objects))


def test_what_the_chart_makes_of_it(helm: Path) -> None:
    objects = rendered(helm, VALUES)
    [hook] = of_kind(objects, "ValidatingWebhookConfiguration")
    [service] = of_kind(objects, "Service")
    [found] = hook["webhooks"]
    assert found["failurePolicy"] == "Ignore"
    assert found["clientConfig"]["service"]["name"] == service["metadata"]["name"]
    assert found["clientConfig"]["caBundle"] == "Q0E="
    assert "namespaceSelector" not in found
    assert service["spec"]["ports"][0]["targetPort"] == "webhook"
    assert {"name": "webhook", "containerPort": 9443} in operator(objects)["ports"]
    volumes = {v["name"]: v for v in pod(objects)["volumes"]}
    assert volumes["webhook"]["secret"]["secretName"] == "tls"
    settings = {"certManagerCertificate": "ops/webhook", "caBundle": "", "failurePolicy": "Fail"}
    managed = {"webhook": {**VALUES["webhook"], **settings}}
    [by_manager] = of_kind(rendered(helm, managed), "ValidatingWebhookConfiguration")
    notes = by_manager["metadata"]["annotations"]
    assert notes == {"cert-manager.io/inject-ca-from": "ops/webhook"}
    assert by_manager["webhooks"][0]["failurePolicy"] == "Fail"
    assert "caBundle" not in by_manager["webhooks"][0]["clientConfig"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"secretName": ""}, "webhook.secretName", id="no-certificate"),
        pytest.param({"caBundle": ""}, "give caBundle, or certManagerCertificate", id="no-ca"),
        pytest.param({"failurePolicy": "Maybe"}, "/webhook/failurePolicy", id="policy"),
        pytest.param({"certManagerCertificate": "x"}, "certManagerCertificate", id="no-namespace"),
    ],
)
def test_what_is_missing_is_named(helm: Path, values: Object, said: str) -> None:
    done = template(helm, {"webhook": {**VALUES["webhook"], **values}})
    assert done.returncode != 0
    assert said in done.stderr
