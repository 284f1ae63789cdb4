"""The few calls to a cluster's API that bringing it up takes, over the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

_CALL_LIMIT_SECONDS = 5.0


class Api:
    """A client with the administrator's certificate. Every call opens a connection of its own."""

    def __init__(self, port: int, pki: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 when there was none."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=_CALL_LIMIT_SECONDS, context=self._tls
        )
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``, or None when it cannot be had now."""
        status, body = self.call("GET", path)
        return json.loads(body) if status == 200 else None

    def is_ready(self) -> bool:
        """Whether the API server has done all that it does before it is of use (CRDs included)."""
        return self.call("GET", "/readyz")[0] == 200

    def create(self, path: str, body: object) -> bool:
        """Whether the object is there now."""
        return self.call("POST", path, body)[0] in (201, 409)


def is_node_ready(node: dict[str, Any] | None) -> bool:
    """Ready by its condition, and without the taints that keep Pods away until it is."""
    if node is None:
        return False
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not node.get("spec", {}).get("taints")
