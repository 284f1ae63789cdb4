"""What must hold of undoing, whatever happens (design, "Behaviour", Trouble and Control)."""

from __future__ import annotations

from typing import Final

from simulation import reading
from simulation.cluster import Try
from simulation.invariants import Scene, run_failed
from simulation.reading import ENDED, Unit, records

_DID_SOMETHING: Final = frozenset({"Succeeded", "Unknown"})


def _undoable(scene: Scene) -> dict[Unit, int]:
    """The units that, on record, did something that can be undone, with their start numbers."""
    return {
        unit: record.get("seq") or 0
        for unit, record in records(scene.run).items()
        if unit[0] == "do"
        and record.get("state") in _DID_SOMETHING
        and scene.scenario.undo_of(unit[1]) is not None
    }


def _asked(scene: Scene) -> bool:
    """Whether what was done is to be undone, by what stands in the run; not after its end."""
    seen = scene.run["status"].get("observedGeneration") == scene.run["metadata"]["generation"]
    late = reading.ended(scene.run) and not seen
    wish = None if late else scene.run["spec"].get("desiredState")
    if wish == "Cancelled":
        return False
    bad = run_failed(scene, scene.run)
    policy = scene.scenario.flow.get("failurePolicy", "Compensate")
    return wish == "CancelledWithCompensation" or (bad and policy == "Compensate")


def undone_in_order(scene: Scene, this: Try) -> str | None:
    """The undo of what started last comes first, one at a time. What is undone may not be on record
    yet: what is known to have been done by its Job alone is written down with its undo.
    """
    if this.role != "undo" or this.stray:
        return None
    found, rows = _undoable(scene), records(scene.run)
    done = ("do", this.step)
    tries = [t.seq for t in scene.tries_of(done) if not t.stray]
    mine = rows.get(done, {}).get("seq") or max(tries, default=0)
    for (_, step), seq in found.items():
        state = rows.get(("undo", step), {}).get("state")
        over = state in ENDED or any(t.ended_well for t in scene.tries_of(("undo", step)))
        if step != this.step and (seq > mine) != over and not _came_late(scene, this.step, step):
            return f"{reading.name(this)} was made while the undo of {step} is {state}"
    return None


def _came_late(scene: Scene, late: str, step: str) -> bool:
    """Whether a step was started, by a process that knew no better, when the undo of another had
    begun already, or by another process than that which began the undo and could not know of it: a
    Lease keeps such processes apart, here they meet.
    """
    tries = scene.tries
    done = [(at, t) for at, t in enumerate(tries) if t.unit == ("do", late)]
    undos = [(at, t) for at, t in enumerate(tries) if t.unit == ("undo", step)]
    if not (done and undos):
        return False
    (begun, of_step), (undone, of_undo) = done[0], undos[0]
    return undone < begun or of_step.author is None or of_step.author is not of_undo.author


def only_what_was_done_is_undone(scene: Scene, this: Try) -> str | None:
    """Undone is what Succeeded or is Unknown, after a failure or a cancel that asks for it.

    A plain cancel may come after the plan, so it is not looked at here.
    """
    if this.role != "undo" or this.stray:
        return None
    done = ("do", this.step)
    if done not in _undoable(scene) and not any(t.ended_well for t in scene.tries_of(done)):
        return f"{reading.name(this)} was made, but there is nothing to undo"
    wish = scene.run["spec"].get("desiredState")
    if wish != "Cancelled" and not _asked(scene):
        return f"{reading.name(this)} was made, but nobody asked for it"
    return None


def everything_is_undone(scene: Scene) -> str | None:
    """At the end the undo of everything that did something has ended, well or not."""
    if reading.reason(scene.run) == "RevisionLost" or not _asked(scene):
        return None
    for _, step in _undoable(scene):
        state = records(scene.run).get(("undo", step), {}).get("state")
        if state not in ENDED:
            return f"the run ended with the undo of {step} {state}"
    return None


def the_account_is_true(scene: Scene) -> str | None:
    """Compensated tells whether all was undone; it is absent where there was nothing to undo."""
    if reading.reason(scene.run) == "RevisionLost":
        return None
    told = reading.conditions(scene.run).get("Compensated")
    rows = records(scene.run)
    undone = [rows.get(("undo", s), {}).get("state") == "Succeeded" for _, s in _undoable(scene)]
    failed = run_failed(scene, scene.run) or reading.reason(scene.run) == "Cancelled"
    meant = str(all(undone)) if undone and failed else None
    return f"Compensated is {told}, not {meant}" if told != meant else None
