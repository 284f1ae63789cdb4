"""Service mail: an SMTP server (RFC 5321, the minimum of 4.5.1) that keeps what it gets.

GET /records on its HTTP port gives every message as {messageId, from, to, subject, body}.
"""

from __future__ import annotations

import email
import email.policy
import re
import socketserver
from typing import ClassVar

from onboarding.receiver import (
    CLIENT_TIMEOUT_SECONDS,
    Record,
    Records,
    port_from_env,
    refuse_post,
    run_until_stopped,
    serve_http,
)

MAX_LINE_BYTES = 1000  # RFC 5321, 4.5.3.1.6
MAX_MESSAGE_BYTES = 256 * 1024
MAX_RECIPIENTS = 100  # RFC 5321, 4.5.3.1.8
MAX_KEPT_BODY_CHARS = 10_000

_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)


class SmtpHandler(socketserver.StreamRequestHandler):
    """One SMTP session."""

    timeout = CLIENT_TIMEOUT_SECONDS
    records: ClassVar[Records]

    def setup(self) -> None:
        super().setup()
        self._sender: str | None = None
        self._recipients: list[str] = []

    def handle(self) -> None:
        self._reply("220 onboarding-mail ready")
        try:
            while line := self.rfile.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    self._reply("500 line too long")
                    return
                if not self._command(line.decode("ascii", "replace").strip()):
                    return
        except OSError:
            return  # gone or silent for too long: nothing was accepted

    def _command(self, line: str) -> bool:
        """Answer one command; False ends the session."""
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "HELO" | "EHLO":
                self._reset()
                self._reply("250 onboarding-mail")
            case "MAIL":
                self._mail(rest)
            case "RCPT":
                self._rcpt(rest)
            case "DATA":
                return self._data()
            case "RSET":
                self._reset()
                self._reply("250 OK")
            case "NOOP":
                self._reply("250 OK")
            case "VRFY":
                self._reply("252 cannot say")
            case "QUIT":
                self._reply("221 bye")
                return False
            case _:
                self._reply("500 unknown command")
        return True

    def _mail(self, rest: str) -> None:
        if found := _PATH.match(rest):
            self._reset()
            self._sender = found[1]
            self._reply("250 OK")
        else:
            self._reply("501 MAIL FROM:<address>")

    def _rcpt(self, rest: str) -> None:
        found = _PATH.match(rest)
        if self._sender is None:
            self._reply("503 MAIL first")
        elif not found or "@" not in found[1]:
            self._reply("501 RCPT TO:<address>")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._reply("452 too many recipients")
        else:
            self._recipients.append(found[1])
            self._reply("250 OK")

    def _data(self) -> bool:
        if not self._recipients:
            self._reply("503 RCPT first")
            return True
        self._reply("354 end with a line that is a single dot")
        content = bytearray()
        while (line := self.rfile.readline(MAX_LINE_BYTES + 1)) != b".\r\n":
            if not line.endswith(b"\n"):
                return False  # cut off, or a line beyond all measure
            content += line.removeprefix(b".")
            if len(content) > MAX_MESSAGE_BYTES:
                self._reply("552 message too large")
                return False
        self.records.add(describe_message(bytes(content), self._sender or "", self._recipients))
        print(f"message for {', '.join(self._recipients)}", flush=True)
        self._reset()
        self._reply("250 OK kept")
        return True

    def _reset(self) -> None:
        self._sender, self._recipients = None, []

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def describe_message(content: bytes, sender: str, recipients: list[str]) -> Record:
    """A message as it is kept: what a reader of /records wants to see."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    body = message.get_body(("plain",))
    return {
        "messageId": str(message["Message-ID"] or ""),
        "from": sender,
        "to": list(recipients),
        "subject": str(message["Subject"] or ""),
        "body": body.get_content()[:MAX_KEPT_BODY_CHARS] if body else "",
    }


class SmtpServer(socketserver.ThreadingTCPServer):
    """A thread for each session; none of them holds up the end of the process."""

    allow_reuse_address = True
    daemon_threads = True


def serve_smtp(port: int, records: Records) -> SmtpServer:
    """An SMTP server (not yet running) on `port`, 0 for any free one."""
    return SmtpServer(("", port), type("Handler", (SmtpHandler,), {"records": records}))


def main() -> None:
    """Serve SMTP on SMTP_PORT (2525) and HTTP on PORT (8080)."""
    records = Records()
    run_until_stopped(
        "mail",
        serve_http(port_from_env("PORT", 8080), records, refuse_post),
        serve_smtp(port_from_env("SMTP_PORT", 2525), records),
    )


if __name__ == "__main__":
    main()
