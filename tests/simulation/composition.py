"""What must hold of joins, lists and the end, whatever happens (design, "Behaviour")."""

from __future__ import annotations

from simulation import reading
from simulation.cluster import Try
from simulation.invariants import Scene, run_failed
from simulation.reading import ENDED, records
from simulation.server import Raw


def max_parallel_is_kept(scene: Scene, this: Try) -> str | None:
    """Order: of a list no more items run at the same time than maxParallel says.

    A POST of one that was killed before may arrive after the next has begun another item instead.
    """
    each = scene.scenario.step(this.step).get("forEach") if this.role == "do" else None
    if each is None:
        return None
    start = this.step.partition("[")[0] + "["
    running = [t for t in scene.tries if t.running and not t.stray and t.author is not None]
    mine = [t for t in running if t.role == "do" and t.step.startswith(start)]
    most = each["maxParallel"]
    return (
        f"{len(mine)} items of {start}…] run, and {most} is the most" if len(mine) > most else None
    )


def the_limit_is_kept(scene: Scene, this: Try) -> str | None:
    """Crowds: where Jobs are limited, no more programs of steps run than that, of those that one
    process has started. One whose Job was deleted under its feet does not count.
    """
    if not scene.limit or this.role != "do" or this.stray:
        return None
    same = [t for t in scene.cluster.tries if t.running and t.author is this.author]
    mine = [t for t in same if t.role == "do" and not t.stray and scene.cluster.job_of(t)]
    over = len(mine) > scene.limit
    return f"{len(mine)} programs run, and {scene.limit} is the most" if over else None


def nothing_new_after_a_failure(scene: Scene, this: Try) -> str | None:
    """Trouble: when a unit has failed for good, which is on record, no step starts any more.

    By whoever wrote that: a POST of one that was killed before may arrive after it.
    """
    late = this.author is None or this.author is not scene.last_writer
    if this.role != "do" or this.stray or late or not run_failed(scene, scene.run):
        return None
    return f"{reading.name(this)} was made after a failure that is on record"


def the_skipped_never_run(scene: Scene, this: Try) -> str | None:
    """Order: a step whose `when` is false is skipped."""
    when = scene.scenario.step(this.step).get("when", "") if this.role == "do" else ""
    return f"{reading.name(this)} was made in spite of {when}" if "> 5" in when else None


def finally_comes_last(scene: Scene, this: Try) -> str | None:
    """Trouble and Control: `finally` runs when all else has ended, in its order."""
    if this.role != "finally" or this.stray:
        return None
    others = [t for t in scene.tries if t.role != "finally" and t.running and not t.stray]
    if others:
        return f"{reading.name(this)} was made while {reading.name(others[0])} ran"
    for final in scene.scenario.flow["finally"]:
        if final["id"] == this.step:
            return None
        unit = ("finally", final["id"])
        over = records(scene.run).get(unit, {}).get("state") in ENDED
        if not over and not any(t.ended_well for t in scene.tries_of(unit)):
            return f"{reading.name(this)} was made before {final['id']} had ended"
    return None


def finally_always_runs(scene: Scene) -> str | None:
    """Trouble and Control: whatever happened; but not of a run that never had a definition, or was
    refused a place.
    """
    status, why = scene.run["status"], reading.reason(scene.run)
    if not status.get("steps") or why in ("RevisionLost", "ConcurrencyForbidden"):
        return None
    for final in scene.scenario.flow.get("finally", ()):
        state = records(scene.run).get(("finally", final["id"]), {}).get("state")
        if state not in ENDED:
            return f"the run ended with {final['id']} {state}"
    return None


def every_item_has_one_record(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Resources, WorkflowRun: the list of a forEach is read once."""
    was = {
        s["id"]: s["items"] for s in (old.get("status") or {}).get("steps") or () if "items" in s
    }
    for step in new["status"].get("steps") or ():
        before = was.get(step["id"])
        if before is not None and len(step.get("items", ())) != len(before):
            return f"the items of {step['id']} were {len(before)}, are {len(step.get('items', ()))}"
    return None
