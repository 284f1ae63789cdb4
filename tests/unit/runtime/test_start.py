"""The operator's process before there is anything to operate."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
"""


def start(**more: str) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("WORKFLOW_DO_", "KUBE"))}
    command = [sys.executable, "-m", "workflow_do.handlers.main"]
    return subprocess.Popen(command, env={**clean, **more}, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A kubeconfig of a server that does not answer."""
    path = tmp_path / "config"
    path.write_text(KUBECONFIG, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("WORKFLOW_DO_PORT", "http"), ("KUBECONFIG", "/nonexistent/config")],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    nowhere: str, setting: str, value: str
) -> None:
    process = start(**{"KUBECONFIG": nowhere, setting: value})
    _, told = process.communicate(timeout=25)
    assert process.returncode == 2
    assert len(told.splitlines()) == 1
    assert told.startswith("workflow-do-operator: ")
    assert value in told


def test_a_port_that_is_taken_is_told_in_one_sentence(nowhere: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(KUBECONFIG=nowhere, WORKFLOW_DO_PORT=port)
        _, told = process.communicate(timeout=25)
    assert process.returncode == 2
    assert len(told.splitlines()) == 1
    assert f"WORKFLOW_DO_PORT is {port}" in told


def test_it_waits_for_an_api_server_and_stops_at_once_when_told(nowhere: str) -> None:
    port = free_port()
    with start(
        KUBECONFIG=nowhere, WORKFLOW_DO_LOG_FORMAT="console", WORKFLOW_DO_PORT=port
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "waiting for the API server" in line
        assert "127.0.0.1:1" in line
        assert process.poll() is None
        assert (ask(port, "healthz"), ask(port, "readyz")) == (200, 503)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - begun < 2
        assert process.stderr.read() == ""


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def ask(port: str, path: str) -> int:
    """The status code of a probe."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=3)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    finally:
        connection.close()
