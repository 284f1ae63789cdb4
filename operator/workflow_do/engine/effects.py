"""What the world should do next: the effects of a plan, as data.

Each effect is idempotent, so that doing it again after a crash does no harm. The runtime carries
them out; what came of them is observed, and planned upon, like everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow_do.api.run import DesiredState, RunStatus
from workflow_do.engine.admission import Wish
from workflow_do.engine.facts import Run


@dataclass(frozen=True, slots=True)
class CreateRevision:
    """Store the frozen definitions; one of the same name is the same content."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Start a try. A Job of that name is adopted only if it is this run's (owner and labels).
    `waits`: it needs a place, where the Jobs of all runs together are limited.
    """

    name: str
    manifest: dict[str, Any]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Make a child run. One of that name is told by its owner, its labels and what it asks for; it
    does not begin before the status of its parent names it.
    """

    name: str
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ControlRun:
    """Ask something of a child run: what is asked of its parent."""

    name: str
    uid: str
    state: DesiredState


@dataclass(frozen=True, slots=True)
class StoreData:
    """Make the ConfigMap that holds large data; one of that name is told by its content."""

    name: str
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SuspendJob:
    """Stop a try whose Pod is on no node: no Pod will be made, an unbound one is removed. `stray`:
    it turned up after its unit had ended.
    """

    job_name: str
    stray: bool = False


@dataclass(frozen=True, slots=True)
class ExpirePod:
    """Stop a try whose Pod is on a node: the kubelet ends it and keeps its record and log. `stray`
    as of a Job.
    """

    pod_name: str
    stray: bool = False


@dataclass(frozen=True, slots=True)
class MarkStarted:
    """Write the run's uid into its metadata before its first Job: it outlives a backup."""


@dataclass(frozen=True, slots=True)
class MarkFinished:
    """Label a finished run with the reason it ended with: it outlives a backup."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClaimRetry:
    """Write into the original run that this one retries it, if nobody has since it was read."""

    original: Run


Effect = (
    CreateRevision
    | CreateJob
    | CreateRun
    | ControlRun
    | StoreData
    | SuspendJob
    | ExpirePod
    | MarkStarted
    | MarkFinished
    | ClaimRetry
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, what to write down, and when to look again.

    While `effects` is not empty: carry them out, observe what came of them, plan again; only a
    plan without effects is written down. `needs_live` asks for a look at the API server itself,
    `needs_events` for the Events of these Jobs (uids), `needs_past` for what Events know of Jobs of
    these names, `needs_logs` for the end of the log of these Pods (name → uid), `needs_outputs` for
    the longer end that may hold an output, `needs_held` for these ConfigMaps, `needs_results` for
    what these child runs (names) gave, `needs_remains` for whether anything of these deleted ones
    (uids) is left, `asks` for a place among the runs of the Workflow; then plan again. `look_at` is
    the time at which something changes by itself. `waits` names the Jobs that would start if it
    were their turn. `partial`: what another process may have started is not accounted for yet.
    `stands`: written down, and nothing new seen, the next plan would say the same.
    """

    status: RunStatus
    effects: tuple[Effect, ...] = ()
    look_at: datetime | None = None
    needs_live: bool = False
    needs_guard: bool = False
    needs_events: frozenset[str] = frozenset()
    needs_past: frozenset[str] = frozenset()
    needs_logs: Mapping[str, str] = field(default_factory=dict)
    needs_outputs: Mapping[str, str] = field(default_factory=dict)
    needs_held: frozenset[str] = frozenset()
    needs_results: frozenset[str] = frozenset()
    needs_remains: frozenset[str] = frozenset()
    asks: Wish | None = None
    waits: frozenset[str] = frozenset()
    partial: bool = False
    stands: bool = False
