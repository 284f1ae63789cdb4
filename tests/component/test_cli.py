"""The command line as a program against a real API server; the test plays the operator."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from component.player import FAILS, RUNNING, SUCCEEDS, Cluster, namespace_on
from component.program import FLOW, add_workflow, command, environment, kubectl_workflow
from component.server import ApiServer
from unit.cli import runs
from workflow_do.sdk.client import RUNS
from workflow_do.sdk.runs import start_run

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]


@pytest.fixture
def cluster(api_server: ApiServer) -> Iterator[Cluster]:
    """A namespace of its own on the API server, with the Workflow in it."""
    with namespace_on(api_server) as made:
        add_workflow(made, FLOW)
        yield made


def spec_of(cluster: Cluster, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = cluster.client.get(RUNS, cluster.namespace, name)["spec"]
    return spec


def test_run_starts_and_comes_back(cluster: Cluster) -> None:
    done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1", "-p", "email=user@example.com")
    assert (done.returncode, done.stdout) == (0, "run r1 started\n")
    assert done.stderr == f"follow it with: kubectl workflow watch r1 -n {cluster.namespace}\n"
    assert spec_of(cluster, "r1")["trigger"] == {
        "type": "api",
        "body": {"email": "user@example.com"},
    }


def test_run_reads_its_body_from_stdin(cluster: Cluster) -> None:
    done = kubectl_workflow(
        cluster, "run", FLOW, "--body", "-", "--json-param", "n=7", "-o", "name", stdin='{"a": [1]}'
    )
    assert done.returncode == 0
    kind, name = done.stdout.strip().split("/")
    assert kind == "workflowrun.workflow.do"
    assert spec_of(cluster, name)["trigger"]["body"] == {"a": [1], "n": 7}


def test_run_wait_tells_how_it_ended(cluster: Cluster) -> None:
    with cluster.playing(SUCCEEDS):
        done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1", "--wait")
    assert (done.returncode, done.stdout) == (0, "✔ run r1 succeeded in 1m17s\n")


def test_run_wait_fails_when_the_run_does(cluster: Cluster) -> None:
    with cluster.playing(FAILS):
        done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1", "--wait")
    assert done.returncode == 1
    assert done.stdout == f"✘ run r1 failed after 8s: ExitCode: {runs.MESSAGE}\n"
    assert done.stderr == ""


def test_run_wait_gives_the_ended_run_as_data(cluster: Cluster) -> None:
    with cluster.playing(SUCCEEDS):
        done = kubectl_workflow(cluster, "run", FLOW, "--wait", "-o", "json")
    assert done.returncode == 0
    status = json.loads(done.stdout)["status"]
    assert status["steps"][0]["output"] == {"userId": "u-17", "created": True}
    assert "succeeded" in done.stderr


def test_run_wait_is_bounded(cluster: Cluster) -> None:
    with cluster.playing(RUNNING):
        done = kubectl_workflow(cluster, "run", FLOW, "--wait", "--timeout", "1.5")
    assert done.returncode == 124
    assert "has not ended after 1.5 s; it goes on" in done.stderr


def test_run_watch_without_a_terminal_prints_a_line_a_change(cluster: Cluster) -> None:
    with cluster.playing(FAILS):
        done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1", "--watch")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"run r1 of workflow {FLOW} in namespace {cluster.namespace}"
    assert 'onFailure (notify-devops-team): Succeeded in 1s: output {"sent":true}' in lines
    assert lines[-1].startswith("✘ run r1 failed after 8s: ExitCode")
    assert "\x1b" not in done.stdout


def test_a_workflow_that_is_not_there(cluster: Cluster) -> None:
    done = kubectl_workflow(cluster, "run", "onbording")
    assert done.returncode == 2
    assert done.stderr == (
        f'error: no Workflow "onbording" in namespace {cluster.namespace}; there are: {FLOW}\n'
    )


def test_a_name_that_is_taken(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1")
    assert done.returncode == 2
    assert '"r1" exists already; choose another name' in done.stderr


@pytest.mark.parametrize("arguments", [["get", "r1"], ["watch", "r1"], ["logs", "r1"]])
def test_a_run_that_is_not_there(cluster: Cluster, arguments: list[str]) -> None:
    done = kubectl_workflow(cluster, *arguments)
    assert done.returncode == 2
    assert f'"r1" is not in namespace {cluster.namespace}' in done.stderr


def test_get_lists_the_newest_first_and_says_what_it_leaves_out(cluster: Cluster) -> None:
    add_workflow(cluster, "other")
    for name in ("r1", "r2", "r3"):
        start_run(cluster.client, FLOW, namespace=cluster.namespace, name=name)
    start_run(cluster.client, "other", namespace=cluster.namespace, name="x1")
    cluster.write_status("r2", runs.failed()["status"])
    done = kubectl_workflow(cluster, "get", "-w", FLOW, "--limit", "2")
    assert done.returncode == 0
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == ["NAME", "WORKFLOW", "STATUS", "PROGRESS", "STEP", "DURATION", "AGE"]
    assert len(rows) == 2
    assert done.stderr == "the newest 2 of 3 runs; see more with --limit\n"
    everything = kubectl_workflow(cluster, "get")
    [row] = [line for line in everything.stdout.splitlines() if line.startswith("r2")]
    assert row.split()[:6] == ["r2", FLOW, "✘", "ExitCode", "1/3", "syncToCrm"]
    everywhere = kubectl_workflow(cluster, "get", "-A", "-o", "json")
    names = {item["metadata"]["name"] for item in json.loads(everywhere.stdout)["items"]}
    assert {"r1", "r2", "r3", "x1"} <= names


def test_get_without_runs(cluster: Cluster) -> None:
    done = kubectl_workflow(cluster, "get")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no runs in namespace {cluster.namespace}\n"


def test_get_one_run(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1", body=runs.BODY)
    cluster.write_status("r1", runs.failed()["status"])
    tree = kubectl_workflow(cluster, "get", "r1")
    assert tree.returncode == 0
    assert '"userId":"u-17"' in tree.stdout
    assert "Failed: ExitCode 3 after 2 tries" in tree.stdout
    assert runs.MESSAGE in tree.stdout
    assert not any(line.endswith(" ") for line in tree.stdout.splitlines())
    whole = yaml.safe_load(kubectl_workflow(cluster, "get", "r1", "-o", "yaml").stdout)
    assert whole["kind"] == "WorkflowRun"
    assert "managedFields" not in whole["metadata"]


def test_output(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    said = kubectl_workflow(cluster, "output", "r1")
    assert (said.returncode, said.stdout) == (2, "")
    assert "its outputs are there at its end; name a step" in said.stderr
    cluster.write_status("r1", {**runs.succeeded()["status"], "outputs": {"id": "u-17\u009b"}})
    done = kubectl_workflow(cluster, "output", "r1")
    assert (done.returncode, done.stdout) == (0, '{\n  "id": "u-17\\u009b"\n}\n')
    step = kubectl_workflow(cluster, "output", "r1", "createUser")
    assert json.loads(step.stdout) == {"userId": "u-17", "created": True}
    item = kubectl_workflow(cluster, "output", "r1", "createUser", "--item", "0")
    assert (item.returncode, item.stdout) == (2, "")
    assert "step createUser has no item 0; it has no items" in item.stderr
    cluster.write_status("r1", runs.failed()["status"])
    failed = kubectl_workflow(cluster, "output", "r1", "syncToCrm")
    assert "has no output of step syncToCrm: it is Failed" in failed.stderr


def test_logs_of_a_run_that_has_not_begun(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    done = kubectl_workflow(cluster, "logs", "r1")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "nothing of run r1 has begun yet; wait for it with -f\n"


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, arguments: list[str]) -> None:
        self._screen, inner = pty.openpty()
        self.process = subprocess.Popen(
            arguments, stdin=inner, stdout=inner, stderr=inner, env=environment()
        )
        os.close(inner)
        self.text = ""

    def read_until(self, said: str | None, seconds: float = 30) -> str:
        """What was shown so far; said None: until the program has ended."""
        end = time.monotonic() + seconds
        while said is None or said not in self.text:
            ready, _, _ = select.select([self._screen], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{said!r} was not shown in {seconds} s; shown was: {self.text!r}"
            try:
                data = os.read(self._screen, 65536)
            except OSError:  # how Linux tells that the other end is closed
                data = b""
            if not data:
                assert said is None, f"ended without showing {said!r}: {self.text!r}"
                break
            self.text += data.decode("utf-8", "replace")
        return self.text

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)
        os.close(self._screen)


def test_watch_on_a_terminal_is_live_and_ends_with_the_verdict(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    cluster.write_status("r1", RUNNING[1]["status"])
    terminal = Terminal(command(cluster, "watch", "r1"))
    try:
        terminal.read_until("Running")
        first = len(terminal.text)
        terminal.read_until("⠹")
        terminal.read_until("⠼")
        assert len(terminal.text) > first, "the symbol of what runs turns without any change"
        cluster.write_status("r1", SUCCEEDS[-1]["status"])
        text = terminal.read_until(None)
        assert terminal.process.wait(10) == 0
    finally:
        terminal.close()
    assert "\x1b[" in text
    assert "succeeded" in text.splitlines()[-1]


def test_the_pause_between_two_tries_ticks_down(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    status = runs.between_tries()["status"]
    due = datetime.fromtimestamp(time.time() + 8, UTC)
    status["steps"][1]["retryTime"] = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    cluster.write_status("r1", status)
    terminal = Terminal(command(cluster, "watch", "r1"))
    try:
        for seconds in (4, 3, 2):
            terminal.read_until(f"retrying in {seconds}s, attempt 2 (ExitCode 3)")
        terminal.read_until("retrying now, attempt 2")
        cluster.write_status("r1", runs.failed_with_log()["status"])
        text = terminal.read_until(None)
        assert terminal.process.wait(10) == 1
    finally:
        terminal.close()
    assert "its log ends:" in text
    assert "POST /contacts" in text
    assert "\x1b[31m503" not in text


def test_a_failed_watch_ends_with_the_end_of_the_log(cluster: Cluster) -> None:
    with cluster.playing([RUNNING[1], runs.failed_with_log()]):
        done = kubectl_workflow(cluster, "run", FLOW, "--name", "r1", "--watch")
    assert done.returncode == 1
    *_, head, last, verdict = done.stdout.splitlines()
    assert (head, last[-4:]) == ("    POST /contacts", "down")
    assert verdict.startswith("✘ run r1 failed after 8s: ExitCode")
    assert "the log of syncToCrm ends:\n  line 4\n" in done.stdout


def test_ctrl_c_ends_the_watching_not_the_run(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    cluster.write_status("r1", RUNNING[1]["status"])
    terminal = Terminal(command(cluster, "watch", "r1"))
    try:
        terminal.read_until("createUser")
        terminal.process.send_signal(signal.SIGINT)
        text = terminal.read_until(None)
        assert terminal.process.wait(10) == 130
    finally:
        terminal.close()
    assert "run r1 goes on (watch on: kubectl workflow watch r1" in text
    assert "Traceback" not in text
    assert spec_of(cluster, "r1")


def test_tab_offers_what_is_there(cluster: Cluster) -> None:
    start_run(cluster.client, FLOW, namespace=cluster.namespace, name="r1")
    cluster.write_status("r1", runs.failed()["status"])
    where = ["-n", cluster.namespace, "--kubeconfig", cluster.kubeconfig]
    offered = {
        typed: complete([*typed.split(" ")[:-1], *where, typed.split(" ")[-1]])
        for typed in ("run new", "get ", "logs r1 ", "logs r1 on")
    }
    assert offered == {
        "run new": [FLOW],
        "get ": ["r1"],
        "logs r1 ": ["createUser", "syncToCrm", "sendWelcome", "onFailure"],
        "logs r1 on": ["onFailure"],
    }


def complete(words: list[str]) -> list[str]:
    line = ["kubectl-workflow", *words]
    asked = {
        "COMP_WORDS": " ".join(line),
        "COMP_CWORD": str(len(line) - 1),
        "_KUBECTL_WORKFLOW_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [sys.executable, "-m", "workflow_do.cli.main"],
        capture_output=True,
        text=True,
        env={**environment(), **asked},
        timeout=20,
        check=False,
    )
    return done.stdout.split()
