"""What must hold of runs whose Workflow limits how many go on at once (design, "Behaviour")."""

from __future__ import annotations

from simulation import reading
from simulation.cluster import Try
from simulation.invariants import Scene
from simulation.reading import ended
from simulation.server import Raw


def few_have_a_place(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Concurrency: no more runs than `max` of one key have a place at the same time."""
    if not scene.scenario.places or _admitted(old) or not _admitted(new) or ended(new):
        return None
    held = [s.name for s in _rivals(scene) if _admitted(s.run) and not ended(s.run)]
    most = scene.scenario.places["max"]
    return f"{scene.name} has a place beside {held}, of {most}" if len(held) >= most else None


def a_place_comes_first(scene: Scene, this: Try) -> str | None:
    """Concurrency: nothing starts before the run has a place, which is on record; but one that is
    cancelled while it waits needs none for its `finally`.
    """
    if not scene.scenario.places or this.stray or _admitted(scene.run):
        return None
    if this.role == "finally" and scene.run["spec"].get("desiredState", "").startswith("Cancel"):
        return None
    return f"{reading.name(this)} of {scene.name} was made without a place"


def few_run_at_once(scene: Scene, this: Try) -> str | None:
    """Concurrency: programs of no more runs than `max` of one key run at the same time."""
    if not scene.scenario.places:
        return None
    crowd = [scene, *_rivals(scene)]
    runs = [s.name for s in crowd if _admitted(s.run) and any(map(_runs, s.tries))]
    most = scene.scenario.places["max"]
    return f"programs of {runs} run, and {most} is the most" if len(runs) > most else None


def the_refused_do_nothing(scene: Scene) -> str | None:
    """Concurrency: a run that is refused has started nothing, and only Forbid refuses."""
    if reading.reason(scene.run) != "ConcurrencyForbidden":
        return None
    policy = scene.scenario.places.get("policy")
    if policy == "Forbid" and not scene.tries:
        return None
    return f"{scene.name} was refused under {policy}, with {len(scene.tries)} Jobs"


def only_the_older_are_replaced(scene: Scene) -> str | None:
    """Concurrency: a run is cancelled for a newer one under Replace, else only if people ask."""
    if scene.asked or not scene.run["spec"].get("desiredState", "").startswith("Cancelled"):
        return None
    policy = scene.scenario.places.get("policy")
    if policy == "Replace" and any(s.name > scene.name for s in _rivals(scene)):
        return None
    return f"{scene.name} was cancelled under {policy}, and is not older than another one"


def _runs(this: Try) -> bool:
    return this.running and not this.stray


def _rivals(scene: Scene) -> list[Scene]:
    """The other runs that share the places of this one."""
    return [s for s in scene.crowd if s is not scene and _key(s) == _key(scene)]


def _key(scene: Scene) -> object:
    return scene.run["spec"]["trigger"]["body"]["k"] if "key" in scene.scenario.places else None


def _admitted(run: Raw) -> bool:
    return "admittedTime" in (run.get("status") or {})
