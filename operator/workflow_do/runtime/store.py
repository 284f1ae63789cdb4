"""What was last seen of every run, its Jobs and its Pods, in memory.

Fed by watch events and by the answers to our own writes, whichever comes first: an older
resourceVersion never replaces a newer one, and what was deleted does not come back. Holds parsed
facts, not raw objects, and of a finished run only what tells a stray Job from its own and what its
upkeep needs. Decides what is news; never what to do about it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.run import RunStatus
from workflow_do.engine.facts import (
    JobFact,
    Run,
    parse_approval,
    parse_job,
    parse_pod,
    parse_run,
    parse_status,
)
from workflow_do.engine.ledger import of_status
from workflow_do.engine.live import Haste, haste_of_job, haste_of_pod
from workflow_do.engine.problem import Problem
from workflow_do.engine.report import completed
from workflow_do.engine.retention import ended_run, named_revisions
from workflow_do.runtime.api import Listing, version_of
from workflow_do.runtime.families import Families
from workflow_do.runtime.livejobs import LiveJobs
from workflow_do.runtime.records import F, Versioned, is_known
from workflow_do.runtime.records import Record as Record
from workflow_do.runtime.records import RunKey as RunKey
from workflow_do.runtime.records import key_of as key_of

Raw = Mapping[str, Any]

_TOMBSTONES: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is kept of an approval, whatever becomes of the run (its uid) that it is about."""

    namespace: str
    version: int
    run: str


