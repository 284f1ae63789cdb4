"""How long one `plan()` takes over a large run: nothing but the engine, in the process's CPU time.

A run of 500 steps in memory is driven to where it is asked about, by what its own plans ask for;
then the plan that follows the end of a container is made again and again. Every shape that a large
run can have: a chain near its start, in its middle and at its end, steps side by side, items.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from workflow_do.engine.effects import CreateJob
from workflow_do.engine.facts import (
    JobFact,
    Observed,
    Pinning,
    PodFact,
    Run,
    parse_job,
    parse_pod,
    parse_run,
)
from workflow_do.engine.pinning import pin
from workflow_do.engine.plan import plan
from workflow_do.engine.timestamps import stamp

Raw = dict[str, Any]

STEPS: Final = 500
_TIMES: Final = 100
_NOW: Final = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
_ACTION: Final = {
    "metadata": {"name": "work"},
    "spec": {"image": "example.com/work:1", "outputSchema": {"type": "object"}},
}


class LargeRun:
    """A run of a Workflow with the given spec, and the Jobs and Pods that it has made. `ids` is how
    many its trigger lists.
    """

    def __init__(self, spec: Raw, ids: int = 0) -> None:
        self._now = _NOW
        meta = {"name": "large", "namespace": "bench", "uid": "u-1", "resourceVersion": "1"}
        meta |= {"annotations": {"workflow.do/started-uid": "u-1"}}
        trigger = {"type": "api", "body": {"ids": list(range(ids))}}
        run = parse_run({"metadata": meta, "spec": {"workflowName": "flow", "trigger": trigger}})
        assert isinstance(run, Run)
        flow = {"metadata": {"name": "flow"}, "spec": spec}
        pinned = pin(run, flow, {"work": _ACTION}, ())
        assert isinstance(pinned, Pinning), pinned
        self._jobs: dict[str, tuple[JobFact, PodFact]] = {}
        self._running: list[str] = []
        self._seen = Observed(run=run, definition=replace(pinned, manifest=None), live=True)
        self._write()
        self._seen = replace(self._seen, definition=pinned.definition)
        self.settle()

    def end(self, number: int) -> LargeRun:
        """So many containers end, one after the other, each followed by all that it sets free."""
        for _ in range(number):
            self.end_one()
            self.settle()
        return self

    def end_one(self) -> LargeRun:
        """The container that has run longest ends; nobody has looked yet."""
        self._now += timedelta(seconds=1)
        name = self._running.pop(0)
        job, _ = self._jobs[name]
        self._jobs[name] = (job, parse_pod(_pod(job, self._now, {"exitCode": 0})))
        return self

    def settle(self) -> None:
        """All that follows from what has happened."""
        while self._write():
            pass

    def plan(self) -> None:
        """Decide once more, and do nothing about it."""
        plan(self._look(), self._now)

    def time_plan(self) -> float:
        """Milliseconds of one plan: the median of a hundred."""
        seen, spent = self._look(), []
        for _ in range(_TIMES):
            began = time.process_time()
            plan(seen, self._now)
            spent.append(time.process_time() - began)
        return median(spent) * 1000

    def _look(self) -> Observed:
        both = tuple(self._jobs.values())
        return replace(
            self._seen, jobs=tuple(job for job, _ in both), pods=tuple(pod for _, pod in both)
        )

    def _write(self) -> bool:
        """Plan once, and do it; whether anything changed."""
        decided = plan(self._look(), self._now)
        for effect in decided.effects:
            assert isinstance(effect, CreateJob), effect
            self._make(effect)
        if decided.effects:
            return True
        changed = decided.status != self._seen.run.status
        self._seen = replace(self._seen, run=replace(self._seen.run, status=decided.status))
        return changed

    def _make(self, effect: CreateJob) -> None:
        manifest = copy.deepcopy(effect.manifest)
        manifest["metadata"] |= {"uid": f"j-{len(self._jobs)}", "creationTimestamp": stamp(_NOW)}
        job = parse_job(manifest)
        self._jobs[effect.name] = (job, parse_pod(_pod(job, self._now)))
        self._running.append(effect.name)


def _pod(job: JobFact, now: datetime, ended: Raw | None = None) -> Raw:
    times = {"startedAt": stamp(_NOW), "finishedAt": stamp(now)}
    state = {"terminated": {**ended, **times}} if ended is not None else {"running": {}}
    row = {"name": "action", "state": state, "imageID": f"example.com/work@sha256:{'0' * 64}"}
    owner = {"kind": "Job", "uid": job.uid, "controller": True}
    return {
        "metadata": {
            "name": f"{job.name}-x",
            "uid": f"p-{job.uid}",
            "labels": {"batch.kubernetes.io/controller-uid": job.uid},
            "ownerReferences": [owner],
            "creationTimestamp": stamp(_NOW),
        },
        "spec": {"nodeName": "node", "activeDeadlineSeconds": 3600},
        "status": {"phase": "Running", "startTime": stamp(_NOW), "containerStatuses": [row]},
    }


def _step(at: int, **more: Any) -> Raw:
    return {"id": f"s{at}", "action": "work", "input": {"n": at}, **more}


def chain(steps: int = STEPS) -> LargeRun:
    """Each step takes the output of the one before."""
    rest = (
        _step(at, input={"before": f"{{{{ steps.s{at - 1}.output }}}}"}) for at in range(1, steps)
    )
    return LargeRun({"steps": [_step(0), *rest]})


def side_by_side(steps: int = STEPS) -> LargeRun:
    """All steps at once."""
    return LargeRun({"steps": [_step(at, needs=["trigger"]) for at in range(steps)]})


def items(number: int = STEPS) -> LargeRun:
    """One step with so many items, fifty at a time."""
    each = {"items": "{{ trigger.body.ids }}", "maxParallel": 50}
    return LargeRun({"steps": [_step(0, forEach=each, input={"id": "{{ item }}"})]}, ids=number)


SHAPES: Final[dict[str, tuple[Callable[[], LargeRun], tuple[int, ...]]]] = {
    "a chain of steps": (chain, (1, 250, 500)),
    "steps side by side": (side_by_side, (1, 500)),
    "items of one step": (items, (1, 500)),
}
"""What a run is made of, and after which ends it is asked about."""


def measure() -> dict[str, float]:
    """Milliseconds of one plan for each shape and place."""
    found = {}
    for shape, (make, places) in SHAPES.items():
        run, before = make(), 0
        for place in places:
            run.settle()
            run.end(place - 1 - before).end_one()
            found[f"{shape}, end of number {place}"] = round(run.time_plan(), 2)
            before = place
    return found


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1)
    print()
