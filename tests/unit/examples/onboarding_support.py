"""Starts the onboarding example's programs and services as processes of their own.

PostgreSQL comes from the machine (PATH or Debian's place). It refuses to run as root, so a test run
by root starts it as another user, from a folder and with an interpreter that this user may read.
"""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pg8000.native  # type: ignore[import-untyped]
import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "onboarding"
sys.path.insert(0, str(EXAMPLE))

from onboarding.contract import run_action  # noqa: E402 - found by the line above

Action = Callable[[dict[str, object]], Mapping[str, object]]

PASSWORD = "only-for-this-test"
STOP_LIMIT_SECONDS = 5.0
START_LIMIT_SECONDS = 8.0
NOBODY = "nobody"  # PostgreSQL wants a user that has a name
AS_ROOT = os.geteuid() == 0
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    exit_code: int
    output: str
    log: str

    @property
    def value(self) -> dict[str, Any]:
        value = json.loads(self.output)
        assert isinstance(value, dict)
        return value


@dataclass
class Service:
    """A service of the example in its own process, on ports that were free."""

    process: subprocess.Popen[str]
    ports: dict[str, int]
    log: list[str] = field(default_factory=list)

    def records(self) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.ports['PORT']}/records"
        with urllib.request.urlopen(url, timeout=5) as answer:
            records = json.load(answer)["records"]
        assert isinstance(records, list)
        return records

    def stop(self) -> float:
        """Send SIGTERM; the seconds until the process has ended."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=STOP_LIMIT_SECONDS)
        return time.monotonic() - begun


def find_postgresql() -> Path:
    """The folder of PostgreSQL's programs; fails the test where there is none."""
    on_path = shutil.which("postgres")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if on_path is None and not found:
        pytest.fail("PostgreSQL's server is needed: apt-get install postgresql", pytrace=False)
    return Path(on_path).resolve().parent if on_path else found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """What a container would have: nothing of this machine but the interpreter's needs."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": path, "PYTHONPATH": str(EXAMPLE), "PYTHONUNBUFFERED": "1", **more}


def start_service(
    module: str, *, user: str | None = None, python: str = sys.executable, **env: str
) -> Service:
    """Start a service and wait until its ports take connections."""
    ports = {name: int(value) for name, value in env.items() if name.endswith("PORT")}
    process = subprocess.Popen(
        [python, "-m", f"onboarding.{module}"],
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        cwd="/",
    )
    service = Service(process, ports)
    for port in ports.values():
        wait_for_port(service, port)
    return service


def wait_for_port(service: Service, port: int) -> None:
    give_up = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up and service.process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        select.select([], [], [], 0.01)
    service.process.kill()
    pytest.fail(f"the service did not come up: {service.process.communicate()[0]}")


@contextmanager
def database_folder() -> Iterator[Path]:
    """A folder for a database, owned by the user it will run as, with the programs beside it."""
    # Not tmp_path: its parents are closed to that other user.
    with tempfile.TemporaryDirectory(prefix="onboarding-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        shutil.copytree(EXAMPLE / "onboarding", folder / "code" / "onboarding")
        if AS_ROOT:
            folder.chmod(0o755)
            shutil.chown(folder / "data", NOBODY)
        yield folder


def start_database(folder: Path) -> Service:
    """The example's own PostgreSQL service on a folder of `database_folder`, ready for sessions."""
    service = start_service(
        "postgres",
        user=NOBODY if AS_ROOT else None,
        python=SYSTEM_PYTHON if AS_ROOT else sys.executable,
        DATABASE_FOLDER=str(folder / "data"),
        DATABASE_NAME="onboarding",
        DATABASE_USER="onboarding",
        DATABASE_PASSWORD=PASSWORD,
        PORT=str(free_port()),
        PATH=f"{find_postgresql()}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        PYTHONPATH=str(folder / "code"),
    )
    port = str(service.ports["PORT"])
    is_ready = [
        str(find_postgresql() / "pg_isready"),
        "--quiet",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    give_up = time.monotonic() + START_LIMIT_SECONDS
    while subprocess.run(is_ready, check=False, timeout=START_LIMIT_SECONDS).returncode:
        assert time.monotonic() < give_up, "the database does not take sessions"
    return service


@contextmanager
def open_session(database: dict[str, str]) -> Iterator[pg8000.native.Connection]:
    """A session with the database that the DATABASE_* settings reach."""
    session = pg8000.native.Connection(
        database["DATABASE_USER"],
        host=database["DATABASE_HOST"],
        port=int(database["DATABASE_PORT"]),
        database=database["DATABASE_NAME"],
        password=database["DATABASE_PASSWORD"],
    )
    try:
        yield session
    finally:
        with suppress(pg8000.native.InterfaceError, OSError):
            session.close()


def database_settings(service: Service) -> dict[str, str]:
    """The DATABASE_* settings that reach a service of `start_database`."""
    return {
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(service.ports["PORT"]),
        "DATABASE_NAME": "onboarding",
        "DATABASE_USER": "onboarding",
        "DATABASE_PASSWORD": PASSWORD,
    }


@dataclass(frozen=True)
class Programs:
    """Runs the actions' programs as the operator's Jobs do: contract in the environment."""

    folder: Path

    def run(self, module: str, fields: object, *, key: str = "key", **env: str) -> Ended:
        output, contract = self._contract(fields, key)
        done = subprocess.run(
            [sys.executable, "-m", f"onboarding.{module}"],
            env=environment(**contract, **env),
            capture_output=True,
            text=True,
            timeout=START_LIMIT_SECONDS,
            cwd="/",
            check=False,
        )
        return Ended(done.returncode, output.read_text(), done.stderr)

    def run_here(self, action: Action, fields: object, **env: str) -> Ended:
        """As `run`, without the cost of a process: for what ends before anything is reached."""
        output, contract = self._contract(fields, "key")
        before = signal.getsignal(signal.SIGTERM)
        with (
            mock.patch.dict(os.environ, environment(**contract, **env), clear=True),
            redirect_stderr(io.StringIO()) as log,
        ):
            try:
                exit_code = run_action(action)
            finally:
                signal.signal(signal.SIGTERM, before)
        return Ended(exit_code, output.read_text(), log.getvalue())

    def _contract(self, fields: object, key: str) -> tuple[Path, dict[str, str]]:
        output = self.folder / "output"
        output.write_text("")
        return output, {
            "ACTION_INPUT": fields if isinstance(fields, str) else json.dumps(fields),
            "ACTION_OUTPUT": str(output),
            "WORKFLOW_RUN": "onboarding-x7k2p",
            "WORKFLOW_STEP": "someStep",
            "WORKFLOW_ATTEMPT": "1",
            "WORKFLOW_IDEMPOTENCY_KEY": key,
            "START_WAIT_SECONDS": "0",
        }
