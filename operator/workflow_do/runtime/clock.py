"""The clocks, in one place, so that everything else can be given a time.

Decides nothing. Waits are measured on the event loop's own clock, never on the wall clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
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
