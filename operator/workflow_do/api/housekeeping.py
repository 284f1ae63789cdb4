"""How long what a Workflow has made is kept: the fields of its spec that say so.

They describe the upkeep of what has ended, not the process: no revision holds them, and changing
one makes no new revision. Decides the defaults; what is due is the engine's (`retention`).
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field
from pydantic.alias_generators import to_camel

from workflow_do.api.base import Spec

_TEN_YEARS: Final = 315_360_000
_MOST_RUNS: Final = 100_000
_MOST_REVISIONS: Final = 1000


class Housekeeping(Spec):
    """What is deleted of ended runs, and when. None: kept."""

    job_retention_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=_TEN_YEARS,
            description="When the Jobs and Pods of a run, and so its logs, are deleted: so long "
            "after the run has ended.",
        ),
    ] = 3600
    ttl_seconds_after_finished: Annotated[
        int | None,
        Field(
            ge=0,
            le=_TEN_YEARS,
            description="When a run is deleted: so long after it has ended. Absent: it is kept.",
        ),
    ] = None
    successful_runs_history_limit: Annotated[
        int | None,
        Field(
            ge=0,
            le=_MOST_RUNS,
            description="How many of the runs that succeeded are kept, the last ended first. "
            "Absent: all.",
        ),
    ] = None
    failed_runs_history_limit: Annotated[
        int | None,
        Field(
            ge=0,
            le=_MOST_RUNS,
            description="How many of the runs that failed or were cancelled are kept, the last "
            "ended first. Absent: all.",
        ),
    ] = None
    revision_history_limit: Annotated[
        int,
        Field(
            ge=0,
            le=_MOST_REVISIONS,
            description="How many WorkflowRevisions are kept, the newest first; besides them, the "
            "current one and each that a run names.",
        ),
    ] = 10


HOUSEKEEPING_FIELDS: Final = frozenset(to_camel(name) for name in Housekeeping.model_fields)
"""The fields as users write them."""
