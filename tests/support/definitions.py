"""Applies Workflows and Actions and reads their verdicts, quickly: for the promise of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import client, config

from support.kubelet import await_value

API = "workflow.do/v1alpha1"
DEADLINE_SECONDS = 1.0
"""From the API server's answer to an apply until the verdict is there."""

GIVES: dict[str, Any] = {
    "image": "example.com/x:1",
    "outputSchema": {
        "type": "object",
        "properties": {"userId": {"type": "string"}},
        "required": ["userId"],
    },
}
TAKES: dict[str, Any] = {
    "image": "example.com/x:1",
    "inputSchema": {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "additionalProperties": False,
    },
}


def flow(output: str = "userId", **more: Any) -> dict[str, Any]:
    value = "{{ steps.make.output." + output + " }}"
    return {
        "steps": [
            {"id": "make", "action": "gives"},
            {"id": "use", "action": "takes", "input": {"id": value, **more}},
        ]
    }


class Definitions:
    """Applies definitions and reads their verdicts, without a process for each look."""

    def __init__(self, kubeconfig: Path | None, namespace: str) -> None:
        """kubeconfig: None for the one that kubectl would take."""
        self._namespace = namespace
        file = None if kubeconfig is None else str(kubeconfig)
        self._api = client.CustomObjectsApi(config.new_client_from_config(file))

    def _at(self, plural: str) -> tuple[str, str, str, str]:
        return ("workflow.do", "v1alpha1", self._namespace, plural)

    def apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Make it, or put its spec in place of the old one."""
        at = self._at(f"{kind.lower()}s")
        body: dict[str, Any] = {
            "apiVersion": API,
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        for _ in range(5):
            try:
                old = self._api.get_namespaced_custom_object(*at, name)
                version = {"resourceVersion": old["metadata"]["resourceVersion"]}
                body["metadata"] = {"name": name, **version}
                self._api.replace_namespaced_custom_object(*at, name, body)
                return
            except client.ApiException as error:
                if error.status == 404:
                    self._api.create_namespaced_custom_object(*at, body)
                    return
                if error.status != 409:  # else the operator has just written a verdict
                    raise
        raise AssertionError(f"{name} changes all the time")

    def delete(self, kind: str, name: str) -> None:
        self._api.delete_namespaced_custom_object(*self._at(f"{kind.lower()}s"), name)

    def ready(self, name: str) -> dict[str, Any]:
        """The condition Ready of a Workflow; empty while it has none of this generation."""
        raw = self._api.get_namespaced_custom_object(*self._at("workflows"), name)
        rows = raw.get("status", {}).get("conditions", [])
        row = next((r for r in rows if r["type"] == "Ready"), {})
        return row if row.get("observedGeneration") == raw["metadata"]["generation"] else {}

    def becomes(self, name: str, status: str, *words: str) -> str:
        """Its message once it has this status and these words in it; within the deadline."""

        def look() -> dict[str, Any] | None:
            row = self.ready(name)
            fits = row.get("status") == status and all(w in row["message"] for w in words)
            return row if fits else None

        what = f"{name} is Ready={status} with {words}"
        return str(await_value(look, what, DEADLINE_SECONDS)["message"])