class Store:
    """The records of all runs by uid. Each `see_…` gives the run's key where there is news.

    `history` is called with the namespace and the name of a Workflow of which a run has ended,
    has changed after its end, or is gone, `ended` with a run of which a container has ended, `kin`
    with a run whose child, or parent, has changed in a way that matters to it, `hasten` with one
    of whose Jobs or Pods there is news. `pruning` holds the revisions (namespace, name) that are
    being deleted, `live` counts the live Jobs.
    """

    def __init__(
        self,
        history: Callable[[str, str], None] | None = None,
        ended: Callable[[RunKey], None] | None = None,
        kin: Callable[[RunKey], None] | None = None,
        hasten: Callable[[RunKey, Haste], None] | None = None,
    ) -> None:
        self._hasten = hasten or (lambda _run, _haste: None)
        self._kin = kin or (lambda _run: None)
        self.families = Families()
        self._history = history or (lambda _namespace, _workflow: None)
        self._ended = ended or (lambda _run: None)
        self._records: dict[str, Record] = {}
        self._workflows: dict[tuple[str, str], dict[str, Record]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._approvals: dict[str, _Decision] = {}
        self.pruning: set[tuple[str, str]] = set()
        self.live = LiveJobs()

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records.values()))

    def record(self, uid: str) -> Record | None:
        """What is known of the run with that uid."""
        return self._records.get(uid)

    def live_run(self, uid: str) -> Run | None:
        """The run with that uid, where it is known, not over, and can be read."""
        record = self._records.get(uid)
        return record.run if record is not None and isinstance(record.run, Run) else None

    def of_workflow(self, namespace: str, workflow: str) -> tuple[Record, ...]:
        """The runs of one Workflow."""
        return tuple(self._workflows.get((namespace, workflow), {}).values())

    def see_run(self, raw: Raw, status: RunStatus | None = None) -> RunKey | None:
        """A run as stored at the API server; `status`: its status, where that is known already."""
        key = key_of(raw)
        record = self._records.get(key.uid)
        version = version_of(raw)
        if key.uid in self._gone or (record is not None and version <= record.version):
            return None
        run = parse_run(raw, status)
        if record is None:
            record = self._enter(key, raw)
        if record.is_foreign(run):
            record.vouched, record.foreign = False, version
        first = record.version == 0
        record.version, record.run = version, run
        record.looked = record.is_new if first else record.looked
        record.revisions = frozenset(map(sys.intern, named_revisions(raw)))
        over = self._settle(record, raw)
        self._tell_kin(record, raw)
        return None if over else key

    def forget_run(self, uid: str) -> Record | None:
        """The run is gone; what was known of it, if anything."""
        self._bury(uid)
        self.live.forget_run(uid)
        record = self._records.pop(uid, None)
        self.wake(self.families.forget(uid))
        if record is not None:
            siblings = self._workflows[record.key.namespace, record.workflow]
            del siblings[uid]
            if not siblings:
                del self._workflows[record.key.namespace, record.workflow]
            self._history(record.key.namespace, record.workflow)
        return record

    def see_job(self, raw: Raw, *, own: bool = False) -> RunKey | None:
        """A Job of a run in its namespace, else ignored; `own`: its worker's, who looks again."""
        record = self._parent(raw)
        if record is None or self._is_buried(raw):
            return None
        uid, fact = _uid(raw), parse_job(raw)
        if record.run is None:
            return self._see_stray(record, fact)
        before = record.jobs[uid].fact if uid in record.jobs else None
        if not _put(record.jobs, uid, raw, fact):
            return None
        self.live.see_job(record.key.uid, uid, fact)
        if not own:
            self._hasten(record.key, haste_of_job(record.told, before, fact))
        return record.key

    def see_pod(self, raw: Raw) -> RunKey | None:
        """A Pod; ignored unless it carries the uid of a live run in its namespace."""
        record = self._parent(raw)
        if record is None or record.run is None or self._is_buried(raw):
            return None
        uid, fact = _uid(raw), parse_pod(raw)
        before = record.pods[uid].fact if uid in record.pods else None
        if not _put(record.pods, uid, raw, fact):
            return None
        self.live.see_pod(record.key.uid, fact)
        if fact.ended and (before is None or not before.ended):
            self._ended(record.key)
        self._hasten(record.key, haste_of_pod(record.told, before, fact))
        return record.key

    def see_approval(self, raw: Raw) -> RunKey | None:
        """A decision about a live run in its namespace; of others only the version is kept."""
        uid = _uid(raw)
        if uid in self._gone or not self._is_newer(raw):
            return None
        record = self._run_of(raw)
        if record is None or record.run is None:
            return None
        return record.key if _put(record.approvals, uid, raw, parse_approval(raw)) else None

    def forget_approval(self, uid: str) -> RunKey | None:
        """A decision is gone: one that was written down before counts all the same."""
        self._bury(uid)
        known = self._approvals.pop(uid, None)
        record = self._records.get(known.run) if known is not None else None
        if record is None or record.approvals.pop(uid, None) is None:
            return None
        return record.key

    def approval_versions(self, namespace: str | None) -> dict[str, int]:
        """The resourceVersions of all decisions by uid; of one namespace, or (None) of all."""
        return {
            uid: known.version
            for uid, known in self._approvals.items()
            if namespace in (None, known.namespace)
        }

    def see_approvals(self, record: Record, approvals: Listing) -> None:
        """All decisions about a run, as listed: what is not among them is gone."""
        for raw in approvals.items:
            self._is_newer(raw)
        self._take_in(record.approvals, approvals, parse_approval)

    def forget_child(self, raw: Raw) -> RunKey | None:
        """A Job or Pod is gone."""
        uid = _uid(raw)
        self._bury(uid)
        record = self._parent(raw)
        if record is None:
            return None
        self.live.forget_job(record.key.uid, uid)
        known = [record.jobs.pop(uid, None), record.pods.pop(uid, None)]
        return record.key if any(known) and record.run is not None else None

    def see_children(self, record: Record, jobs: Listing, pods: Listing) -> None:
        """All Jobs and Pods of a run, as listed: what is not among them is gone."""
        self._take_in(record.jobs, jobs, parse_job)
        self._take_in(record.pods, pods, parse_pod)
        if self._records.get(record.key.uid) is record:
            jobs_now = {uid: known.fact for uid, known in record.jobs.items()}
            pods_now = (known.fact for known in record.pods.values())
            self.live.see_all(record.key.uid, jobs_now, pods_now)
        record.looked = True

    def doubt(self, key: RunKey) -> None:
        """What is known of the run may be wrong: ask the API server next time."""
        record = self._records.get(key.uid)
        if record is not None:
            record.looked = False

    def distrust(self, key: RunKey) -> None:
        """A Job may have been made, and be gone before anybody looks."""
        self.doubt(key)
        record = self._records.get(key.uid)
        if record is not None:
            record.vouched = False

    def writes(self, key: RunKey, status: RunStatus | None) -> None:
        """A status is on its way to the API server; None: it is there."""
        record = self._records.get(key.uid)
        if record is not None:
            record.writes = status

    def settle(self, key: RunKey, version: int, *, partial: bool) -> None:
        """A whole round about that version of the run went by: strays are stopped, and what others
        had begun until then is known (not `partial`).
        """
        record = self._records.get(key.uid)
        if record is not None:
            known = not partial and record.foreign <= version
            record.vouched = record.vouched or known
            record.strays -= record.attended

    def unpinned(self, namespace: str) -> Iterator[RunKey]:
        """The live runs of a namespace that still wait for their definition."""
        for record in self:
            run = record.run
            if (
                isinstance(run, Run)
                and run.status.revision_name is None
                and record.key.namespace == namespace
            ):
                yield record.key

    def _tell_kin(self, record: Record, raw: Raw) -> None:
        """Its parent, if that is live; and its children that wait for it to name them."""
        parent = self._records.get(self.families.parent_of(raw))
        known = parent is None or parent.run is not None
        self.wake(self.families.see(raw, wanted=known))
        key = record.key
        if record.run is None:
            self.families.release(key.namespace, key.uid)
            return
        for uid in self.families.children(key.namespace, key.uid):
            run = self.live_run(uid)
            if run is not None and run.status.revision_name is None:
                self.wake(uid)

    def wake(self, uid: str | None) -> None:
        """Look at a live run, for the sake of what another one has written."""
        record = self._records.get(uid or "")
        if record is not None and record.run is not None:
            self._kin(record.key)

    def see_family(self, key: RunKey, listed: Listing) -> None:
        """All runs that may be children of a run, as listed: what is not among them is gone."""
        for raw in listed.items:
            self.see_run(raw)
        uids = {_uid(raw) for raw in listed.items}
        for uid in self.families.children(key.namespace, key.uid):
            record = self._records.get(uid)
            if uid not in uids and (record is None or record.version <= listed.version):
                self.forget_run(uid)

    def _enter(self, key: RunKey, raw: Raw) -> Record:
        """A new record. What it takes from the run's spec is immutable there."""
        spec = raw.get("spec")
        origin = spec.get("retryOf") if isinstance(spec, Mapping) else None
        workflow = spec.get("workflowName") if isinstance(spec, Mapping) else None
        record = Record(
            key,
            version=0,
            run=None,
            workflow=sys.intern(str(workflow or "")),
            retry_of=str(origin.get("runUID") or "") if isinstance(origin, Mapping) else "",
        )
        self._records[key.uid] = record
        self._workflows.setdefault((key.namespace, record.workflow), {})[key.uid] = record
        return record

    def _settle(self, record: Record, raw: Raw) -> bool:
        """Whether the run is completed; then little of it is kept."""
        status = _final_status(record.run, raw)
        if status is None:
            record.ended = None
            return False
        record.job_uids = of_status(status).newest_jobs()
        made_jobs = bool(record.job_uids)
        record.ended = ended_run(raw, record.version, status, made_jobs=made_jobs)
        record.run = record.definition = record.writes = None
        record.jobs.clear()
        record.pods.clear()
        record.approvals.clear()
        self.live.forget_run(record.key.uid)
        self._history(record.key.namespace, record.workflow)
        return True

    def _see_stray(self, record: Record, job: JobFact) -> RunKey | None:
        """A Job of a completed run that still may do something and is not one of its own."""
        if job.uid in record.job_uids or job.finished or job.suspend or job.deleting:
            return None
        record.strays.add(job.uid)
        self._hasten(record.key, Haste.SOON)
        return record.key

    def _parent(self, raw: Raw) -> Record | None:
        meta = raw.get("metadata") or {}
        record = self._records.get(str((meta.get("labels") or {}).get(names.LABEL_RUN_UID)))
        same = record is not None and record.key.namespace == meta.get("namespace")
        return record if same else None

    def _is_newer(self, approval: Raw) -> bool:
        """Whether this state of it was not seen yet; it is from now on."""
        uid, version = _uid(approval), version_of(approval)
        known = self._approvals.get(uid)
        if known is not None and version <= known.version:
            return False
        namespace = sys.intern(str(approval["metadata"].get("namespace")))
        self._approvals[uid] = _Decision(namespace, version, _run_uid(approval))
        return True

    def _run_of(self, approval: Raw) -> Record | None:
        record = self._records.get(_run_uid(approval))
        same = record is not None and record.key.namespace == approval["metadata"].get("namespace")
        return record if same else None

    def _is_buried(self, raw: Raw) -> bool:
        return _uid(raw) in self._gone

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > _TOMBSTONES:
            self._gone.popitem(last=False)

    def _take_in(
        self, known: dict[str, Versioned[F]], listing: Listing, parse: Callable[[Raw], F]
    ) -> None:
        """All that is listed, but for what a watch has seen go since; the rest is gone."""
        listed = {_uid(raw): raw for raw in listing.items}
        for uid, raw in listed.items() if not listing.partial else ():
            if uid not in self._gone and not is_known(known, raw):
                _put(known, uid, raw, parse(raw))
        for uid, entry in tuple(known.items()):
            if uid not in listed and entry.version <= listing.version:
                self._bury(uid)
                del known[uid]


def _final_status(run: Run | Problem | None, raw: Raw) -> RunStatus | None:
    """The status of a run about which nothing is left to do. One that cannot be read has no label
    to wait for: it gets none, as it could not be restored either.
    """
    status = run.status if isinstance(run, Run) else parse_status(raw)
    if status is None or not completed(status):
        return None
    return status if not isinstance(run, Run) or run.finished else None


def _run_uid(approval: Raw) -> str:
    """The uid of the run that an approval names; empty where it names none."""
    spec = approval.get("spec")
    uid = spec.get("runUID") if isinstance(spec, Mapping) else None
    return uid if isinstance(uid, str) else ""


def _put(known: dict[str, Versioned[F]], uid: str, raw: Raw, fact: F) -> bool:
    """Store a fact unless a newer one is there; whether it says anything new."""
    if is_known(known, raw):
        return False
    old, known[uid] = known.get(uid), Versioned(version_of(raw), fact)
    return old is None or old.fact != fact


def _uid(raw: Raw) -> str:
    return str((raw.get("metadata") or {}).get("uid"))
