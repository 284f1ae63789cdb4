"""Reaching a service that may still be starting, with a bound; a clear word when it is not there.

Only a refused connection or an unknown name is waited for: then nothing has been sent yet, so
nothing is done twice. Whatever fails after that is told at once; to try again is the operator's.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from onboarding.contract import (
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    ActionError,
    bad_input,
    log,
    require_env,
)

Connection = TypeVar("Connection")

CONNECT_TIMEOUT_SECONDS = 5.0
ANSWER_TIMEOUT_SECONDS = 15.0
START_WAIT_SECONDS = 20.0
POLL_SECONDS = 0.25
MAX_ANSWER_BYTES = 64 * 1024
MAX_QUOTE_CHARS = 300

NOT_THERE_YET = (ConnectionRefusedError, socket.gaierror)


def start_wait_seconds() -> float:
    """How long a service may take to come up: START_WAIT_SECONDS in the environment, else 20."""
    value = os.environ.get("START_WAIT_SECONDS", "")
    try:
        return float(value) if value else START_WAIT_SECONDS
    except ValueError:
        raise bad_input(f"START_WAIT_SECONDS must be a number of seconds: {value!r}") from None


def connect_when_up(what: str, connect: Callable[[], Connection]) -> Connection:
    """What `connect` gives, tried until the service `what` is there or the wait is over.

    Raises ActionError (EXIT_UNAVAILABLE) then, and at once for any other failure to connect.
    """
    give_up = time.monotonic() + start_wait_seconds()
    told = False
    while True:
        try:
            return connect()
        except NOT_THERE_YET as error:
            if time.monotonic() >= give_up:
                raise _unreachable(what, error) from error
            if not told:
                log(f"{what} is not up yet ({error}); waiting")
                told = True
        except OSError as error:
            raise _unreachable(what, error) from error
        time.sleep(POLL_SECONDS)


def _unreachable(what: str, error: OSError) -> ActionError:
    return ActionError(f"{what} cannot be reached: {error}", EXIT_UNAVAILABLE)


def port_env(name: str, default: int) -> int:
    """A port number from the environment."""
    value = os.environ.get(name, "") or str(default)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise bad_input(f"environment variable {name} must be a port number: {value!r}")
    return int(value)


def post_json(what: str, url_env: str, path: str, body: Mapping[str, object]) -> dict[str, object]:
    """POST `body` to `path` below the URL in `url_env`, under the idempotency key; the JSON answer.

    Raises ActionError: EXIT_REFUSED for a 4xx, EXIT_UNAVAILABLE for everything else but 2xx.
    """
    where = urlsplit(require_env(url_env))
    if where.scheme != "http" or not where.hostname:
        raise bad_input(f"environment variable {url_env} must be an http:// URL")
    host, port = where.hostname, where.port or 80
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": require_env("WORKFLOW_IDEMPOTENCY_KEY"),
    }
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_TIMEOUT_SECONDS)
    connection.sock = connect_when_up(
        what, lambda: socket.create_connection((host, port), CONNECT_TIMEOUT_SECONDS)
    )
    connection.sock.settimeout(ANSWER_TIMEOUT_SECONDS)
    try:
        connection.request("POST", where.path.rstrip("/") + path, json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise ActionError(f"{what} did not answer: {error!r}", EXIT_UNAVAILABLE) from error
    finally:
        connection.close()
    return _judge(what, response.status, content)


def _judge(what: str, status: int, content: bytes) -> dict[str, object]:
    try:
        answer = json.loads(content) if content else {}
    except ValueError:
        answer = content.decode("utf-8", "replace")
    if 200 <= status < 300 and isinstance(answer, dict):
        return answer
    said = answer.get("error", answer) if isinstance(answer, dict) else answer
    quote = str(said)[:MAX_QUOTE_CHARS]
    if 400 <= status < 500:
        raise ActionError(f"{what} refused with {status}: {quote}", EXIT_REFUSED)
    raise ActionError(f"{what} answered {status}: {quote}", EXIT_UNAVAILABLE)
