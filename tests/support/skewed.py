"""`python -m support.skewed`: the operator on a machine whose clock is wrong by SKEW_SECONDS.

There is one place in the operator that asks for the wall clock; what that is told is off. Steady
clocks are not: they tell no time of day.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo

from workflow_do.handlers.main import main
from workflow_do.runtime import clock

_SKEW = timedelta(seconds=float(os.environ["SKEW_SECONDS"]))


class _Wrong(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + _SKEW


if __name__ == "__main__":
    clock.datetime = _Wrong  # type: ignore[misc]
    main()
