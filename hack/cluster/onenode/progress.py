"""Tells a waiting person what goes on; knows nothing of what is being done.

On a terminal one live line is rewritten; elsewhere a line is printed for a stage that lasts longer
than a second, and again every fifteen seconds.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

REPEAT_SECONDS = 15.0
REDRAW_SECONDS = 0.1
QUIET_SECONDS = 1.0


def format_elapsed(seconds: float) -> str:
    """``7s``, ``2m05s``."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02d}s"


class Progress:
    """Stages of one command, written to standard error."""

    def __init__(self, stream: TextIO | None = None, width: int = 100) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._width = width
        self._stage = ""
        self._began = self._shown = time.monotonic()

    def stage(self, text: str) -> None:
        """Begins a stage; its elapsed time counts from here."""
        self._stage = text
        self._began = time.monotonic()
        self._shown = self._began + QUIET_SECONDS - REPEAT_SECONDS
        if self._live:
            self._draw(text, self._began)

    def tick(self, detail: str = "") -> None:
        """Called often while a stage lasts; shows it again when it is time to."""
        now = time.monotonic()
        if now - self._shown < (REDRAW_SECONDS if self._live else REPEAT_SECONDS):
            return
        suffix = f": {detail}" if detail else ""
        self._draw(f"{self._stage} [{format_elapsed(now - self._began)}]{suffix}", now)

    def done(self, text: str) -> None:
        """Ends the live line with a sentence that stays."""
        if self._live:
            self._stream.write("\r\x1b[K")
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _draw(self, text: str, now: float) -> None:
        self._shown = now
        if self._live:
            self._stream.write(f"\r\x1b[K{text[: self._width - 1]}")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()
