"""A schema makes the operator open nothing: shown with a listener and a watched file.

The listener is a real one, the file is watched by the kernel (inotify), and a control shows that
both notice the library's own way of fetching, which ours has replaced.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import struct
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import jsonschema_rs
import pytest

from workflow_do.engine import schemas
from workflow_do.engine.schemas import SchemaProblem, Validator, compile_schema

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are watched by inotify")

_IN_OPEN: Final = 0x20
_EVENT_BYTES: Final = 4096


class Bait:
    """An address and a file that nobody must touch, and who did."""

    def __init__(self, url: str, file: Path, requests: list[str]) -> None:
        self.url = url
        self.file = file
        self.requests = requests
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._watch, os.fsencode(file), _IN_OPEN) > 0

    def touched(self) -> list[str]:
        """Requests that came in and times the file was opened, since the last time asked."""
        found, self.requests[:] = list(self.requests), []
        readable, _, _ = select.select([self._watch], [], [], 0)
        data = os.read(self._watch, _EVENT_BYTES) if readable else b""
        return found + ["file"] * (len(data) // struct.calcsize("iIII"))

    def close(self) -> None:
        """Stop watching."""
        os.close(self._watch)


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bait]:
    file = tmp_path_factory.mktemp("schemas") / "secret.json"
    file.write_text('{"type": "integer"}', encoding="utf-8")
    requests: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "integer"}')

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base's
            """Not on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    made = Bait(f"http://127.0.0.1:{server.server_port}/s.json", file, requests)
    yield made
    made.close()
    server.shutdown()
    server.server_close()


def targets(bait: Bait) -> list[str]:
    """Every way of writing where something else is."""
    path, web = str(bait.file), bait.url
    return [
        web,
        web.upper(),
        web.removeprefix("http:"),
        f"{web}#/$defs/a",
        web.replace("http", "https"),
        web.replace("http", "ftp"),
        f"file://{path}",
        f"file://localhost{path}",
        f"file:{path}",
        path,
        f"../../../../../../../../..{path}",
        f"{path}#",
        "file:///proc/self/environ",
        "urn:uuid:7b6e0d0c-0000-4000-8000-000000000000",
        "data:application/json,{}",
    ]


Wrap = Callable[[str], dict[str, Any]]

WAYS: Final[dict[str, Wrap]] = {
    "$ref": lambda t: {"$ref": t},
    "$dynamicRef": lambda t: {"$dynamicRef": t},
    "$recursiveRef": lambda t: {"$recursiveRef": t},
    "$schema": lambda t: {"$schema": t, "type": "object"},
    "$id": lambda t: {"$id": t, "$ref": "other.json"},
    "$id below": lambda t: {"properties": {"a": {"$id": t, "$ref": "#/$defs/x"}}},
    "$vocabulary": lambda t: {"$vocabulary": {t: True}},
    "in properties": lambda t: {"properties": {"a": {"$ref": t}}},
    "in $defs": lambda t: {"$defs": {"a": {"$ref": t}}, "$ref": "#/$defs/a"},
    "in $defs unused": lambda t: {"$defs": {"a": {"$ref": t}}},
    "in allOf": lambda t: {"allOf": [{"$ref": t}]},
    "in if": lambda t: {"if": {"$ref": t}, "then": {}},
    "in items": lambda t: {"items": {"$ref": t}, "prefixItems": [{"$ref": t}]},
    "in contentSchema": lambda t: {"contentSchema": {"$ref": t}},
    "in an unknown keyword": lambda t: {"x-else": {"$ref": t}, "$ref": "#/x-else"},
    "in an enum": lambda t: {"enum": [{"$ref": t}]},
    "in a default": lambda t: {"default": {"$ref": t}, "examples": [{"$ref": t}]},
    "as a name": lambda t: {"properties": {"$ref": {"const": t}}},
    "as a format": lambda t: {"properties": {"a": {"format": "uri", "const": t}}},
}
HARMLESS: Final = {"in an enum", "in a default", "as a name", "as a format"}
"""Here it is a value, not a keyword: such schemas are accepted, and still open nothing."""


@pytest.mark.parametrize("way", WAYS)
def test_no_schema_opens_a_socket_or_a_file(bait: Bait, way: str) -> None:
    bait.touched()
    for target in targets(bait):
        found = compile_schema(WAYS[way](target), "inputSchema")
        if isinstance(found, Validator):
            for value in ({"a": target}, {"$ref": target}, {"a": {"$ref": target}}):
                found.check(value, "input")
        # Of the names of a dialect, the one that is spoken here is known without asking.
        assert isinstance(found, SchemaProblem) != (way in HARMLESS), target
    assert bait.touched() == []


@pytest.mark.parametrize("way", WAYS)
def test_nor_would_the_library_as_it_is_set_up(bait: Bait, way: str) -> None:
    """The second wall: what the survey of a schema might miss is not fetched either."""
    bait.touched()
    for target in targets(bait):
        try:
            compiled = schemas._compile_within(WAYS[way](target), 16 * 1024)
            compiled.is_valid({"a": target})
        except (ValueError, jsonschema_rs.ReferencingError):
            continue
    assert bait.touched() == []


def test_the_bait_would_notice(bait: Bait) -> None:
    for target, seen in ((bait.url, "/s.json"), (f"file://{bait.file}", "file")):
        bait.touched()
        jsonschema_rs.Draft202012Validator({"$ref": target})
        assert seen in bait.touched()
    assert json.loads(bait.file.read_text(encoding="utf-8")) == {"type": "integer"}
