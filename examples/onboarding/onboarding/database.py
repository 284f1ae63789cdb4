"""The users in PostgreSQL: one connection and the statements that the actions need.

The schema is in schema.sql; who calls, and with what input, is none of its business.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

import pg8000.native  # type: ignore[import-untyped]

from onboarding.contract import EXIT_REFUSED, EXIT_UNAVAILABLE, ActionError, require_env
from onboarding.network import CONNECT_TIMEOUT_SECONDS, connect_when_up, port_env

STATEMENT_TIMEOUT_SECONDS = 10
STARTING_UP = "57P03"  # cannot_connect_now, PostgreSQL's error codes, appendix A

# The no-op update makes the row visible to RETURNING whether it is new or was there before, in one
# statement: two tries at the same time give the same user.
INSERT_USER = """
    INSERT INTO users (email, name, plan, idempotency_key)
    VALUES (:email, :name, :plan, :key)
    ON CONFLICT (idempotency_key) DO UPDATE SET idempotency_key = EXCLUDED.idempotency_key
    RETURNING id::text, email
"""
SELECT_USER = "SELECT email, name FROM users WHERE id::text = :id"
DELETE_USER = "DELETE FROM users WHERE id::text = :id RETURNING id"


class User(NamedTuple):
    """What is needed to write to somebody."""

    email: str
    name: str


class _StartingUp(ConnectionRefusedError):
    """PostgreSQL listens but does not take connections yet: the same as not being there."""


@contextlib.contextmanager
def open_database() -> Iterator[pg8000.native.Connection]:
    """A connection as DATABASE_* in the environment say; its errors come out as ActionError."""
    connection = connect_when_up("the database", _connect)
    try:
        connection.run(f"SET statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s'")
        yield connection
    except pg8000.native.DatabaseError as error:
        raise _explain(error) from error
    except (pg8000.native.InterfaceError, OSError) as error:
        raise ActionError(f"the database connection broke: {error}", EXIT_UNAVAILABLE) from error
    finally:
        with contextlib.suppress(pg8000.native.InterfaceError, OSError):
            connection.close()


def insert_user(
    connection: pg8000.native.Connection, *, email: str, name: str, plan: str, key: str
) -> str:
    """The id of the user made under the idempotency key `key`, now or earlier.

    Raises ActionError (EXIT_REFUSED) when the key has been used for another e-mail address.
    """
    rows = connection.run(INSERT_USER, email=email, name=name, plan=plan, key=key)
    user_id, stored_email = rows[0]
    if stored_email != email:
        raise ActionError("the idempotency key was used for another user before", EXIT_REFUSED)
    return str(user_id)


def find_user(connection: pg8000.native.Connection, user_id: str) -> User | None:
    """The user with the id `user_id`; None when there is none."""
    rows = connection.run(SELECT_USER, id=user_id)
    return User(*rows[0]) if rows else None


def remove_user(connection: pg8000.native.Connection, user_id: str) -> bool:
    """Delete the user with the id `user_id`; whether there was one."""
    return bool(connection.run(DELETE_USER, id=user_id))


def _connect() -> pg8000.native.Connection:
    settings: dict[str, Any] = {
        "host": require_env("DATABASE_HOST"),
        "port": port_env("DATABASE_PORT", 5432),
        "database": require_env("DATABASE_NAME"),
        "user": require_env("DATABASE_USER"),
        "password": require_env("DATABASE_PASSWORD"),
        "timeout": CONNECT_TIMEOUT_SECONDS + STATEMENT_TIMEOUT_SECONDS,
        "ssl_context": _ssl_context(),
    }
    try:
        return pg8000.native.Connection(**settings)
    except pg8000.native.InterfaceError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from error  # refused, unknown name, time out
        raise ActionError(f"the database connection broke: {error}", EXIT_UNAVAILABLE) from error
    except pg8000.native.DatabaseError as error:
        if _code(error) == STARTING_UP:
            raise _StartingUp("the database system is starting up") from error
        raise _explain(error) from error


def _ssl_context() -> ssl.SSLContext | bool:
    """TLS when a CA file is given; the example's own server, in its own namespace, has none."""
    ca_file = os.environ.get("DATABASE_CA_FILE", "")
    return ssl.create_default_context(cafile=ca_file) if ca_file else False


def _code(error: pg8000.native.DatabaseError) -> str:
    fields = error.args[0] if error.args else None
    return str(fields.get("C", "")) if isinstance(fields, dict) else ""


def _explain(error: pg8000.native.DatabaseError) -> ActionError:
    """A refusal for what PostgreSQL forbids (data, constraints, rights), else unavailable."""
    fields = error.args[0] if error.args else None
    message = fields.get("M", "") if isinstance(fields, dict) else str(error)
    # Classes 22 data exception, 23 constraint, 28 authorization, 42 access rule or unknown name.
    refused = _code(error)[:2] in ("22", "23", "28", "42")
    exit_code = EXIT_REFUSED if refused else EXIT_UNAVAILABLE
    return ActionError(f"the database said: {message} ({_code(error)})", exit_code)
