"""What the example's small services share: a bounded memory, JSON over HTTP, and a prompt end.

A service adds its own POST; everyone gets GET /records (what was received, as JSON) and GET
/healthz. Nothing is kept on disk: the memory ends with the process.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

MAX_RECORDS = 1000
MAX_BODY_BYTES = 64 * 1024
CLIENT_TIMEOUT_SECONDS = 10

Record = dict[str, Any]
Answer = tuple[int, Mapping[str, Any]]


class Records:
    """The last 1000 records, in the order they came; safe to use from many threads."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self._by_key: OrderedDict[str, Record] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        with self._lock:
            self._records.append(record)

    def add_once(self, key: str, record: Record) -> tuple[Record, bool]:
        """The record kept under `key` (of the last 1000 keys), and whether it is this new one."""
        with self._lock:
            if key in self._by_key:
                return self._by_key[key], False
            self._by_key[key] = record
            if len(self._by_key) > MAX_RECORDS:
                self._by_key.popitem(last=False)
            self._records.append(record)
            return record, True

    def read(self) -> list[Record]:
        with self._lock:
            return list(self._records)


class JsonHandler(BaseHTTPRequestHandler):
    """GET /records and /healthz, POST as `post` says; serve_http makes a subclass a server."""

    protocol_version = "HTTP/1.1"
    timeout = CLIENT_TIMEOUT_SECONDS
    records: ClassVar[Records]
    post: ClassVar[Callable[[str, Record, str], Answer]]

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path == "/records":
            self._answer(200, {"records": self.records.read()})
        else:
            self._answer(404, {"error": f"there is no {self.path}"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # the body stays unread
            self._answer(413, {"error": f"a Content-Length up to {MAX_BODY_BYTES} is needed"})
            return
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._answer(400, {"error": "the body must be a JSON object"})
            return
        self._answer(*type(self).post(self.path, body, self.headers.get("Idempotency-Key", "")))

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        payload = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_request(self, code: int | str = "-", _size: int | str = "-") -> None:
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {code}", flush=True)


def refuse_post(path: str, _body: Record, _key: str) -> Answer:
    """The POST of a service that takes nothing over HTTP."""
    return 404, {"error": f"nothing is taken at {path}"}


def serve_http(
    port: int, records: Records, post: Callable[[str, Record, str], Answer]
) -> ThreadingHTTPServer:
    """An HTTP server (not yet running) on `port`, 0 for any free one."""
    members = {"records": records, "post": staticmethod(post)}
    server = ThreadingHTTPServer(("", port), type("Handler", (JsonHandler,), members))
    server.daemon_threads = True
    return server


def port_from_env(name: str, default: int) -> int:
    """A port for a server; ends the program with a sentence when it is not a number."""
    value = os.environ.get(name, "") or str(default)
    if not value.isdecimal() or int(value) > 65535:
        sys.exit(f"error: environment variable {name} must be a port number: {value!r}")
    return int(value)


def run_until_stopped(name: str, *servers: socketserver.TCPServer) -> None:
    """Serve until SIGTERM or SIGINT, then end at once: there is nothing to save."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # threads inherit it: only sigwait hears them
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = ", ".join(str(server.server_address[1]) for server in servers)
    print(f"{name} listens on port {ports}", flush=True)
    received = signal.sigwait(signals)
    print(f"{name} stops ({signal.Signals(received).name})", flush=True)
