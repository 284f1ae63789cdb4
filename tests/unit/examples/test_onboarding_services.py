"""The example's services: what they take, what they refuse, and how they end."""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from onboarding.crm import Crm
from onboarding.database import INSERT_USER
from onboarding.mail import MAX_MESSAGE_BYTES, describe_message
from onboarding.ops import Ops
from onboarding.receiver import MAX_BODY_BYTES, MAX_RECORDS, Records
from onboarding_support import (
    database_folder,
    database_settings,
    environment,
    open_session,
    start_database,
)

if TYPE_CHECKING:
    from onboarding_support import Service

CONTACT = {"userId": "u", "email": "a@example.com"}


@pytest.mark.parametrize(
    ("path", "body", "key", "status"),
    [
        ("/contacts", CONTACT, "k", 201),
        ("/contacts", {**CONTACT, "email": "refused@example.com"}, "k", 422),
        ("/contacts", {**CONTACT, "email": "not-refused@example.com"}, "k", 201),
        ("/contacts", {"userId": "u"}, "k", 400),
        ("/contacts", CONTACT, "", 400),
        ("/elsewhere", CONTACT, "k", 404),
    ],
)
def test_crm_rules(path: str, body: dict[str, str], key: str, status: int) -> None:
    assert Crm(r"^refused").post(path, body, key)[0] == status


def test_crm_refuses_a_key_used_for_another_contact() -> None:
    crm = Crm(r"^refused")
    crm.post("/contacts", CONTACT, "k")
    assert crm.post("/contacts", CONTACT, "k")[0] == 200
    assert crm.post("/contacts", {**CONTACT, "userId": "other"}, "k")[0] == 409


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [({"message": "m"}, "k", 201), ({}, "k", 400), ({"message": "m"}, "", 400)],
)
def test_ops_rules(body: dict[str, str], key: str, status: int) -> None:
    assert Ops().post("/notifications", body, key)[0] == status


def test_the_memory_of_a_service_is_bounded() -> None:
    records = Records()
    for number in range(MAX_RECORDS + 5):
        records.add_once(str(number), {"number": number})
    assert [record["number"] for record in records.read()] == list(range(5, MAX_RECORDS + 5))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/healthz", "", 200),
        ("GET", "/elsewhere", "", 404),
        ("POST", "/notifications", "no json", 400),
        ("POST", "/notifications", "[]", 400),
        ("POST", "/notifications", "x" * (MAX_BODY_BYTES + 1), 413),
    ],
    ids=["health", "unknown", "no-json", "no-object", "too-large"],
)
def test_http_answers(ops: Service, method: str, path: str, body: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ops.ports["PORT"], timeout=5)
    connection.request(method, path, body)
    response = connection.getresponse()
    content = json.load(response)
    connection.close()
    assert response.status == status
    assert isinstance(content, dict)


def smtp_replies(port: int, *lines: str) -> list[int]:
    """The reply codes of a session, the greeting first."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        replies = client.makefile("rb")
        codes = [int(replies.readline()[:3])]
        for line in lines:
            client.sendall(f"{line}\r\n".encode())
            codes.append(int(replies.readline()[:3]))
    return codes


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["EHLO x", "NOOP", "VRFY a", "RSET", "WHAT", "QUIT"], [250, 250, 252, 250, 500, 221]),
        (["RCPT TO:<a@example.com>", "DATA"], [503, 503]),
        (["MAIL FROM:a@example.com", "MAIL FROM:<>", "RCPT TO:<a>"], [501, 250, 501]),
        (["MAIL FROM:<a@example.com> SIZE=10", "RCPT TO:<b@example.com>", "DATA"], [250, 250, 354]),
    ],
    ids=["commands", "order", "addresses", "parameters"],
)
def test_smtp_dialogue(mail: Service, lines: list[str], codes: list[int]) -> None:
    assert smtp_replies(mail.ports["SMTP_PORT"], *lines) == [220, *codes]


def test_smtp_keeps_a_line_that_begins_with_a_dot(mail: Service) -> None:
    text = "Subject: Dots\r\nMessage-ID: <dots@example.com>\r\n\r\n.one\r\n..two\r\n"
    with smtplib.SMTP("127.0.0.1", mail.ports["SMTP_PORT"], timeout=5) as client:
        client.sendmail("a@example.com", ["b@example.com"], text)
    (record,) = [r for r in mail.records() if r["subject"] == "Dots"]
    assert record["body"].splitlines() == [".one", "..two"]
    assert record["messageId"] == "<dots@example.com>"


def test_smtp_refuses_what_is_too_large(mail: Service) -> None:
    text = "Subject: Large\r\n\r\n" + ("x" * 70 + "\r\n") * (MAX_MESSAGE_BYTES // 70)
    with (
        smtplib.SMTP("127.0.0.1", mail.ports["SMTP_PORT"], timeout=5) as client,
        pytest.raises((smtplib.SMTPException, OSError)),
    ):
        client.sendmail("a@example.com", ["b@example.com"], text)
    assert "Large" not in {record["subject"] for record in mail.records()}


def test_a_message_without_a_text_is_kept_all_the_same() -> None:
    content = b"Content-Type: image/png\r\n\r\nabc"
    assert describe_message(content, "a@example.com", ["b@example.com"])["body"] == ""


@pytest.mark.parametrize(
    ("module", "env", "sentence"),
    [
        ("crm", {"REFUSE_EMAIL_PATTERN": "("}, "no regular expression"),
        ("ops", {"PORT": "http"}, "must be a port number"),
        ("postgres", {}, "DATABASE_USER is not set"),
        (
            "postgres",
            {"DATABASE_USER": "a", "DATABASE_NAME": 'a"', "DATABASE_PASSWORD": "p"},
            "NAME",
        ),
    ],
)
def test_a_service_says_what_it_lacks(module: str, env: dict[str, str], sentence: str) -> None:
    command = [sys.executable, "-m", f"onboarding.{module}"]
    done = subprocess.run(
        command, env=environment(**env), capture_output=True, text=True, timeout=5, check=False
    )
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_database_ends_at_once_with_a_session_open_and_starts_again_on_its_data() -> None:
    with database_folder() as folder:
        for users_before in range(2):
            service = start_database(folder)
            with open_session(database_settings(service)) as session:
                assert session.run("SELECT count(*) FROM users") == [[users_before]]
                session.run(INSERT_USER, email="a", name="a", plan="a", key="a")
                assert service.stop() < 2
            assert service.process.returncode == 0
