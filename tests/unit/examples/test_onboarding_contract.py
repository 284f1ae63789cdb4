"""What the programs do with a contract that is not kept, without any service."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from onboarding.add_to_crm import add_to_crm
from onboarding.contract import ActionError, email_field, text_field, write_output
from onboarding.create_user import create_user
from onboarding.network import connect_when_up, post_json
from onboarding.notify_ops import notify_ops
from onboarding.send_welcome import send_welcome
from onboarding_support import environment

if TYPE_CHECKING:
    from onboarding_support import Action, Programs

ALEX = {"email": "user@example.com", "name": "Alex", "plan": "free-tier"}
CONTACT = {"userId": "u", "email": "a@example.com"}


@pytest.mark.parametrize(
    ("action", "fields", "message"),
    [
        (create_user, "{", "ACTION_INPUT is not JSON"),
        (create_user, "[]", "must be a JSON object, not list"),
        (create_user, {"name": "Alex", "plan": "free-tier"}, "'email' is missing"),
        (add_to_crm, {"userId": 7, "email": "a@example.com"}, "'userId' must be a string"),
        (send_welcome, {"userId": "u", "template": "none"}, "there is no template 'none'"),
        (notify_ops, {"message": "m", "severity": "loud"}, "'severity' must be one of"),
        (notify_ops, {"message": "m"}, "OPS_URL is not set"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence(
    programs: Programs, action: Action, fields: object, message: str
) -> None:
    ended = programs.run_here(action, fields)
    assert (ended.exit_code, ended.output) == (2, "")
    assert message in ended.log


def test_a_program_ends_with_the_exit_code_and_no_traceback(programs: Programs) -> None:
    ended = programs.run("create_user", "{")
    assert (ended.exit_code, ended.output) == (2, "")
    assert ended.log.startswith("error: ACTION_INPUT is not JSON")


@pytest.mark.parametrize(
    ("action", "fields", "env"),
    [
        (create_user, ALEX, {"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": "1"}),
        (add_to_crm, CONTACT, {"CRM_URL": "http://127.0.0.1:1"}),
        (notify_ops, {"message": "m"}, {"OPS_URL": "http://127.0.0.1:1"}),
    ],
    ids=["database", "crm", "ops"],
)
def test_a_service_that_is_not_there_is_no_refusal(
    programs: Programs, action: Action, fields: dict[str, str], env: dict[str, str]
) -> None:
    names = {f"DATABASE_{name}": "x" for name in ("NAME", "USER", "PASSWORD")}
    ended = programs.run_here(action, fields, **names, **env)
    assert (ended.exit_code, ended.output) == (75, "")
    assert "cannot be reached" in ended.log


@pytest.mark.parametrize(
    "value",
    ["", "   ", "two\nlines", "x" * 1001, None, 3, ["a"]],
    ids=["empty", "blank", "control", "long", "null", "number", "list"],
)
def test_text_fields_are_short_lines(value: object) -> None:
    with pytest.raises(ActionError, match="'name'"):
        text_field({"name": value}, "name")


@pytest.mark.parametrize("value", ["a", "@b", "a@", "a b@example.com", "a@b,c@d", "ü@example.com"])
def test_odd_addresses_are_not_taken(value: str) -> None:
    with pytest.raises(ActionError, match="not an e-mail address"):
        email_field({"email": value})


@pytest.mark.parametrize(("size", "fits"), [(4095, True), (4096, False)])
def test_an_output_of_4096_bytes_is_never_written(
    size: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "output"
    monkeypatch.setenv("ACTION_OUTPUT", str(place))
    output = {"a": "x" * (size - len('{"a":""}'))}
    if fits:
        write_output(output)
        assert json.loads(place.read_text()) == output
    else:
        with pytest.raises(ActionError, match="4096 bytes"):
            write_output(output)
        assert not place.exists()


def test_a_service_that_comes_up_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START_WAIT_SECONDS", "5")
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound but not listening: refused
        late = threading.Timer(0.3, reserved.listen)
        late.start()
        connect_when_up("it", lambda: socket.create_connection(reserved.getsockname(), 1)).close()
        late.join()


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [("400 Bad Request", 22), ("503 Service Unavailable", 75), ("302 Found", 75)],
)
def test_an_http_answer_becomes_an_exit_code(
    status: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("IT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("WORKFLOW_IDEMPOTENCY_KEY", "key")

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ActionError, match=status[:3]) as caught:
            post_json("it", "IT_URL", "/x", {})
        thread.join()
    assert caught.value.exit_code == exit_code


def test_a_program_ends_when_told_to(tmp_path: Path) -> None:
    """Also as process 1, where the kernel does nothing by default: there must be a handler."""
    env = environment(
        ACTION_INPUT='{"message": "m"}',
        ACTION_OUTPUT=str(tmp_path / "output"),
        WORKFLOW_IDEMPOTENCY_KEY="key",
        OPS_URL="http://127.0.0.1:1",
    )
    command = [sys.executable, "-m", "onboarding.notify_ops"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "is not up yet" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 143
