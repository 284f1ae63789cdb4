"""Who may do what: golden files of the chart's roles, and the API server's own answers.

UPDATE_GOLDEN=1 writes the golden files anew; a change of them is a change of permissions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from component.server import ApiServer
from component.test_chart import Object, Render, of_kind, rights
from component.test_chart import render as render  # a fixture: used by its name
from support.kubelet import await_value

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

GOLDEN = Path(__file__).parent / "golden"
KINDS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
MODES: dict[str, Object] = {
    "cluster": {},
    "namespaced": {"watchNamespaces": ["sales", "shop"], "rbac": {"aggregateToUsers": False}},
}
CHART_LABELS = ("helm.sh/chart", "app.kubernetes.io/")


def permissions(objects: list[Object]) -> list[Object]:
    """All that has to do with permissions, without the labels that every object has."""
    found = [made for kind in KINDS for made in of_kind(objects, kind)]
    for made in found:
        labels = made["metadata"].pop("labels", {})
        kept = {k: v for k, v in labels.items() if not k.startswith(CHART_LABELS)}
        made["metadata"] |= {"labels": kept} if kept else {}
    return found


@pytest.mark.parametrize("mode", MODES)
def test_the_permissions_are_those_of_the_golden_file(render: Render, mode: str) -> None:
    text = yaml.safe_dump_all(permissions(render(**MODES[mode])), sort_keys=False)
    path = GOLDEN / f"rbac-{mode}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    assert text == path.read_text(encoding="utf-8"), "permissions changed: is that meant?"


NEVER = {
    "secrets",
    "serviceaccounts",
    "serviceaccounts/token",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "users",
    "groups",
    "userextras",
    "certificatesigningrequests",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "customresourcedefinitions",
    "namespaces",
    "nodes",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/ephemeralcontainers",
}


@pytest.mark.parametrize("mode", MODES)
def test_no_role_of_the_chart_reaches_secrets_roles_or_everything(
    render: Render, mode: str
) -> None:
    objects = render(**MODES[mode])
    given = rights(of_kind(objects, "ClusterRole") + of_kind(objects, "Role"))

    assert {what for _, what, _ in given} & NEVER == set()
    assert {verb for _, _, verb in given} & {"*", "impersonate", "bind", "escalate", "use"} == set()
    assert not [row for row in given if "*" in "".join(row)]
    assert not [r for r in of_kind(objects, "ClusterRole") if "nonResourceURLs" in json.dumps(r)]


@pytest.fixture(scope="module")
def installed(api_server: ApiServer, render: Render) -> Iterator[ApiServer]:
    """The roles of both modes, each for an operator of its own, on the API server."""
    api_server.kubectl("create", "namespace", "rbac-ops")
    for namespace in ("rbac-sales", "rbac-other"):
        api_server.kubectl("create", "namespace", namespace)
    wide = permissions(render(fullnameOverride="rbac-wide"))
    values: Object = {"watchNamespaces": ["rbac-sales"], "rbac": {"aggregateToUsers": False}}
    narrow = permissions(render(fullnameOverride="rbac-narrow", **values))
    items = [_moved(made) for made in [*wide, *narrow]]
    for namespace in ("default", "rbac-ops", "rbac-sales"):
        part = [m for m in items if m["metadata"].get("namespace", "default") == namespace]
        listed = {"apiVersion": "v1", "kind": "List", "items": part}
        api_server.within(namespace).kubectl("apply", "-f", "-", input=listed)
    for role in ("view", "edit", "rbac-wide-run"):
        binding = ("rolebinding", role, f"--clusterrole={role}", f"--user={role}")
        api_server.within("rbac-sales").kubectl("create", *binding)
    yield api_server
    cluster = [m for m in items if m["kind"].startswith("Cluster")]
    doomed = [f"{made['kind'].lower()}/{made['metadata']['name']}" for made in cluster]
    spaces = [f"namespace/{name}" for name in ("rbac-ops", "rbac-sales", "rbac-other")]
    api_server.kubectl("delete", *doomed, *spaces, "--wait=false")


def _moved(made: Object) -> Object:
    """The same for the namespaces of this test: the chart was rendered for `ops`."""
    found: Object = json.loads(
        json.dumps(made).replace('"namespace": "ops"', '"namespace": "rbac-ops"')
    )
    return found


def may(server: ApiServer, user: str, namespace: str, verb: str, what: str) -> bool:
    """What the API server's authoriser says."""
    # Behind a slash, kubectl would read the name of an object.
    resource, _, part = what.partition("/")
    arguments = ("auth", "can-i", verb, resource, f"--subresource={part}", f"--as={user}", "-q")
    return server.within(namespace).run(*arguments).returncode == 0


WIDE = "system:serviceaccount:rbac-ops:rbac-wide"
NARROW = "system:serviceaccount:rbac-ops:rbac-narrow"
RUNS = "workflowruns.workflow.do"


