"""Asks a name server one question; the whole of DNS that bringing up a cluster takes.

Started inside a node's network as ``python3 -m onenode.dns ADDRESS NAME``; exit code 0 says that
the name has an address.
"""

from __future__ import annotations

import socket
import struct
import sys

_ID = 0x5744
_TYPE_A, _CLASS_IN = 1, 1
_RECURSION_WANTED = 0x0100
_LIMIT_SECONDS = 0.5


def render_question(name: str) -> bytes:
    """A query for the IPv4 addresses of ``name``."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    header = struct.pack(">6H", _ID, _RECURSION_WANTED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">2H", _TYPE_A, _CLASS_IN)


def has_answer(packet: bytes) -> bool:
    """Whether ``packet`` answers our question without an error and with at least one record."""
    if len(packet) < 12:
        return False
    number, flags, _, answers, _, _ = struct.unpack(">6H", packet[:12])
    return bool(number == _ID and flags & 0x8000 and not flags & 0x000F and answers > 0)


def resolves(address: str, name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(_LIMIT_SECONDS)
        try:
            asker.sendto(render_question(name), (address, 53))
            return has_answer(asker.recv(4096))
        except OSError:
            return False


if __name__ == "__main__":
    sys.exit(0 if resolves(sys.argv[1], sys.argv[2]) else 1)
