"""What one rendering may cost, and the two ways in which it ends early.

Decides when a rendering has cost too much. Knows nothing of syntax, filters or Kubernetes. The
limits bound time and memory together: a step is one evaluated node or one visited list item, and
everything that is built is charged *before* it is built, so that a bomb ends as a failure and
never as a slow or a large process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any

MAX_STEPS: Final = 10_000
"""Evaluated nodes, visited list items and scanned half kilobytes of text, of one rendering."""
MAX_BUILT_BYTES: Final = 1024 * 1024
"""Bytes of strings, lists and mappings that one rendering may build, its result included."""
MAX_INTEGER_BITS: Final = 1024
"""A larger integer inside an expression has no use and makes arithmetic and text slow."""
MAX_VALUE_DEPTH: Final = 128
"""How deep a value may be nested when it is compared, measured or written as text."""

_SCAN_BYTES_LOG2: Final = 9
_ITEM_BYTES: Final = 16
_ENTRY_BYTES: Final = 64


class Failed(Exception):
    """The expression has no value: the message says why, without any data in it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self._message = message

    def describe(self) -> str:
        """The message: names, keys and types, but never a value."""
        return self._message


class Missing(Failed):
    """Something is not there. `default` and `is defined` catch this, and nothing else.

    The words are made only when the failure is shown, because most are caught.
    """

    def __init__(self, words: Callable[[], str]) -> None:
        super().__init__("missing")
        self._words = words

    def describe(self) -> str:
        return self._words()


class Context:
    """The names an expression can use, and what is left of the budget."""

    __slots__ = ("path", "room", "scope", "source", "steps")

    def __init__(self, scope: Mapping[str, Json]) -> None:
        self.scope = scope
        self.steps = MAX_STEPS
        self.room = MAX_BUILT_BYTES
        self.path = ""
        self.source = ""

    def step(self, count: int = 1) -> None:
        """Count evaluated nodes or visited items."""
        self.steps -= count
        if self.steps < 0:
            raise Failed(f"costs too much: more than {MAX_STEPS:,} steps")

    def charge(self, size: int) -> None:
        """Pay for `size` bytes that are about to be built."""
        self.room -= size
        if self.room < 0:
            raise Failed("costs too much: more than 1 MiB of text, lists and mappings")

    def scan(self, text: str) -> None:
        """Pay for reading a text from end to end."""
        self.step(len(text) >> _SCAN_BYTES_LOG2)

    def charge_text(self, text: str, growth: int = 1) -> None:
        """Pay for a new text as long as this one, or `growth` times as long."""
        self.charge(text_size(text) * growth)

    def charge_list(self, length: int) -> None:
        """Pay for a list of that many items; who looks at each item pays steps for that."""
        self.charge(_ITEM_BYTES * (length + 1))

    def charge_mapping(self, length: int) -> None:
        """Pay for a mapping of that many entries, or for a list of new strings or lists."""
        self.charge(_ENTRY_BYTES * (length + 1))


def text_size(text: str) -> int:
    """The bytes that Python takes for the text, at most."""
    return len(text) if text.isascii() else 4 * len(text)