@pytest.mark.parametrize(
    ("user", "namespace", "verb", "what", "expected"),
    [
        pytest.param(WIDE, "rbac-sales", "create", "jobs.batch", True, id="wide: Jobs"),
        pytest.param(WIDE, "rbac-other", "create", "jobs.batch", True, id="wide: everywhere"),
        pytest.param(WIDE, "rbac-ops", "get", "secrets", False, id="wide: its own Secrets"),
        pytest.param(WIDE, "rbac-sales", "list", "secrets", False, id="wide: Secrets"),
        pytest.param(WIDE, "rbac-sales", "create", "pods", False, id="wide: Pods"),
        pytest.param(WIDE, "rbac-sales", "create", "pods/exec", False, id="wide: exec"),
        pytest.param(
            WIDE, "rbac-sales", "create", "serviceaccounts/token", False, id="wide: tokens"
        ),
        pytest.param(WIDE, "rbac-sales", "create", "rolebindings", False, id="wide: roles"),
        pytest.param(WIDE, "rbac-sales", "impersonate", "users", False, id="wide: other users"),
        pytest.param(WIDE, "rbac-sales", "update", RUNS, False, id="wide: replace a run"),
        pytest.param(NARROW, "rbac-sales", "create", "jobs.batch", True, id="narrow: Jobs"),
        pytest.param(NARROW, "rbac-other", "create", "jobs.batch", False, id="narrow: elsewhere"),
        pytest.param(NARROW, "rbac-other", "get", RUNS, False, id="narrow: read elsewhere"),
        pytest.param(NARROW, "rbac-ops", "create", "jobs.batch", False, id="narrow: at home"),
        pytest.param(NARROW, "rbac-sales", "get", "secrets", False, id="narrow: Secrets"),
        pytest.param("rbac-wide-run", "rbac-sales", "create", RUNS, True, id="run: start"),
        pytest.param("rbac-wide-run", "rbac-sales", "patch", RUNS, True, id="run: pause"),
        pytest.param("rbac-wide-run", "rbac-sales", "delete", RUNS, False, id="run: delete"),
        pytest.param(
            "rbac-wide-run", "rbac-sales", "patch", f"{RUNS}/status", False, id="run: status"
        ),
        pytest.param(
            "rbac-wide-run",
            "rbac-sales",
            "create",
            "workflows.workflow.do",
            False,
            id="run: define",
        ),
        pytest.param(
            "rbac-wide-run", "rbac-sales", "create", "actions.workflow.do", False, id="run: act"
        ),
        pytest.param("rbac-wide-run", "rbac-sales", "create", "jobs.batch", False, id="run: Jobs"),
        pytest.param("rbac-wide-run", "rbac-sales", "get", "secrets", False, id="run: Secrets"),
        pytest.param("rbac-wide-run", "rbac-other", "create", RUNS, False, id="run: elsewhere"),
        pytest.param("view", "rbac-sales", "get", RUNS, True, id="view: read"),
        pytest.param("view", "rbac-sales", "create", RUNS, False, id="view: start"),
        pytest.param("view", "rbac-sales", "get", "secrets", False, id="view: Secrets"),
        pytest.param("edit", "rbac-sales", "create", "actions.workflow.do", True, id="edit: act"),
        pytest.param("edit", "rbac-sales", "delete", RUNS, True, id="edit: delete"),
        pytest.param("edit", "rbac-sales", "patch", f"{RUNS}/status", False, id="edit: status"),
        pytest.param(
            "edit",
            "rbac-sales",
            "create",
            "workflowrevisions.workflow.do",
            False,
            id="edit: freeze",
        ),
    ],
)
def test_the_api_server_agrees(
    installed: ApiServer, user: str, namespace: str, verb: str, what: str, expected: bool
) -> None:
    def answer() -> bool:
        return may(installed, user, namespace, verb, what) is expected

    # Roles are put together by a controller: what is given may take a moment to be so.
    if expected:
        await_value(answer, f"{user} may {verb} {what}", 10)
    assert answer()


def listed(server: ApiServer, user: str, namespace: str) -> set[str]:
    """Every resource that `kubectl auth can-i --list` tells of, but for what everybody may."""
    text = server.within(namespace).kubectl("auth", "can-i", "--list", f"--as={user}")
    rows = [line.split()[0] for line in text.splitlines()[1:] if not line.startswith(" ")]
    return {row for row in rows if "selfsubject" not in row}


def test_nothing_else_is_in_the_list_of_the_operator(installed: ApiServer) -> None:
    expected = {
        "/".join([f"{what}.{group}".rstrip("."), *part])
        for group, resource, _ in rights(
            [
                role
                for role in yaml.safe_load_all(
                    (GOLDEN / "rbac-cluster.yaml").read_text(encoding="utf-8")
                )
                if role["metadata"]["name"] == "workflow-do" and "rules" in role
            ]
        )
        for what, *part in [resource.split("/")]
    }
    assert listed(installed, WIDE, "rbac-sales") == expected
    assert listed(installed, NARROW, "rbac-sales") == expected
    assert listed(installed, NARROW, "rbac-other") == set()
