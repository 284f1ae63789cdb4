"""Plays the operator against a real API server: writes the statuses of runs, as scripted."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from component.server import ApiServer
from unit.cli import runs
from workflow_do.sdk.client import RUNS, Client, Selection
from workflow_do.sdk.connect import Connection, connect
from workflow_do.sdk.errors import Call
from workflow_do.sdk.watch import Deadline, changes

Object = dict[str, Any]

RUNNING = [
    runs.onboarding(reason="Pending"),
    runs.onboarding(runs.unit("Running", 1)),
    runs.onboarding(runs.CREATED, runs.unit("Running", 3)),
]
SUCCEEDS = [*RUNNING, runs.succeeded()]
FAILS = [
    *RUNNING,
    runs.onboarding(
        runs.CREATED,
        runs.unit("Failed", 3, 6, reason="ExitCode", exitCode=3, message=runs.MESSAGE),
        reason="Finishing",
        handler=runs.unit("Running", 6),
    ),
    runs.failed(),
]
STEPS = [
    {"id": "createUser", "action": "create-user-db"},
    {"id": "syncToCrm", "action": "add-user-to-crm"},
    {"id": "sendWelcome", "action": "send-welcome-email"},
]


@contextmanager
def namespace_on(api_server: ApiServer) -> Iterator[Cluster]:
    """A namespace for one test."""
    made = Cluster(str(api_server.kubeconfig), f"play-{uuid.uuid4().hex[:10]}")
    made.call("POST", "/api/v1/namespaces", {"metadata": {"name": made.namespace}})
    try:
        yield made
    finally:
        made.call("DELETE", f"/api/v1/namespaces/{made.namespace}")


class Cluster:
    """One namespace of the API server, and the means to play in it."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.connection: Connection = connect(kubeconfig, namespace=namespace)
        self.client = Client(self.connection)

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Object:
        """Any call, for what the SDK does not do."""
        answer = self.connection.send(
            method, path, Call(method, path, ""), body=body, content_type=content_type
        )
        data: Object = json.loads(answer.data)
        return data

    def write_status(self, run: str, status: Object) -> None:
        """As the operator would."""
        path = f"{RUNS.path(self.namespace, run)}/status"
        self.call("PATCH", path, {"status": status}, "application/merge-patch+json")

    def delete_run(self, run: str) -> None:
        """As kubectl would."""
        self.call("DELETE", RUNS.path(self.namespace, run))

    @contextmanager
    def playing(self, script: Sequence[Object]) -> Iterator[None]:
        """Every run that is made gets the script's statuses, one after the other."""
        stop = threading.Event()
        thread = threading.Thread(target=self._play, args=(script, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()

    def _play(self, script: Sequence[Object], stop: threading.Event) -> None:
        seen = set()
        selection = Selection(RUNS, self.namespace)
        for change in changes(self.client, selection, Deadline(60), stop=stop):
            name = change.object["metadata"]["name"]
            if name in seen or change.gone:
                continue
            seen.add(name)
            for obj in script:
                self.write_status(name, obj["status"])
