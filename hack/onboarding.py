"""The onboarding example on a cluster: applied, and read back. For the demo and the e2e tests."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hack.deploy import LOCAL_PREFIX, ROOT, Cluster, ensure_namespace, image_id, image_prefix

FOLDER = ROOT / "examples" / "onboarding"
WORKFLOW = "new-user-onboarding-flow"
SERVICES = ("postgres", "crm", "mail", "ops")
_PSQL = (
    'PGPASSWORD="$DATABASE_PASSWORD" exec psql --host 127.0.0.1 --username "$DATABASE_USER" '
    '--dbname "$DATABASE_NAME" --tuples-only --no-align --command "$1"'
)
_READ = "from urllib.request import urlopen as get; "
_READ += "print(get('http://127.0.0.1:8080/records').read().decode())"


def apply(cluster: Cluster, namespace: str) -> None:
    """The onboarding example with everything it works on, ready to be run."""
    ensure_namespace(cluster, namespace)
    for name in ("services.yaml", "actions.yaml", "workflow.yaml"):
        objects = list(yaml.safe_load_all((FOLDER / name).read_text()))
        text = yaml.safe_dump_all(_localised(cluster, objects), sort_keys=False)
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
    for service in SERVICES:
        cluster.kubectl(
            "rollout",
            "status",
            f"deployment/onboarding-{service}",
            "-n",
            namespace,
            "--timeout=120s",
            limit=150,
        )


def _localised(cluster: Cluster, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects as they are; on our own cluster a new image of one tag makes new Pods."""
    if cluster.name is None:
        text = json.dumps(objects).replace(LOCAL_PREFIX, image_prefix())
        return list(json.loads(text))
    for found in objects:
        if found["kind"] == "Deployment":
            template = found["spec"]["template"]["metadata"]
            template["annotations"] = {"image": image_id("onboarding")}
    return objects


def users(cluster: Cluster, namespace: str) -> list[dict[str, str]]:
    """The rows of PostgreSQL, oldest first: id, email, name, plan."""
    query = "SELECT coalesce(json_agg(u ORDER BY created_at), '[]') FROM users u"
    return _exec(cluster, namespace, "postgres", "sh", "-c", _PSQL, "psql", query)


def records(cluster: Cluster, namespace: str, service: str) -> list[dict[str, Any]]:
    """What a receiver (crm, mail or ops) has got, oldest first."""
    found = _exec(cluster, namespace, service, "python3", "-c", _READ)
    rows: list[dict[str, Any]] = found["records"]
    return rows


def _exec(cluster: Cluster, namespace: str, service: str, *command: str) -> Any:
    where = ("-n", namespace, f"deployment/onboarding-{service}")
    return json.loads(cluster.kubectl("exec", *where, "--", *command))
