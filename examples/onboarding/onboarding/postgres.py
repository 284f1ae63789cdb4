"""Service database: a PostgreSQL that makes itself in an empty folder and ends when it is told to.

Runs as process 1 without root, on a read-only root file system: DATABASE_FOLDER (a volume) holds
the data and the socket. Uses the PostgreSQL programs found on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")
SETUP_LIMIT_SECONDS = 120

# Small, since a demonstration has a handful of rows.
SETTINGS = {
    # The volume is an emptyDir: it outlives its container, for which a write is enough, and goes
    # with the node, against which a sync would not help.
    "fsync": "off",
    "listen_addresses": "*",
    "shared_buffers": "16MB",
    "max_connections": "50",
    "jit": "off",
    # Also the longest that a connection which says nothing can hold up the end of the server.
    "authentication_timeout": "3s",
    "autovacuum_max_workers": "1",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "logging_collector": "off",
}


def make_cluster(folder: Path, *, user: str, password: str, database: str) -> Path:
    """The data folder below `folder`, made if it is not there yet, with the schema in it.

    It is made under another name and renamed when complete, so a start that was cut short begins
    anew. Raises subprocess.CalledProcessError when PostgreSQL's own programs fail.
    """
    data = folder / "data"
    if data.is_dir():
        # Nobody else can use this volume, so a process id left behind means nothing; in a new
        # container it may by chance be that of a living process.
        (data / "postmaster.pid").unlink(missing_ok=True)
        return data
    draft = folder / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    password_file = folder / "password"
    password_file.write_text(password, "utf-8")
    password_file.chmod(0o600)
    try:
        _run(
            *("initdb", "--pgdata", draft, "--username", user, "--pwfile", password_file),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions", "--no-sync"),
            *("--auth-local", "trust", "--auth-host", "scram-sha-256"),
        )
    finally:
        password_file.unlink()
    with (draft / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    _single_user(draft, "postgres", f'CREATE DATABASE "{database}"')
    _single_user(draft, database, SCHEMA.read_text("utf-8"))
    draft.rename(data)
    return data


def _single_user(data: Path, database: str, statement: str) -> None:
    """Run one statement without a server that others could already reach."""
    text = f"{statement.rstrip().rstrip(';')};\n\n"  # with -j this is what ends a statement
    settings = ("-c", "exit_on_error=on", "-c", "fsync=off")
    _run("postgres", "--single", "-j", "-D", data, *settings, database, text=text)


def _run(*command: str | Path, text: str | None = None) -> None:
    subprocess.run(
        list(map(str, command)),
        input=text,
        stdin=None if text is not None else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        text=True,
        timeout=SETUP_LIMIT_SECONDS,
        check=True,
    )


def server_command(data: Path, port: int) -> list[str]:
    """The command line of the server over `data`, its socket beside it."""
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(data.parent)}
    return [
        *("postgres", "-D", str(data)),
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]


def supervise(command: list[str]) -> int:
    """Run the server until it ends; its exit code. SIGTERM ends it now, sessions or not.

    PostgreSQL itself takes SIGTERM for "when the last client has gone" and SIGINT for "now".
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = subprocess.Popen(
        command, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    )

    def end_when_told() -> None:
        while True:
            signal.sigwait(signals)
            server.send_signal(signal.SIGINT)

    threading.Thread(target=end_when_told, daemon=True).start()
    return server.wait()


def main() -> int:
    """Make the database as DATABASE_* in the environment say, and serve it."""
    folder = Path(os.environ.get("DATABASE_FOLDER", "/var/lib/onboarding"))
    names = {key: os.environ.get(f"DATABASE_{key}", "") for key in ("USER", "PASSWORD", "NAME")}
    for key, value in names.items():
        if not value:
            return _fail(f"environment variable DATABASE_{key} is not set")
        if key != "PASSWORD" and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value):
            return _fail(f"DATABASE_{key} must be lower-case letters, digits and _: {value!r}")
    if os.geteuid() == 0:
        return _fail("PostgreSQL does not run as root; set runAsUser in the Pod")
    try:
        data = make_cluster(
            folder, user=names["USER"], password=names["PASSWORD"], database=names["NAME"]
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _fail(f"the database cannot be made in {folder}: {error}")
    return supervise(server_command(data, int(os.environ.get("PORT", "") or 5432)))


def _fail(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
