"""What must hold when a run has come to its end, in a world that has turned fair."""

from __future__ import annotations

from typing import Final

from simulation import reading
from simulation.invariants import Scene
from simulation.reading import records
from workflow_do.runtime.api import JOBS, PODS

_GOING: Final = frozenset({"Running", "Retrying"})


def no_job_is_forgotten(scene: Scene) -> str | None:
    """Correctness: a Job that is not in the status is folded in; one after the end is stopped."""
    lost = reading.reason(scene.run) == "RevisionLost"  # a Job of which nobody knows what it ran
    for this in scene.tries:
        record = records(scene.run).get(this.unit, {})
        unknown = (record.get("tries") or 0) < this.number
        if unknown and this.began and not (this.stray or lost):
            return f"{reading.name(this)} ran and is not on record"
    return None


def nothing_lives_on(scene: Scene) -> str | None:
    """Correctness: a Job that turns up for a Completed run is stopped at once."""
    for m in [m for m in scene.cluster.machines if m.of.run == scene.uid]:
        pod = scene.server.find(PODS, m.pod)
        never = m.state == "new" and pod is not None and "deletionTimestamp" in pod["metadata"]
        if m.state in ("new", "waiting", "running") and pod is not None and not never:
            return f"the Pod of {reading.name(m.of)} is {m.state} after the end"
    for this in scene.tries:
        job = scene.server.find(JOBS, this.job)
        if job is not None and not this.pods and not job["spec"].get("suspend"):
            return f"the Job of {reading.name(this)} may still make its Pod after the end"
    return None


def nothing_is_left_going(scene: Scene) -> str | None:
    """Behaviour, Trouble: Completed=True comes when all has ended, waits too."""
    going = [unit for unit, record in records(scene.run).items() if record.get("state") in _GOING]
    return f"the run ended with {going} on their way" if going else None
