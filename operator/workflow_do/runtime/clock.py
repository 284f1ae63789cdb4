"""The wall clock, in one place, so that everything else can be given a time.

Decides nothing. Waits are measured on the event loop's own clock, never on this one.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that may ask
