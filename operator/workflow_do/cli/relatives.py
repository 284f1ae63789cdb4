"""The children of a run that is being followed, read again every second while it goes on.

The run itself is watched; of its children only what stands in it would be known. Decides how often
they are read; one that cannot be read is left out, for the run is what was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from workflow_do.sdk.errors import WorkflowDoError
from workflow_do.sdk.run import Run

_PAUSE_SECONDS: Final = 1.0


class Relatives:
    """Use it as a context; `family` gives a run with its children."""

    def __init__(self, family: Callable[[Run], Run]) -> None:
        self._family = family
        self._run: Run | None = None
        self._children: tuple[Run, ...] = ()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Relatives:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def look_at(self, run: Run) -> None:
        """The run as it is now; at its end its children are read at once, a last time."""
        self._run = run
        if run.completed:
            self._over.set()
            self._thread.join()
            self._once(run)

    def of(self, run: Run) -> Run:
        """The run with its children, as last read."""
        return replace(run, children=self._children)

    def _read(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            if self._run is not None:
                self._once(self._run)

    def _once(self, run: Run) -> None:
        try:
            self._children = self._family(run).children
        except WorkflowDoError:
            return
