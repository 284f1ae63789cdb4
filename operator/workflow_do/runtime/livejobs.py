"""How many Jobs of live runs are live, counted as they are seen.

Kept beside the store, by the same news; of a Job it knows what the store knows. A place that was
promised to a Job is taken until the Job is seen, so that none is given twice. Decides nothing:
what counts as live is the engine's (`engine.live`), who gets a place is `turns`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from workflow_do.engine.facts import JobFact, PodFact
from workflow_do.engine.live import may_run


@dataclass(slots=True)
class _OfRun:
    """Of one run: its live Jobs by uid, and the uids of those of which a Pod is over."""

    live: dict[str, JobFact] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)


def _unheard() -> None:
    """Nobody waits for a place."""


class LiveJobs:
    """The live Jobs by run (uid). `freed` is called whenever a place is free again."""

    def __init__(self) -> None:
        self.freed: Callable[[], None] = _unheard
        self._runs: dict[str, _OfRun] = {}
        self._promised: set[tuple[str, str]] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def taken(self) -> int:
        """Places that are taken: by live Jobs, and by those that are about to be made."""
        return self._count + len(self._promised)

    def of(self, run: str) -> Mapping[str, JobFact]:
        """The live Jobs of a run, by uid."""
        known = self._runs.get(run)
        return known.live if known is not None else {}

    def see_job(self, run: str, uid: str, job: JobFact) -> None:
        """A Job as it is now."""
        known = self._runs.setdefault(run, _OfRun())
        self._promised.discard((run, job.name))
        if not may_run(job) or uid in known.over:
            self._drop(known, uid)
            return
        self._count += uid not in known.live
        known.live[uid] = job

    def see_pod(self, run: str, pod: PodFact) -> None:
        """A Pod as it is now: its Job starts no other."""
        if pod.over:
            known = self._runs.setdefault(run, _OfRun())
            known.over.add(pod.job_uid)
            self._drop(known, pod.job_uid)

    def see_all(self, run: str, jobs: Mapping[str, JobFact], pods: Iterable[PodFact]) -> None:
        """All Jobs (by uid) and Pods of a run: those that are not among them are gone."""
        for uid in self.of(run).keys() - jobs.keys():
            self.forget_job(run, uid)
        for pod in pods:
            self.see_pod(run, pod)
        for uid, job in jobs.items():
            self.see_job(run, uid, job)

    def retire(self, run: str, jobs: Iterable[str]) -> None:
        """These Jobs (uids) do not count, until there is news of them."""
        known = self._runs.get(run)
        if known is not None:
            for uid in jobs:
                self._drop(known, uid)

    def forget_job(self, run: str, uid: str) -> None:
        """A Job is gone."""
        known = self._runs.get(run)
        if known is not None:
            known.over.discard(uid)
            self._drop(known, uid)

    def forget_run(self, run: str) -> None:
        """Nothing of the run counts any more: it is completed, or gone."""
        known = self._runs.pop(run, None)
        if known is not None and known.live:
            self._count -= len(known.live)
            self.freed()

    def promise(self, run: str, job: str) -> None:
        """A place for the Job of that name, from now on."""
        self._promised.add((run, job))

    def take_back(self, run: str, job: str) -> None:
        """It is not wanted, or not to be had."""
        if (run, job) in self._promised:
            self._promised.remove((run, job))
            self.freed()

    def _drop(self, known: _OfRun, uid: str) -> None:
        if known.live.pop(uid, None) is not None:
            self._count -= 1
            self.freed()
