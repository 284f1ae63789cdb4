"""The admission policy of approvals, taken from the chart, for one namespace of a test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from component.server import CALL_SECONDS, ROOT, ApiServer

Object = dict[str, Any]
CHART = ROOT / "charts" / "workflow-do"


def policy(helm: Path, namespace: str) -> list[Object]:
    """The policy and its binding as the chart has them, but bound to one namespace: a policy is
    the whole cluster's, and other tests want to be without.
    """
    name = f"wdo-{namespace}"
    shown = ("-s=templates/approvals.yaml", f"--set=fullnameOverride={name}")
    done = subprocess.run(
        [helm, "template", "workflow-do", CHART, "--kube-version=1.34.0", *shown],
        text=True,
        capture_output=True,
        timeout=CALL_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    for found in objects:
        if found["kind"] == "ValidatingAdmissionPolicyBinding":
            found["spec"]["matchResources"] = only
    return objects


def install(server: ApiServer, helm: Path) -> None:
    """Put the policy in force in the server's namespace; returns when it is."""
    for found in policy(helm, server.namespace):
        server.kubectl("apply", "-f", "-", input=found)
    await_protection(server, protected=True)


def remove(server: ApiServer, helm: Path) -> None:
    """Take the policy away; returns when it is no longer in force."""
    for found in policy(helm, server.namespace):
        server.kubectl("delete", "--ignore-not-found", "-f", "-", input=found)
    await_protection(server, protected=False)


def await_protection(server: ApiServer, *, protected: bool) -> None:
    """The API server takes up a policy some moments after it was stored."""
    from support.kubelet import await_value

    forged = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowApproval",
        "metadata": {"name": "forged"},
        "spec": {
            "workflowName": "flow",
            "runName": "run",
            "runUID": "none",
            "step": "one",
            "decision": "Approve",
            "approver": "nobody@example.com",
        },
    }

    def is_so() -> bool:
        done = server.run("create", "--dry-run=server", "-f", "-", input=forged)
        return ("denied request" in done.stderr) is protected

    await_value(is_so, f"approvals protected: {protected}", 30)
