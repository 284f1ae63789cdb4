"""What the API server will not store: a run that cannot be pinned says why, and ends; others go
on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, condition, jobs, start, verdict
from support.kubelet import Kubelet, await_value

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Object = dict[str, Any]
REASONS = {"forbidden": "Forbidden", "invalid": "Invalid"}


def policy(server: ApiServer) -> list[Object]:
    """Of two Workflows no revision may be made: 403 for one, 422 for the other."""
    name = f"revisions-{server.namespace}"
    rule = {
        "apiGroups": ["workflow.do"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["workflowrevisions"],
    }
    only = {"matchLabels": {"kubernetes.io/metadata.name": server.namespace}}
    validations = [
        {
            "expression": f"object.spec.workflowName != '{workflow}'",
            "reason": reason,
            "message": f"no revisions of {workflow}",
        }
        for workflow, reason in REASONS.items()
    ]
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    return [
        {
            **api,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": validations,
            },
        },
        {
            **api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": only},
            },
        },
    ]


@pytest.fixture
def flows(server: ApiServer) -> Iterator[list[str]]:
    """Workflows whose revisions are refused, once the policy is in force."""
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    for name in (*REASONS, "fine"):
        apply(server, "Workflow", name, {"steps": [{"id": "act", "action": "act"}]})
    for found in policy(server):
        server.kubectl("apply", "-f", "-", input=found)
    await_value(lambda: _is_refused(server), "the policy is in force", 20)
    yield [*REASONS]
    for found in policy(server):
        server.kubectl("delete", "-f", "-", input=found)


def _is_refused(server: ApiServer) -> bool:
    frozen = {
        "workflow": {"steps": [{"id": "act", "action": "act"}]},
        "actions": {"act": {"image": "example.com/x:1"}},
    }
    body = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRevision",
        "metadata": {"name": "probe"},
        "spec": {"workflowName": "invalid", "revision": 1, "contentHash": "x", **frozen},
    }
    said = server.run("create", "--dry-run=server", "-f", "-", input=body)
    return "no revisions of invalid" in said.stderr


@pytest.mark.usefixtures("operator")
def test_a_run_whose_revision_is_refused_says_so_and_ends_while_others_go_on(
    server: ApiServer, kubelet: Kubelet, flows: list[str]
) -> None:
    refused = {flow: start(server, flow) for flow in flows}
    for flow, run in refused.items():
        await_value(
            lambda r=run: condition(server, "wfr", r, "Succeeded").get("reason"),  # type: ignore[misc]
            f"{flow}: it shows",
        )
        row = condition(server, "wfr", run, "Succeeded")
        assert (row["status"], row["reason"]) == ("Unknown", "RevisionRejected")
    fine = start(server, "fine")
    kubelet.perform(fine, "act", {})

    assert verdict(server, fine) == ("True", "Succeeded")
    for flow, code in zip(flows, (403, 422), strict=True):
        assert verdict(server, refused[flow], 40) == ("False", "RevisionRejected")
        message = condition(server, "wfr", refused[flow], "Succeeded")["message"]
        assert f"HTTP {code}" in message
        assert f"no revisions of {flow}" in message
        assert jobs(server, refused[flow]) == []


@pytest.mark.usefixtures("operator")
def test_a_revision_that_was_deleted_is_made_anew_for_the_next_run(
    server: ApiServer, kubelet: Kubelet
) -> None:
    """The operator remembers that it is stored; that is looked up once its name is on record."""
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    apply(server, "Workflow", "flow", {"steps": [{"id": "act", "action": "act"}]})
    for _ in range(2):  # made by the first, found and remembered by the second
        run = start(server, "flow")
        kubelet.perform(run, "act", {})
        assert verdict(server, run) == ("True", "Succeeded")
    server.kubectl("delete", "workflowrevisions", "--all")
    run = start(server, "flow")
    kubelet.perform(run, "act", {})
    assert verdict(server, run) == ("True", "Succeeded")
    (made,) = server.kubectl("get", "workflowrevisions", "-o", "name").split()
    status = json.loads(server.kubectl("get", "wfr", run, "-o", "json"))["status"]
    assert made.endswith("/" + status["revisionName"])
