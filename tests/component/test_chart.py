"""The chart as helm renders it and as the API server takes it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from component.server import CALL_SECONDS, ROOT, ApiServer
from workflow_do import __version__

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CHART = ROOT / "charts" / "workflow-do"
KUBERNETES = "1.34.0"
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
Object = dict[str, Any]
Render = Callable[..., list[Object]]


def template(helm: Path, values: Object, *options: str) -> subprocess.CompletedProcess[str]:
    kubernetes = ("--kube-version", KUBERNETES)
    command = [helm, "template", "workflow-do", CHART, "--namespace=ops", "--values=-"]
    return subprocess.run(
        [*command, *(options or kubernetes)],
        input=json.dumps(values),
        text=True,
        capture_output=True,
        timeout=CALL_SECONDS,
    )


@pytest.fixture(scope="module")
def render(helm: Path) -> Render:
    """Values → the objects that the chart makes of them."""

    def rendered(**values: Any) -> list[Object]:
        done = template(helm, values)
        assert done.returncode == 0, done.stderr
        return [found for found in yaml.safe_load_all(done.stdout) if found]

    return rendered


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [found for found in objects if found["kind"] == kind]


def pod(objects: list[Object]) -> Object:
    [deployment] = of_kind(objects, "Deployment")
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def operator(objects: list[Object]) -> Object:
    [container] = pod(objects)["containers"]
    found: Object = container
    return found


def test_lint_has_nothing_to_say(helm: Path) -> None:
    done = subprocess.run(
        [helm, "lint", "--strict", CHART], text=True, capture_output=True, timeout=CALL_SECONDS
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_definitions_are_the_generated_ones_braces_and_all(render: Render) -> None:
    generated = {
        found["metadata"]["name"]: found["spec"]
        for path in (ROOT / "crds").glob("*.yaml")
        for found in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    }
    rendered = of_kind(render(), "CustomResourceDefinition")

    assert {found["metadata"]["name"]: found["spec"] for found in rendered} == generated
    assert "{{ input.x }}" in json.dumps(rendered)


@pytest.mark.parametrize(
    ("crds", "annotations"),
    [
        pytest.param({}, {"helm.sh/resource-policy": "keep"}, id="kept by default"),
        pytest.param({"keep": False}, None, id="not kept"),
        pytest.param(
            {"annotations": {"a/b": "c"}},
            {"helm.sh/resource-policy": "keep", "a/b": "c"},
            id="more annotations",
        ),
    ],
)
def test_annotations_of_the_definitions(
    render: Render, crds: Object, annotations: Object | None
) -> None:
    found = of_kind(render(crds=crds), "CustomResourceDefinition")

    assert len(found) == 5
    assert [made["metadata"].get("annotations") for made in found] == [annotations] * 5


def test_the_chart_is_of_the_same_version_as_the_operator() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_definitions_can_be_left_out(render: Render) -> None:
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []


def rights(roles: list[Object]) -> set[tuple[str, str, str]]:
    """Every (group, resource, verb) that the roles give."""
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def spelled(table: set[tuple[str, str]]) -> set[tuple[str, str, str]]:
    return {
        (*place.split("/", 1), verb)  # type: ignore[misc]
        for place, verbs in table
        for verb in verbs.split()
    }


def test_with_namespaces_it_may_do_so_there_only(render: Render) -> None:
    objects = render(watchNamespaces=["sales", "ops"], rbac={"aggregateToUsers": False})
    roles = [r for r in of_kind(objects, "Role") if r["metadata"]["name"] == "workflow-do"]

    assert of_kind(objects, "ClusterRole") + of_kind(objects, "ClusterRoleBinding") == []
    assert [role["metadata"]["namespace"] for role in roles] == ["sales", "ops"]
    [wide] = [r for r in of_kind(render(), "ClusterRole") if r["metadata"]["name"] == "workflow-do"]
    assert [role["rules"] for role in roles] == [wide["rules"]] * 2
    assert {"name": "WORKFLOW_DO_NAMESPACES", "value": "sales,ops"} in operator(objects)["env"]


def test_bindings_name_the_operators_account(render: Render) -> None:
    for values in ({}, {"watchNamespaces": ["sales"]}):
        objects = render(**values)
        [account] = of_kind(objects, "ServiceAccount")
        bindings = of_kind(objects, "ClusterRoleBinding") + of_kind(objects, "RoleBinding")

        assert [binding["subjects"] for binding in bindings] == [
            [{"kind": "ServiceAccount", "name": "workflow-do", "namespace": "ops"}]
        ] * 2
        assert account["metadata"]["name"] == pod(objects)["serviceAccountName"] == "workflow-do"
        assert account["automountServiceAccountToken"] is False


def test_users_get_no_right_on_a_status_or_on_making_revisions(render: Render) -> None:
    roles = {role["metadata"]["name"]: role for role in of_kind(render(), "ClusterRole")}
    read = {"get", "list", "watch"}
    given = rights([roles["workflow-do-edit"], roles["workflow-do-view"]])

    assert not [resource for _, resource, _ in given if "/" in resource]
    assert {verb for _, what, verb in given if what == "workflowrevisions"} == read
    assert {verb for _, _, verb in rights([roles["workflow-do-view"]])} == read
    aggregated = roles["workflow-do-edit"]["metadata"]["labels"]
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in aggregated


def test_the_pod_is_restricted(render: Render) -> None:
    spec, container = pod(render()), operator(render())

    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_one_of_two_operators_is_always_there(render: Render) -> None:
    objects = render()
    [deployment] = of_kind(objects, "Deployment")

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    spread = pod(objects)["topologySpreadConstraints"]
    assert [row["topologyKey"] for row in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for row in spread:
        assert row["whenUnsatisfiable"] == "ScheduleAnyway", "one node is enough"
        assert row["labelSelector"] == deployment["spec"]["selector"]
    assert "topologySpreadConstraints" not in pod(render(replicas=1))


def test_the_lease_is_named_like_the_release_and_in_its_namespace(render: Render) -> None:
    objects = render(fullnameOverride="wdo", watchNamespaces=["sales"])
    [role] = [r for r in of_kind(objects, "Role") if r["metadata"]["name"] == "wdo-lease"]
    [binding] = [b for b in of_kind(objects, "RoleBinding") if b["roleRef"]["name"] == "wdo-lease"]
    env = {row["name"]: row for row in operator(objects)["env"]}

    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "ops"
    assert rights([role]) == spelled({("coordination.k8s.io/leases", "get patch create")})
    assert [rule.get("resourceNames") for rule in role["rules"]] == [["wdo"], None]
    assert env["WORKFLOW_DO_LEASE_NAME"]["value"] == "wdo"
    for variable, path in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace")):
        assert env[variable]["valueFrom"] == {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize(
    ("values", "count"),
    [
        pytest.param({}, 0, id="by default"),
        pytest.param({"podDisruptionBudget": {"create": True}}, 1, id="asked for"),
        pytest.param({"podDisruptionBudget": {"create": True}, "replicas": 1}, 0, id="of one"),
    ],
)
def test_a_disruption_budget(render: Render, values: Object, count: int) -> None:
    objects = render(**values)
    budgets = of_kind(objects, "PodDisruptionBudget")
    [deployment] = of_kind(objects, "Deployment")

    assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1] * count
    assert all(b["spec"]["selector"] == deployment["spec"]["selector"] for b in budgets)


def test_a_killed_operator_is_seen_to_be_back_within_seconds(render: Render) -> None:
    container = operator(render())

    assert container["startupProbe"]["periodSeconds"] == 1
    assert container["readinessProbe"]["periodSeconds"] <= 2
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param({}, "workflow-do/operator:0.1.0", id="of this version"),
        pytest.param(
            {"repository": "localhost/workflow-do/operator", "tag": "dev"},
            "localhost/workflow-do/operator:dev",
            id="built here",
        ),
        pytest.param(
            {"registry": "registry.example.com:5000"},
            "registry.example.com:5000/workflow-do/operator:0.1.0",
            id="from a registry",
        ),
    ],
)
def test_the_image(render: Render, image: Object, expected: str) -> None:
    assert operator(render(image=image))["image"] == expected


def test_where_the_pod_may_run_and_what_it_is_called(render: Render) -> None:
    toleration = {"key": "a", "operator": "Exists"}
    objects = render(
        nodeSelector={"disk": "ssd"},
        tolerations=[toleration],
        affinity={"nodeAffinity": {}},
        priorityClassName="system-cluster-critical",
        imagePullSecrets=[{"name": "pull"}],
        podLabels={"team": "ops", "app.kubernetes.io/name": "other"},
        podAnnotations={"a": "b"},
        fullnameOverride="wdo",
    )
    [deployment] = of_kind(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["metadata"]["name"] == "wdo"
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["team"] == "ops"
    assert pod(objects) | {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [toleration],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "imagePullSecrets": [{"name": "pull"}],
    } == pod(objects)


def test_the_server_takes_all_of_it(render: Render, server: ApiServer) -> None:
    for values in ({}, {"watchNamespaces": [server.namespace]}):
        objects = [made for made in render(**values) if made["kind"] != "CustomResourceDefinition"]
        for made in objects:
            if "namespace" in made["metadata"]:
                made["metadata"]["namespace"] = server.namespace
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        server.kubectl("apply", "--dry-run=server", "--server-side", "-f", "-", input=listed)


def test_the_notes_tell_how_to_start(helm: Path, api_server: ApiServer) -> None:
    options = ("--dry-run=server", "--set=crds.install=false")
    done = subprocess.run(
        [helm, "install", "workflow-do", CHART, *options, "--kubeconfig", api_server.kubeconfig],
        text=True,
        capture_output=True,
        timeout=CALL_SECONDS,
    )
    notes = done.stdout.partition("NOTES:")[2]

    assert done.returncode == 0, done.stderr
    assert "runs the workflows of: all namespaces" in notes
    assert len([line for line in notes.splitlines() if line.startswith("  kubectl ")]) == 3


def test_what_argo_cd_gets_is_what_the_scripts_say(render: Render) -> None:
    assert of_kind(render(), "ConfigMap") == []
    [made] = of_kind(render(argocd={"customizations": True}), "ConfigMap")
    scripts = CHART / "files" / "argocd" / "workflow.do"
    data = dict(made["data"])

    assert made["metadata"]["name"] == "workflow-do-argocd"
    for kind in sorted(path.name for path in scripts.iterdir()):
        health = data.pop(f"resource.customizations.health.workflow.do_{kind}")
        assert health.strip() == (scripts / kind / "health.lua").read_text("utf-8").strip()
        discovery = scripts / kind / "actions" / "discovery.lua"
        if not discovery.exists():
            continue
        actions = yaml.safe_load(data.pop(f"resource.customizations.actions.workflow.do_{kind}"))
        found = {row["name"]: row["action.lua"].strip() for row in actions["definitions"]}
        files = discovery.parent.glob("*/action.lua")
        assert actions["discovery.lua"].strip() == discovery.read_text("utf-8").strip()
        assert found == {path.parent.name: path.read_text("utf-8").strip() for path in files}
    assert data == {}, "a kind without scripts of its own"
