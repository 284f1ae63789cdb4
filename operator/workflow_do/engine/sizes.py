"""How many bytes a JSON value takes in the API server's store. Knows no limit."""

from __future__ import annotations

import orjson

from workflow_do.api.base import Json


def stored_size(value: Json) -> int:
    """The bytes of a JSON value as Go writes it: `<`, `>`, `&` and two separators are escaped."""
    data = orjson.dumps(value)
    escaped = data.count(b"<") + data.count(b">") + data.count(b"&")
    separators = data.count(b"\xe2\x80\xa8") + data.count(b"\xe2\x80\xa9")
    return len(data) + 5 * escaped + 3 * separators
