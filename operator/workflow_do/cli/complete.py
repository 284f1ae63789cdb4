"""What the shell offers on TAB: names of Workflows, runs and steps, from the cluster.

A completion that fails offers nothing: a message would end up in the user's command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_do.cli.options import Cluster, reach
from workflow_do.sdk.client import RUNS, WORKFLOWS, Resource, Selection
from workflow_do.sdk.errors import WorkflowDoError
from workflow_do.sdk.run import ON_FAILURE
from workflow_do.sdk.runs import fetch_run


def workflow_names(params: Mapping[str, Any], prefix: str) -> list[str]:
    """Workflows of the namespace that the command line names."""
    return _names(WORKFLOWS, params, prefix)


def run_names(params: Mapping[str, Any], prefix: str) -> list[str]:
    """Runs of the namespace that the command line names."""
    return _names(RUNS, params, prefix)


def step_ids(params: Mapping[str, Any], prefix: str) -> list[str]:
    """Steps, and the handler, of the run that the command line names."""
    try:
        cluster = _reach(params)
        run = fetch_run(cluster.client, cluster.namespace, params["run"])
    except (WorkflowDoError, KeyError):
        return []
    ids = [*run.steps, *([ON_FAILURE] if run.on_failure else [])]
    return [id_ for id_ in ids if id_.startswith(prefix)]


def _names(resource: Resource, params: Mapping[str, Any], prefix: str) -> list[str]:
    try:
        cluster = _reach(params)
        items, _ = cluster.client.list_all(Selection(resource, cluster.namespace))
    except WorkflowDoError:
        return []
    names = (item["metadata"]["name"] for item in items)
    return sorted(name for name in names if name.startswith(prefix))


def _reach(params: Mapping[str, Any]) -> Cluster:
    return reach(params.get("namespace"), params.get("context"), params.get("kubeconfig"))
