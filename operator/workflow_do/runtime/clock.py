"""The clocks, in one place, so that everything else can be given a time.

Decides nothing. Waits are measured on the event loop's own clock, never on the wall clock.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that may ask


def steady() -> float:
    """Seconds that never go back; while the machine sleeps they go on, where it can tell (Linux).

    For what another machine goes by, too: CLOCK_MONOTONIC stands still in a suspended machine,
    which would then wake with a lease that has long been somebody else's.
    """
    return time.clock_gettime(_STEADY)


class ServerClock:
    """The API server's time, as far as the dates of its answers tell.

    Deadlines count from times that the API server wrote, so they are measured by its clock and not
    by ours. An answer dated D (whole seconds) was written in the second after D, and between the
    request and its arrival: that bounds how far the two are apart. Where they agree nothing moves.
    """

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._last = ""

    def now(self) -> datetime:
        """The present time there, aware, in UTC."""
        return now() + self._ahead

    def heard(self, date: str, sent: datetime, received: datetime) -> None:
        """An answer came with this Date header; `sent` and `received` are by our own clock."""
        if date == self._last:
            return
        self._last = date
        with suppress(ValueError):
            told = parsedate_to_datetime(date).astimezone(UTC)
            least, most = told - received, told + timedelta(seconds=1) - sent
            self._ahead = min(max(self._ahead, least), most)
