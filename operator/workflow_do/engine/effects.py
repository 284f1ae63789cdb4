"""What the world should do next: the effects of a plan, as data.

Each effect is idempotent, so that doing it again after a crash does no harm. The runtime carries
them out; what came of them is observed, and planned upon, like everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflow_do.api.run import RunStatus


@dataclass(frozen=True, slots=True)
class CreateRevision:
    """Store the frozen definitions; one of the same name is the same content."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Start a try. A Job of that name is adopted only if it is this run's (owner and labels)."""

    name: str
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SuspendJob:
    """Stop a try whose Pod is on no node: no Pod will be made, an unbound one is removed."""

    job_name: str


@dataclass(frozen=True, slots=True)
class ExpirePod:
    """Stop a try whose Pod is on a node: the kubelet ends it and keeps its record and log."""

    pod_name: str


Effect = CreateRevision | CreateJob | SuspendJob | ExpirePod


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, what to write down, and when to look again.

    While `effects` is not empty: carry them out, observe what came of them, plan again; only a
    plan without effects is written down. `needs_live` asks for a look at the API server itself,
    `needs_events` for the Events of these Jobs (uids); then plan again. `look_at` is the time at
    which something changes by itself.
    """

    status: RunStatus
    effects: tuple[Effect, ...] = ()
    look_at: datetime | None = None
    needs_live: bool = False
    needs_events: frozenset[str] = frozenset()
