"""What a person sees while something takes long: one line on standard error.

On a terminal the line is rewritten in place; elsewhere a new one is printed every ten seconds.
Standard output is left alone: it carries the paths of the finished images.
"""

from __future__ import annotations

import sys
import time

QUIET_SECONDS = 2.0
PLAIN_INTERVAL_SECONDS = 10.0
MAX_LINE_CHARS = 100


def say(sentence: str) -> None:
    """One line of news."""
    print(f"images: {sentence}", file=sys.stderr, flush=True)


class Progress:
    """The line of one running command. `label` says for what; `stage` says where it is."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._stage = ""
        self._started = time.monotonic()
        self._shown_at = 0.0
        self._terminal = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def update(self, stage: str | None = None) -> None:
        """Take a new stage, and show the line if it is time."""
        if stage:
            self._stage = stage
        now = time.monotonic()
        interval = 0.5 if self._terminal else PLAIN_INTERVAL_SECONDS
        if self.seconds < QUIET_SECONDS or now - self._shown_at < interval:
            return
        self._shown_at = now
        line = f"images: {self.label} {self.seconds:.0f} s {self._stage}"[:MAX_LINE_CHARS]
        print(f"\r\033[K{line}" if self._terminal else line, end=self._end, file=sys.stderr)
        sys.stderr.flush()

    def finish(self) -> None:
        """Clear the line; say how long it took if it took long."""
        if self._terminal and self._shown_at:
            print("\r\033[K", end="", file=sys.stderr)
        if self.seconds >= QUIET_SECONDS:
            say(f"{self.label}: {self.seconds:.0f} s")

    @property
    def _end(self) -> str:
        return "" if self._terminal else "\n"
