"""Service ops receiver: keeps the notifications that the people on duty would get.

POST /notifications {message, …} → 201; the same Idempotency-Key again → 200, kept once.
"""

from __future__ import annotations

from onboarding.receiver import (
    Answer,
    Record,
    Records,
    port_from_env,
    run_until_stopped,
    serve_http,
)


class Ops:
    """The rules of the receiver over its memory."""

    def __init__(self) -> None:
        self.records = Records()

    def post(self, path: str, body: Record, key: str) -> Answer:
        """One POST; the status and the answer."""
        if path != "/notifications":
            return 404, {"error": f"nothing is taken at {path}"}
        if not isinstance(body.get("message"), str) or not body["message"]:
            return 400, {"error": "message must be a string with something in it"}
        if not key:
            return 400, {"error": "an Idempotency-Key header is needed"}
        _, is_new = self.records.add_once(key, body)
        return 201 if is_new else 200, {}


def main() -> None:
    """Serve on PORT (8080)."""
    ops = Ops()
    run_until_stopped("ops", serve_http(port_from_env("PORT", 8080), ops.records, ops.post))


if __name__ == "__main__":
    main()
