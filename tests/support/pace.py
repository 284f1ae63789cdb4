"""How fast this machine is just now, so that a limit in seconds of CPU means the same on each.

A core that others use as well, or a slower one, takes several times as long for the same work, and
counts all of it as CPU time. Limits are meant for a core of the pace below.
"""

from __future__ import annotations

import time
from typing import Final

_TURNS: Final = 50_000
_SECONDS: Final = 0.0035
"""For so many turns of a plain loop, on a core of three gigahertz with nothing else to do."""


def slowness() -> float:
    """How many times as long as on such a core the same work takes now; at least 1."""
    began, sum_ = time.process_time(), 0
    for turn in range(_TURNS):
        sum_ += turn * turn % 7
    return max(1.0, (time.process_time() - began) / _SECONDS)


def is_within(took: float, seconds: float) -> bool:
    """Whether work that just took so many seconds of CPU keeps to a limit."""
    return took <= seconds or took <= seconds * slowness()
