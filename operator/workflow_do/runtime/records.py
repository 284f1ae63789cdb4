"""What is kept of one run: its key, what was last seen of it, what is in doubt. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from workflow_do.api.run import RunStatus, StepState
from workflow_do.engine.approvals import awaits_approval
from workflow_do.engine.definition import Definition
from workflow_do.engine.facts import ApprovalFact, JobFact, PodFact, Run
from workflow_do.engine.ledger import of_status
from workflow_do.engine.problem import Problem
from workflow_do.engine.retention import EndedRun
from workflow_do.runtime.api import version_of

Raw = Mapping[str, Any]
F = TypeVar("F", JobFact, PodFact, ApprovalFact)


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run, now and forever: a later run of the same name has another uid."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"run {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Versioned(Generic[F]):
    """A fact and the resourceVersion it is of."""

    version: int
    fact: F


def is_known(known: Mapping[str, Versioned[F]], raw: Raw) -> bool:
    """Whether that state of an object, or a newer one, is among what is known by uid."""
    found = known.get(str((raw.get("metadata") or {}).get("uid")))
    return found is not None and version_of(raw) <= found.version


@dataclass(slots=True)
class Record:
    """A run as last seen. `run` is None once it is completed, a Problem if it cannot be read.

    `looked` is False until the API server itself was asked about the run, and again whenever
    there is doubt; `asked`: when it last was. `vouched` is False until whatever another process
    may have started in the run is accounted for, and again after a Job was asked for without an
    answer, or after another process has written its status (`foreign`: the version of the newest
    such). `writes` is the status that is on its way there. `strays` are Jobs (uids) that turned up
    for a completed run and are not its own, `attended` those of them that somebody is seeing to.
    `revisions` are those that it names,
    `retry_of` is the uid of the run that it takes steps from; `ended` tells of a completed run what
    its upkeep needs.
    """

    key: RunKey
    version: int
    run: Run | Problem | None
    workflow: str = ""
    revisions: frozenset[str] = frozenset()
    retry_of: str = ""
    ended: EndedRun | None = None
    looked: bool = False
    asked: datetime | None = None
    vouched: bool = False
    foreign: int = 0
    writes: RunStatus | None = None
    strays: set[str] = field(default_factory=set)
    attended: frozenset[str] = frozenset()
    job_uids: frozenset[str] = frozenset()
    definition: Definition | None = None
    jobs: dict[str, Versioned[JobFact]] = field(default_factory=dict)
    pods: dict[str, Versioned[PodFact]] = field(default_factory=dict)
    approvals: dict[str, Versioned[ApprovalFact]] = field(default_factory=dict)

    @property
    def told(self) -> RunStatus | None:
        """The newest status, whether it is stored yet or on its way there."""
        return self.writes or (self.run.status if isinstance(self.run, Run) else None)

    @property
    def awaits_approval(self) -> bool:
        """Whether a step of the run, as last written, waits for people to decide."""
        return isinstance(self.run, Run) and awaits_approval(self.run.status)

    @property
    def has_begun(self) -> bool:
        """Whether a unit of the run has begun, by its Jobs or by what is on record."""
        status = self.run.status if isinstance(self.run, Run) else RunStatus()
        begun = any(unit.state is not StepState.PENDING for _, unit in of_status(status).units())
        return begun or bool(self.jobs)

    @property
    def is_new(self) -> bool:
        """Whether nobody can have made a Job of the run: it is marked before the first."""
        run = self.run
        return isinstance(run, Run) and run.started_uid != run.uid and not self.has_begun

    def is_foreign(self, run: Run | Problem) -> bool:
        """Whether the status is neither what was known nor what this process writes."""
        known = self.run.status if isinstance(self.run, Run) else None
        return isinstance(run, Run) and run.status not in (known, self.writes)

    @property
    def may_have_children(self) -> bool:
        """Whether a step of the run starts runs of other Workflows."""
        return isinstance(self.run, Run) and any(s.workflow for s in self.run.status.steps)


def key_of(raw: Raw) -> RunKey:
    """The key of a raw run."""
    meta = raw.get("metadata") or {}
    return RunKey(str(meta.get("namespace")), str(meta.get("name")), str(meta.get("uid")))
