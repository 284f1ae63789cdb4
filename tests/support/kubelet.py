"""Plays the kubelet on a control plane that has no node.

The controller-manager makes the Pod of a Job; this binds it to a node that nobody runs and writes
what a kubelet would write: running, then terminated with a termination message. The order is the
kubelet's own: the container state shows first, the Pod's phase follows when it is told to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import kubernetes

from workflow_do.api import names

Pod = dict[str, Any]

NODE = "nobody"


class Kubelet:
    """Writes Pod status in one namespace, over the API server of a kubeconfig."""

    def __init__(self, kubeconfig: str, namespace: str = "default") -> None:
        client = kubernetes.config.new_client_from_config(config_file=kubeconfig)
        self._core = kubernetes.client.CoreV1Api(client)
        self._namespace = namespace
        self._make_node()

    def pods(self, run: str, step: str = "", role: str = "do") -> list[Pod]:
        """The Pods of a run's step (all of the run's with an empty step and role), oldest first."""
        wanted = {names.LABEL_RUN: run, names.LABEL_STEP: step, names.LABEL_ROLE: role}
        selector = ",".join(f"{label}={value}" for label, value in wanted.items() if value)
        found = self._read(self._core.list_namespaced_pod, label_selector=selector)["items"]
        return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def await_pod(self, run: str, step: str = "", role: str = "do", timeout: float = 20) -> Pod:
        """The step's Pod that has not been bound yet, once the controller has made it."""
        pod: Pod = await_value(
            lambda: next((p for p in self.pods(run, step, role) if not _bound(p)), None),
            f"a Pod of {run}/{step or role}",
            timeout,
        )
        return pod

    def start(self, pod: Pod) -> None:
        """Bind the Pod to the node and let its container run."""
        self._bind(pod)
        running = {"running": {"startedAt": timestamp()}}
        self._write(pod, phase="Running", state=running)

    def end(
        self, pod: Pod, output: object = None, *, exit_code: int = 0, reason: str | None = None
    ) -> None:
        """End the container; `output` is its termination message (JSON unless it is a string)."""
        message = output if isinstance(output, str) else json.dumps(output)
        state = {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason or ("Completed" if exit_code == 0 else "Error"),
                "startedAt": timestamp(),
                "finishedAt": timestamp(),
                **({} if output is None else {"message": message}),
            }
        }
        self._write(pod, phase="Running", state=state)

    def settle(self, pod: Pod, *, failed: bool = False, reason: str | None = None) -> None:
        """The Pod's phase, which a kubelet reports a second after its container has ended."""
        phase = "Failed" if failed else "Succeeded"
        more = {"reason": reason} if reason else {}
        body = {"status": {"phase": phase, **more}}
        self._patch_status(pod, body)

    def perform(self, run: str, step: str, output: object = None, *, exit_code: int = 0) -> Pod:
        """Wait for the step's Pod and play its whole life."""
        pod = self.await_pod(run, step)
        self.start(pod)
        self.end(pod, output, exit_code=exit_code)
        self.settle(pod, failed=exit_code != 0)
        return pod

    def _bind(self, pod: Pod) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        self._read(self._core.create_namespaced_binding, body=body)

    def _write(self, pod: Pod, *, phase: str, state: Mapping[str, Any]) -> None:
        container = pod["spec"]["containers"][0]
        row = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "sha256:" + "0" * 64,
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "startTime": timestamp(), "containerStatuses": [row]}
        self._patch_status(pod, {"status": status})

    def _patch_status(self, pod: Pod, body: Mapping[str, Any]) -> None:
        self._read(
            self._core.patch_namespaced_pod_status,
            name=pod["metadata"]["name"],
            body=body,
            _content_type="application/merge-patch+json",
        )

    def _read(self, call: Callable[..., Any], **arguments: Any) -> Any:
        answer = call(namespace=self._namespace, _preload_content=False, **arguments)
        return json.loads(answer.data)

    def _make_node(self) -> None:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        try:
            self._core.create_node(body=body, _preload_content=False)
        except kubernetes.client.ApiException as error:
            if error.status != 409:
                raise


def await_value(look: Callable[[], Any], what: str, timeout: float = 20) -> Any:
    """What `look` gives once it is neither None nor False; fails with what was seen last."""
    until = time.monotonic() + timeout
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.02)


def _bound(pod: Pod) -> bool:
    return bool(pod["spec"].get("nodeName"))


def timestamp() -> str:
    """The present time, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
