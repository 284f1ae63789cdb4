"""What people do: they pause, resume and cancel runs, and decide about steps, well or badly."""

from __future__ import annotations

from typing import Final

from simulation import reading
from simulation.adversary import Adversary
from simulation.invariants import Scene, ended
from simulation.server import NAMESPACE, Raw, Server
from workflow_do.runtime.api import APPROVALS

_CANCELS: Final = ("Cancelled", "CancelledWithCompensation")
_WISHES: Final = ("Paused", "Paused", "Running", "Running", *_CANCELS)
_NAMES: Final = ("sam", "kim", "lee")
_ODD: Final = ({"runUID": "another"}, {"runName": "run-x"}, {"workflowName": "x"}, {"step": "x"})
_DATA: Final = ({"n": 3}, {"n": 4, "more": "x"}, {}, {"n": "three"}, None)


class People:
    """Those who may touch the runs of a simulation."""

    def __init__(self, server: Server, adversary: Adversary, scenes: list[Scene]) -> None:
        self._server = server
        self._random = adversary.random
        self._scenes = scenes
        self._decided = 0

    def ask(self) -> str | None:
        """Somebody pauses, resumes or cancels a run. There is no way back from a cancel."""
        scene = self._random.choice(self._scenes)
        if ended(scene.run) or scene.run["spec"].get("desiredState") in _CANCELS:
            return None
        wish = self._random.choice(_WISHES)
        scene.asked = True
        self._server.desire(scene.name, wish)
        return f"asked to be {wish}"

    def relent(self) -> None:
        """Nobody keeps a run paused for ever."""
        for scene in self._scenes:
            if scene.run["spec"].get("desiredState") == "Paused" and not ended(scene.run):
                self._server.desire(scene.name, "Running")

    def meddle(self) -> str | None:
        """Somebody decides about a step, mostly one that waits; or loses patience with the run, or
        deletes a decision.
        """
        pick, roll = self._random.choice, self._random.random()
        scene = pick(self._scenes)
        live = [s for s in scene.scenario.waiting if _state(scene, s) == "Running"]
        if not live and roll < 0.9:
            return None
        if not scene.scenario.approvals or (live and roll < 0.15):
            return self.ask()
        known = self._server.all(APPROVALS)
        if known and self._random.random() < 0.1:
            self._server.remove(APPROVALS, pick(known)["metadata"]["name"])
            return "decision deleted"
        step = pick([s for s in scene.scenario.approvals if s in live] or scene.scenario.approvals)
        odd = pick(_ODD) if self._random.random() < 0.2 else {}
        no = self._random.random() < 0.2
        self._say(scene, step, pick(_NAMES), "Reject" if no else "Approve", pick(_DATA), odd)
        return "decision about another run" if odd else f"decision, {_state(scene, step)}"

    def settle(self) -> str | None:
        """Where a step waits for people, one decides as they should; None where none waits."""
        for scene in self._scenes:
            for step in scene.scenario.approvals:
                if _state(scene, step) == "Running":
                    self._say(scene, step, self._random.choice(_NAMES), "Approve", {"n": 5}, {})
                    return "decision as it should be"
        return None

    def _say(
        self, scene: Scene, step: str, who: str, decision: str, data: Raw | None, odd: Raw
    ) -> None:
        self._decided += 1
        about = {"workflowName": "flow", "runName": scene.name, "runUID": scene.uid, "step": step}
        says = {"decision": decision, "approver": who, **({"data": data} if data else {})}
        meta = {"name": f"decision-{self._decided}", "namespace": NAMESPACE}
        raw = {"metadata": meta, "spec": {**about, **says, **odd}}
        made = self._server.create(APPROVALS, raw)
        for one in self._scenes:
            one.said.append(made)


def _state(scene: Scene, step: str) -> str:
    return reading.step_state(scene.run, step)
