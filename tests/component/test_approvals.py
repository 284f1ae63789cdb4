"""Who may decide: the admission policy of the chart, asked as people of several rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_crds import approval
from support import policy

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Object = dict[str, Any]
ALLOWED, OF_ANOTHER, MAKER = "sam@example.com", "kim@example.com", "lee@example.com"


def role(name: str, *rules: Object) -> Object:
    meta = {"name": name}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": meta,
        "rules": list(rules),
    }


def rule(resource: str, *verbs: str, only: str = "") -> Object:
    named = {"resourceNames": [only]} if only else {}
    return {"apiGroups": ["workflow.do"], "resources": [resource], "verbs": list(verbs), **named}


MAKE = rule("workflowapprovals", "create")
ROLES = {
    ALLOWED: role("of-sam", MAKE, rule("workflows", "approve", only="flow")),
    OF_ANOTHER: role("of-kim", MAKE, rule("workflows", "approve", only="other")),
    MAKER: role("of-lee", MAKE, rule("workflows", "create", "update", "delete", "get")),
}


@pytest.fixture(scope="module")
def guarded(server: ApiServer, helm: Path) -> Iterator[ApiServer]:
    """The policy in force, and three people with the right to make approvals."""
    for user, made in ROLES.items():
        server.kubectl("apply", "-f", "-", input=made)
        name = made["metadata"]["name"]
        server.kubectl("create", "rolebinding", name, f"--role={name}", f"--user={user}")
    policy.install(server, helm)
    yield server
    policy.remove(server, helm)


def attempt(user: str, **spec: Any) -> tuple[tuple[str, ...], Object]:
    return ("create", "--dry-run=server", f"--as={user}", "-f", "-"), approval(**spec)


def test_who_may_approve_the_workflow_approves_in_their_own_name(guarded: ApiServer) -> None:
    command, given = attempt(ALLOWED, approver=ALLOWED)

    guarded.kubectl(*command, input=given)


@pytest.mark.parametrize(
    ("user", "spec", "said"),
    [
        pytest.param(
            ALLOWED,
            {"approver": MAKER},
            f"spec.approver must be who makes the approval: {ALLOWED}",
            id="in another's name",
        ),
        pytest.param(
            ALLOWED,
            {"approver": ALLOWED, "workflowName": "other"},
            f"{ALLOWED} may not approve runs of other: the verb approve on that workflow",
            id="another workflow",
        ),
        pytest.param(
            OF_ANOTHER,
            {"approver": OF_ANOTHER},
            f"{OF_ANOTHER} may not approve runs of flow",
            id="may approve another one only",
        ),
        pytest.param(
            MAKER,
            {"approver": MAKER},
            f"{MAKER} may not approve runs of flow",
            id="may edit workflows, but not approve",
        ),
        pytest.param(
            MAKER,
            {"approver": MAKER, "decision": "Reject"},
            f"{MAKER} may not approve runs of flow",
            id="rejecting is deciding, too",
        ),
    ],
)
def test_others_are_refused_and_told_why(
    guarded: ApiServer, user: str, spec: Object, said: str
) -> None:
    command, given = attempt(user, **spec)
    refusal = guarded.refused(*command, input=given)

    assert said in refusal
    assert "Forbidden" in refusal


def test_labels_may_be_changed_by_who_may_not_approve(guarded: ApiServer) -> None:
    guarded.kubectl("create", "-f", "-", input=approval("kept", approver=admin(guarded)))

    guarded.kubectl("label", "wfa", "kept", "team=ops")


def admin(server: ApiServer) -> str:
    review = server.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    return review.stdout
