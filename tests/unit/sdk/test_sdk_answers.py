"""Answers of the API server as errors, and runs as Python sees them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from unit.cli import runs
from workflow_do.sdk import errors
from workflow_do.sdk.client import RUNS, Client, Selection
from workflow_do.sdk.connect import connect
from workflow_do.sdk.errors import Call, RunFailed, RunTimeout, refusal
from workflow_do.sdk.run import parse_run, parse_time
from workflow_do.sdk.runs import start_run

CREATE = Call("create", "workflowruns", namespace="shop")
GET = Call("get", "workflowruns", namespace="shop", name="r")
PATCH = Call("patch", "workflows", namespace="shop", name="w")


def status(reason: str, message: str, **details: Any) -> bytes:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return json.dumps({**body, "details": details}).encode()


@pytest.mark.parametrize(
    ("code", "body", "call", "kind", "said"),
    [
        pytest.param(
            403,
            status("Forbidden", 'User "eve" cannot create resource'),
            CREATE,
            errors.Forbidden,
            'not allowed to create workflowruns.workflow.do in namespace shop: User "eve" cannot '
            "create resource; ask the cluster's administrators for a Role with the verb create on "
            "workflowruns.workflow.do",
            id="forbidden",
        ),
        pytest.param(
            401, status("Unauthorized", "Unauthorized"), GET, errors.Forbidden, "log in", id="login"
        ),
        pytest.param(
            404,
            b"404 page not found\n",
            GET,
            errors.NotInstalled,
            "this cluster does not know workflowruns.workflow.do: install the CRDs",
            id="no-crds",
        ),
        pytest.param(
            404,
            status("NotFound", 'workflowruns.workflow.do "r" not found', name="r", kind="x"),
            GET,
            errors.NotFound,
            'workflowruns.workflow.do "r" is not in namespace shop',
            id="not-found",
        ),
        pytest.param(
            404,
            status("NotFound", 'namespaces "shop" not found', name="shop", kind="namespaces"),
            CREATE,
            errors.NotFound,
            'namespace "shop" is not there',
            id="no-namespace",
        ),
        pytest.param(
            404,
            status("NotFound", 'pods/log "p" is not in namespace shop', name="p"),
            Call("get", "pods/log", "", "shop", "p"),
            errors.NotFound,
            'pods/log "p" is not in namespace shop',
            id="no-pod",
        ),
        pytest.param(
            409,
            status("AlreadyExists", "exists", name="r"),
            GET,
            errors.AlreadyExists,
            '"r" exists already',
            id="exists",
        ),
        pytest.param(
            409,
            status(
                "Conflict",
                "Apply failed",
                causes=[{"field": ".spec.steps", "message": 'conflict with "kubectl"'}],
            ),
            PATCH,
            errors.Conflict,
            '.spec.steps: conflict with "kubectl"',
            id="conflict",
        ),
        pytest.param(
            409,
            status("Conflict", "Precondition failed: UID in precondition: a, UID in object: b"),
            PATCH,
            errors.Conflict,
            'cannot patch workflows.workflow.do "w" in namespace shop: Precondition failed: UID',
            id="another-uid",
        ),
        pytest.param(
            422,
            status("Invalid", "long", causes=[{"field": "spec.x", "message": "must not"}]),
            CREATE,
            errors.Invalid,
            "spec.x: must not",
            id="invalid",
        ),
        pytest.param(
            410, status("Expired", "too old"), GET, errors.VersionExpired, "too old", id="expired"
        ),
        pytest.param(
            503, b"", GET, errors.ServerError, "(HTTP 503): no reason given; try again", id="503"
        ),
        pytest.param(429, b"slow", GET, errors.ServerError, "slow", id="429"),
        pytest.param(400, b"x" * 9000, CREATE, errors.Invalid, "… (cut)", id="bounded"),
    ],
)
def test_refusal(code: int, body: bytes, call: Call, kind: type[Exception], said: str) -> None:
    error = refusal(code, body, call)
    assert type(error) is kind
    assert said in str(error)
    assert len(str(error)) < 2500


FAILED = {
    "metadata": {"name": "w-1", "namespace": "shop", "uid": "u"},
    "spec": {"workflowName": "w"},
    "status": {
        "conditions": [
            {"type": "Succeeded", "status": "False", "reason": "ExitCode", "message": "it broke"},
            {"type": "Completed", "status": "True", "reason": "ExitCode"},
        ],
        "startTime": "2026-01-02T12:00:00Z",
        "currentStep": "b",
        "progress": "1/3",
        "somethingNew": {"x": 1},
        "steps": [
            {"id": "a", "action": "x", "state": "Succeeded", "output": {"userId": 7}, "tries": 1},
            {"id": "b", "action": "y", "state": "Failed", "reason": "ExitCode", "exitCode": 3},
            {"id": "c", "action": "z", "state": "Pending", "tries": 0},
        ],
        "onFailure": {"action": "n", "state": "Succeeded"},
    },
}


def test_a_run_that_failed() -> None:
    run = parse_run(FAILED)
    assert (run.succeeded, run.completed, run.reason) == (False, True, "ExitCode")
    assert list(run.steps) == ["a", "b", "c"]
    assert run.steps["a"].output == {"userId": 7}
    assert run.failed_step is run.steps["b"]
    assert run.on_failure is not None
    assert run.on_failure.id == "onFailure"
    assert run.raw["status"]["somethingNew"] == {"x": 1}


def test_a_run_that_nobody_has_seen_yet() -> None:
    run = parse_run({"metadata": {"name": "r"}, "spec": {"workflowName": "w"}})
    assert (run.succeeded, run.completed, run.reason) == (None, False, "Pending")
    assert dict(run.steps) == {}
    assert run.failed_step is None


def test_what_run_failed_says() -> None:
    error = RunFailed(parse_run(FAILED))
    assert error.step is not None
    assert (error.reason, error.message, error.step.id) == ("ExitCode", "it broke", "b")
    assert str(error) == (
        "run w-1 failed with ExitCode at step b: it broke (look: kubectl workflow get w-1 -n shop)"
    )


def test_what_run_failed_says_of_a_cancelled_run() -> None:
    said = str(RunFailed(parse_run(runs.cancelled())))
    assert said.startswith(
        "run new-user-onboarding-flow-x7k2p was cancelled: step syncToCrm: the run was cancelled"
    )


def test_a_step_is_taken_over_once_its_turn_has_come() -> None:
    steps = [
        {"id": "a", "action": "x", "state": "Succeeded", "takenOver": True},
        {"id": "b", "action": "y", "state": "Pending", "takenOver": True},
    ]
    run = parse_run({"metadata": {"name": "r"}, "spec": {}, "status": {"steps": steps}})
    assert [unit.taken_over for unit in run.units] == [True, False]


def test_what_run_timeout_says() -> None:
    error = RunTimeout("w-1", "shop", 2.5)
    assert isinstance(error, TimeoutError)
    assert "has not ended after 2.5 s; it goes on" in str(error)


@pytest.mark.parametrize(
    ("text", "there"),
    [("2026-01-02T12:00:00Z", True), ("2026-01-02T12:00:00.123456Z", True), ("soon", False)],
)
def test_times(text: str, there: bool) -> None:
    time = parse_time(text)
    assert (time is not None and time.tzinfo is not None) is there


CONFIG: dict[str, Any] = {
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
        {"name": "two", "context": {"cluster": "c", "user": "u"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example.com:6443"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


@pytest.mark.parametrize(
    ("context", "namespace", "expected"),
    [(None, None, "shop"), ("two", None, "default"), (None, "ops", "ops"), ("two", "ops", "ops")],
    ids=["of-the-context", "default", "asked-for", "asked-for-over-default"],
)
def test_the_namespace(
    context: str | None, namespace: str | None, expected: str, tmp_path: Any, monkeypatch: Any
) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(CONFIG), "utf-8")
    monkeypatch.setenv("KUBECONFIG", f"/nope:{file}")
    connection = connect(context=context, namespace=namespace)
    assert connection.namespace == expected
    assert connection.host == "https://k8s.example.com:6443"


@pytest.mark.parametrize(
    "text", ["", "[]", "not: [yaml", '{"current-context": "gone"}', "current-context: c\n"]
)
def test_a_kubeconfig_that_is_none(text: str, tmp_path: Any) -> None:
    file = tmp_path / "config"
    file.write_text(text, "utf-8")
    with pytest.raises(errors.Unreachable, match="kubeconfig"):
        connect(kubeconfig=str(file))


def test_a_context_that_is_not_there(tmp_path: Any) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(CONFIG), "utf-8")
    with pytest.raises(errors.Unreachable, match="three"):
        connect(kubeconfig=str(file), context="three")


@pytest.fixture
def answering(tmp_path: Any) -> Iterator[Callable[[bytes], Client]]:
    """A client of a server that answers each request with these bytes, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answers[0])

    def client(answer: bytes) -> Client:
        answers.append(answer)
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        clusters = [{"name": "c", "cluster": {"server": server}}]
        file = tmp_path / "config"
        file.write_text(json.dumps({**CONFIG, "clusters": clusters}), "utf-8")
        return Client(connect(kubeconfig=str(file)))

    threading.Thread(target=serve, daemon=True).start()
    yield client
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENT = b'{"type": "ADDED", "object": {}}\n'


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        pytest.param(HEAD + b"\r\n" + EVENT + b'{"type": "MO', 1, id="within-a-line"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n" + EVENT + b"\r\n9",
            1,
            id="within-a-chunk",
        ),
    ],
)
def test_a_watch_that_breaks_off(
    answer: bytes, seen: int, answering: Callable[[bytes], Client]
) -> None:
    events = answering(answer).watch_once(Selection(RUNS, "shop"), "1", 5)
    told: list[str] = []
    with pytest.raises(errors.ServerError, match="broke off"):
        told.extend(kind for kind, _ in events)
    assert told == ["OPEN", *["ADDED"] * seen]


def test_a_start_whose_answer_is_lost_says_that_it_may_have_been_made(
    answering: Callable[[bytes], Client],
) -> None:
    with pytest.raises(errors.Unreachable, match=r"whether it did create .* is not known"):
        start_run(answering(b""), "w", namespace="shop")


def test_what_is_no_api_server(answering: Callable[[bytes], Client]) -> None:
    page = HEAD + b"Content-Length: 14\r\n\r\n<html>Welcome!"
    with pytest.raises(errors.NotInstalled, match="does not answer as an API server does"):
        answering(page).get(RUNS, "shop", "r")
