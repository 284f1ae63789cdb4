"""The programs keep the contract, against a real PostgreSQL and the example's own services."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from onboarding_support import open_session

if TYPE_CHECKING:
    from onboarding_support import Programs, Service

ALEX = {"email": "user@example.com", "name": "Alex", "plan": "free-tier"}


def count_users(database: dict[str, str], key: str) -> int:
    with open_session(database) as session:
        rows = session.run("SELECT count(*) FROM users WHERE idempotency_key = :key", key=key)
    return int(rows[0][0])


def test_the_same_key_makes_one_user(programs: Programs, database: dict[str, str]) -> None:
    first = programs.run("create_user", ALEX, key="one-user", **database)
    again = programs.run("create_user", ALEX, key="one-user", **database)
    assert (first.exit_code, again.exit_code) == (0, 0), first.log + again.log
    assert first.value == again.value
    assert list(first.value) == ["userId"]
    assert uuid.UUID(first.value["userId"])
    assert count_users(database, "one-user") == 1


def test_a_key_that_made_another_user_is_refused(
    programs: Programs, database: dict[str, str]
) -> None:
    programs.run("create_user", ALEX, key="taken", **database)
    other = programs.run("create_user", {**ALEX, "email": "b@example.com"}, key="taken", **database)
    assert (other.exit_code, other.output) == (22, "")
    assert "another user" in other.log


def test_a_user_is_deleted_once_and_again_without_harm(
    programs: Programs, database: dict[str, str]
) -> None:
    made = programs.run("create_user", ALEX, key="undone", **database)
    others = programs.run("create_user", ALEX, key="kept", **database)
    first = programs.run("delete_user", made.value, **database)
    again = programs.run("delete_user", made.value, **database)
    assert (first.exit_code, first.value) == (0, {"deleted": True}), first.log
    assert (again.exit_code, again.value) == (0, {"deleted": False}), again.log
    assert (count_users(database, "undone"), count_users(database, "kept")) == (0, 1)
    assert others.exit_code == 0


def test_a_wrong_password_is_a_refusal(programs: Programs, database: dict[str, str]) -> None:
    ended = programs.run("create_user", ALEX, **{**database, "DATABASE_PASSWORD": "wrong"})
    assert (ended.exit_code, ended.output) == (22, "")
    assert "password authentication failed" in ended.log


def test_input_is_data_for_the_database(programs: Programs, database: dict[str, str]) -> None:
    name = "Robert'); DROP TABLE users;--"
    ended = programs.run("create_user", {**ALEX, "name": name}, key="quoted", **database)
    assert ended.exit_code == 0, ended.log
    assert count_users(database, "quoted") == 1


def test_a_contact_is_made_once_for_a_key(programs: Programs, crm: Service) -> None:
    url = f"http://127.0.0.1:{crm.ports['PORT']}"
    fields = {"userId": "u-1", "email": "contact@example.com"}
    ended = [programs.run("add_to_crm", fields, key="one-contact", CRM_URL=url) for _ in range(2)]
    assert [end.exit_code for end in ended] == [0, 0], ended
    assert ended[0].value == ended[1].value
    kept = [record for record in crm.records() if record["email"] == fields["email"]]
    assert kept == [{**fields, **ended[0].value}]


def test_a_refusal_by_the_crm_has_its_own_exit_code(programs: Programs, crm: Service) -> None:
    url = f"http://127.0.0.1:{crm.ports['PORT']}"
    fields = {"userId": "u-1", "email": "refused@example.com"}
    ended = programs.run("add_to_crm", fields, CRM_URL=url)
    assert (ended.exit_code, ended.output) == (22, "")
    assert "refused with 422: contacts like refused@example.com" in ended.log
    assert "refused@example.com" not in str(crm.records())


def test_the_welcome_reaches_the_address_in_the_database(
    programs: Programs, database: dict[str, str], mail: Service
) -> None:
    user = programs.run("create_user", ALEX, key="welcome", **database).value
    where = {"MAIL_HOST": "127.0.0.1", "MAIL_PORT": str(mail.ports["SMTP_PORT"])}
    fields = {**user, "template": "new-user-welcome"}
    ended = programs.run("send_welcome", fields, key="message-1", **database, **where)
    assert ended.exit_code == 0, ended.log
    (record,) = [r for r in mail.records() if r["messageId"] == ended.value["messageId"]]
    assert record["to"] == [ALEX["email"]]
    assert record["subject"] == "Welcome, Alex!"
    assert "Hello Alex," in record["body"]


def test_nobody_is_written_to_who_is_not_in_the_database(
    programs: Programs, database: dict[str, str]
) -> None:
    fields = {"userId": str(uuid.uuid4()), "template": "new-user-welcome"}
    where = {"MAIL_HOST": "127.0.0.1", "MAIL_PORT": "1"}
    ended = programs.run("send_welcome", fields, **database, **where)
    assert (ended.exit_code, ended.output) == (22, "")
    assert fields["userId"] in ended.log


def test_the_team_is_told_once(programs: Programs, ops: Service) -> None:
    url = f"http://127.0.0.1:{ops.ports['PORT']}"
    fields = {"message": "Onboarding failed for user@example.com"}
    ended = [programs.run("notify_ops", fields, key="told", OPS_URL=url) for _ in range(2)]
    assert [(end.exit_code, end.output) for end in ended] == [(0, "{}"), (0, "{}")], ended
    told = {"severity": "warning", "run": "onboarding-x7k2p", "step": "someStep"}
    assert ops.records() == [{**fields, **told}]
