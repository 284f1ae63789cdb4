"""One run from its beginning to its end: a scenario, a seed, and nothing else.

First the adversary has its way for a number of moves; then it turns fair (one process leads,
answers come, events come in order, nodes speak again), and the run must end within a bounded
number of rounds.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from unittest import mock

from structlog.testing import capture_logs

from simulation import reading
from simulation.adversary import Adversary, carry_out, nobody_could_make_it_again
from simulation.cluster import Cluster, Fate, Try
from simulation.invariants import Scene, Violated, ended, hold
from simulation.leader import Broken, Call, Leader
from simulation.people import People
from simulation.promises import (
    AT_THE_END,
    DECIDED_AGAIN,
    JOB_MADE,
    PLANNED,
    PROGRAM_BEGAN,
    STATUS_WRITTEN,
)
from simulation.scenario import UNTIL, Scenario
from simulation.server import NAMESPACE, Raw, Server
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Observed
from workflow_do.engine.plan import plan
from workflow_do.runtime import reconcile
from workflow_do.runtime.api import ACTIONS, JOBS, PODS, REVISIONS, RUNS, WORKFLOWS

_FAIR_ROUNDS: Final = 300
"""Fair rounds a step may take; 120 is the most that was seen."""
_TRACE: Final = 120
_LIMITS: Final = {0: 1, 1: 2}
"""By the seed: in some worlds only so many Jobs may be live at once."""


@dataclass(frozen=True)
class Outcome:
    """What the runs came to; `seen` counts what happened on the way."""

    verdicts: tuple[str, ...]
    jobs: int
    seen: Counter[str]


def simulate(scenario: Scenario, seed: int) -> Outcome:
    """Run it. Raises Violated, with the last moves in its notes."""
    random.seed(seed)
    world = Simulation(scenario, seed)
    with every_plan_is_checked():
        try:
            return world.run()
        except Violated as violated:
            violated.add_note("\n".join(world.trace[-_TRACE:]))
            raise
        except Broken as broken:
            unforeseen = Violated("plan_is_total", str(broken))
            unforeseen.add_note("\n".join(world.trace[-_TRACE:]))
            raise unforeseen from broken
        finally:
            for leader in world.leaders:
                leader.drop()


@contextmanager
def every_plan_is_checked() -> Iterator[None]:
    """The runtime's plan, and what must hold of each; nothing is logged."""

    def checked(observed: Observed, now: datetime) -> Plan:
        planned = plan(observed, now)
        hold(PLANNED, observed, planned)
        if planned.stands:
            written = replace(observed, run=replace(observed.run, status=planned.status))
            hold(DECIDED_AGAIN, planned, plan(written, now))
        return planned

    with mock.patch.object(reconcile, "plan", checked), capture_logs():
        yield


class Simulation:
    """The world of one run, or of some that share places."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.trace: list[str] = []
        self.adrift: list[Call] = []
        self.leaders: list[Leader] = []
        self.adversary = Adversary(seed)
        self.server = Server()
        self.cluster = Cluster(self.server, self._fate)
        self.limit = _LIMITS.get(seed % 8, 0)
        self.server.refuses = self._refuses
        self.server.job_made = self._job_made
        self.server.run_written = self._run_written
        self.server.guarded = not self.adversary.mood.unguarded
        self.cluster.began = lambda this: hold(PROGRAM_BEGAN, self._scene_of(this), this)
        self._definitions(self.adversary.mood.definition in ("there", "suspended"))
        if self.adversary.mood.definition == "suspended":
            self._suspend(True)
        self.scenes = [
            Scene(scenario, self.server, self.cluster, f"run-{at + 1}", limit=self.limit)
            for at in range(scenario.runs)
        ]
        for scene in self.scenes:
            scene.crowd = self.scenes
        self.people = People(self.server, self.adversary, self.scenes)
        self._start(self.scenes[0])
        self.leaders = [self._leader() for _ in range(2 if self.adversary.mood.second else 1)]
        for scene in self.scenes[1:]:
            self._start(scene)

    def run(self) -> Outcome:
        """Both phases; what came of them."""
        size = self.scenario.size * len(self.scenes)
        for _ in range(self.adversary.mood.late_start):
            self._fair_round()
        for _ in range(self.adversary.random.choice((10, 40, 60 + 20 * size, 100 + 40 * size))):
            self._unfair_move()
        self._turn_fair()
        for _ in range(_FAIR_ROUNDS * (size + 2 * len(self.scenes))):
            if not self._fair_round():
                break
        for scene in self.scenes:
            if not ended(scene.run):
                raise Violated("every_run_ends", f"{scene.name} has no end in a fair world")
            hold(AT_THE_END, scene)
        self.adversary.seen["stale status refused"] += self.server.stale
        verdicts = tuple(reading.reason(scene.run) for scene in self.scenes)
        return Outcome(verdicts, len(self.cluster.tries), self.adversary.seen)

    def _start(self, scene: Scene) -> None:
        """A run is made; those after the first have another body."""
        at = self.scenes.index(scene)
        body = {"n": 1, "k": f"key-{at % 2}", "until": UNTIL}
        spec = {"workflowName": "flow", "trigger": {"type": "api", "body": body}}
        meta = {"name": scene.name, "namespace": NAMESPACE}
        made = self.server.create(RUNS, {"metadata": meta, "spec": spec})
        scene.uid = made["metadata"]["uid"]

    def _leader(self) -> Leader:
        return Leader(self.server, places=bool(self.scenario.places), limit=self.limit)

    def _scene_of(self, this: Try) -> Scene:
        return next(s for s in self.scenes if s.uid == this.run)

    def _definitions(self, there: bool) -> None:
        """Apply the Workflow and its Actions, or all but the last Action."""
        made = [(ACTIONS, n, spec) for n, spec in sorted(self.scenario.actions.items())]
        made.append((WORKFLOWS, "flow", self.scenario.flow))
        for resource, name, spec in made if there else made[1:]:
            meta = {"name": name, "namespace": NAMESPACE}
            if self.server.find(resource, name) is None:
                self.server.create(resource, {"metadata": meta, "spec": spec})

    def _suspend(self, suspend: bool) -> None:
        """Hold new runs of the Workflow back, or no longer."""
        self.server.update(WORKFLOWS, "flow", spec={"suspend": suspend})
        for leader in self.leaders:
            leader.look_at_all()

    def _fate(self, job: Raw) -> tuple[Fate, bool]:
        image = job["spec"]["template"]["spec"]["containers"][0]["image"]
        action = image.partition("/")[2].partition(":")[0]
        needs_n = self.scenario.needs_n(action)
        return self.adversary.fate(needs_n, self.scenario.by_log(action)), needs_n

    def _refuses(self, job: Raw) -> str | None:
        taken = self.server.find(JOBS, job["metadata"]["name"]) is not None
        return self.adversary.refuses(job, taken)

    def _job_made(self, raw: Raw) -> None:
        this: Try = self.cluster.job_made(raw)
        self.trace.append(f"  JOB {this.role} {this.step} try {this.number}: {this.fate}")
        scene = self._scene_of(this)
        scene.enter(this)
        hold(JOB_MADE, scene, this)

    def _run_written(self, old: Raw, new: Raw) -> None:
        steps = [(s["id"], s["state"], s.get("reason")) for s in new["status"].get("steps") or ()]
        name = new["metadata"]["name"]
        told = new["status"].get("onFailure", {}).get("state")
        self.trace.append(f"  STATUS {name} {steps} {told}")
        scene = next(s for s in self.scenes if s.name == name)
        scene.mark_strays(new)
        hold(STATUS_WRITTEN, scene, old, new)

    def _note(self, what: str) -> None:
        self.adversary.seen[what] += 1
        self.trace.append(f"{self.server.seconds():.1f} {what}")

    def _unfair_move(self) -> None:
        pick, mood = self.adversary.random, self.adversary.mood
        roll = pick.random()
        if roll < mood.cluster_trouble + 0.02 * mood.revision_lost:
            self._trouble()
        elif roll < mood.cluster_trouble + mood.crash:
            self._crash(pick.choice(self.leaders))
        elif self.adversary.chance(mood.people):
            self._note(self.people.ask() or "asked in vain")
        elif self.scenario.waiting and self.adversary.chance(mood.deciding):
            self._note(self.people.meddle() or "nobody says anything")
        elif roll < 0.55:
            self._drive(pick.choice(self.leaders))
        elif roll < 0.70:
            self._deliver(pick.choice(self.leaders))
        elif roll < 0.93:
            self._move()
        elif self.adrift and roll < 0.95:
            self._drift()
        else:
            self._pass(self.adversary.jump())

    def _drive(self, leader: Leader) -> None:
        calls = leader.wire.calls
        if calls and not (leader.wants() and leader.busy and self.adversary.chance(0.3)):
            call = self.adversary.random.choice(calls)
            self._note(self.adversary.let_through(leader, call, self.adrift, False))
            if self._posted(call) and self.adversary.chance(self.adversary.mood.wiped):
                self._wipe(leader)
                return
            if calls and not calls[0].write and self.adversary.chance(self.adversary.mood.burst):
                self._drive(leader)
        elif leader.wants():
            leader.go()

    def _posted(self, call: Call) -> bool:
        """Whether this call has just made a Job."""
        name = call.args[0]["metadata"]["name"] if call.verb == "create" else ""
        return call.resource is JOBS and any(t.job == name for t in self.cluster.tries[-1:])

    def _wipe(self, leader: Leader) -> None:
        """Killed right after the POST; the Job gets its Pod, and is deleted by hand."""
        self._crash(leader)
        this = self.cluster.tries[-1]
        while this.uid not in self.server.told:
            told = self.cluster.moves_of(this)
            if not told:
                return
            told[0][1]()
        if nobody_could_make_it_again(self.cluster, this, self.leaders, self.adrift):
            self._note("unrecorded job deleted")
            self.server.remove(JOBS, this.job)

    def _deliver(self, leader: Leader) -> None:
        """Some watch events: mostly the next ones, sometimes old ones again or newer ones first."""
        pick, log = self.adversary.random, self.server.log
        kind = pick.choice(sorted(leader.heard))
        at = leader.heard[kind]
        if self.adversary.chance(self.adversary.mood.late_events):
            some = [c for c in log[max(0, at - 6) : at + 6] if c.kind == kind]
            if some:
                leader.hear(pick.choice(some))
                self._note("event repeated or out of order")
            return
        upto = min(len(log), at + pick.choice((1, 4, 30)))
        for change in log[at:upto]:
            if change.kind == kind:
                leader.hear(change)
        leader.heard[kind] = upto

    def _move(self) -> None:
        moves = self.cluster.moves()
        if moves:
            label, act = self.adversary.random.choice(moves)
            self._note(label)
            act()

    def _trouble(self) -> None:
        mood, pick = self.adversary.mood, self.adversary.random
        if mood.definition == "late" and pick.random() < 0.5:
            self._definitions(True)
            for leader in self.leaders:
                leader.look_at_all()
        revisions = self.server.all(REVISIONS)
        if mood.revision_lost and revisions:
            self._note("revision deleted")
            self.server.remove(REVISIONS, revisions[0]["metadata"]["name"])
            return
        troubles = self.adversary.troubles(self.cluster, self.leaders, self.adrift)
        if troubles:
            wanted = pick.choice(sorted({label for label, _ in troubles}))
            label, act = pick.choice([t for t in troubles if t[0] == wanted])
            self._note(label)
            act()

    def _crash(self, leader: Leader) -> None:
        """kill -9; what was on its way may still arrive."""
        self._note("operator killed")
        self.adrift += [c for c in leader.wire.calls if c.write]
        leader.drop()
        self.leaders[self.leaders.index(leader)] = self._leader()

    def _drift(self) -> None:
        call = self.adrift.pop(self.adversary.random.randrange(len(self.adrift)))
        self._note(f"{call.verb} {call.resource.plural} carried out late")
        carry_out(call, self.server, late=True)

    def _pass(self, seconds: float) -> None:
        self.server.now += timedelta(seconds=seconds)
        self._note("time passes")
        self.cluster.tick()

    def _turn_fair(self) -> None:
        """One process leads; nodes speak, or it shows that they never will; late definitions are
        there, people relent; a resync finds what watches have missed.
        """
        self._note("fair from here on")
        while len(self.leaders) > 1:
            other = self.leaders.pop(self.adversary.random.randrange(len(self.leaders)))
            self.adrift += [c for c in other.wire.calls if c.write]
            other.drop()
        while self.adrift:
            self._drift()
        if self.adversary.mood.definition == "late":
            self._definitions(True)
        if self.adversary.mood.definition == "suspended":
            self._suspend(False)
        self.people.relent()
        for m in self.cluster.machines:
            if m.silent and self.server.find(PODS, m.pod):
                self._note(self.adversary.end_silence(self.cluster, m))
        for leader in self.leaders:
            leader.doubt()

    def _fair_round(self) -> bool:
        """One round in which all that can go on does; False when nothing ever will again."""
        busy, mood = False, self.adversary.mood
        for leader in self.leaders:
            busy |= self._fair_turn(leader)
        moves = self.cluster.moves()
        if moves:
            label, act = self.adversary.random.choice(moves)
            self._note(label)
            act()
        if busy or moves:
            return True
        if self.scenario.approvals and self.adversary.chance(mood.willing):
            decided = self.people.settle()
            if decided is not None:
                self._note(decided)
                return True
        times = [t for t in (leader.next_time() for leader in self.leaders) if t is not None]
        soonest = min([*times, *filter(None, [self.cluster.next_time()])], default=None)
        if soonest is None:
            return False
        self._pass(max(0.1, (soonest - self.server.now).total_seconds()))
        return True

    def _fair_turn(self, leader: Leader) -> bool:
        """Every event, then every answer. Whether there was anything to do."""
        log, busy = self.server.log, False
        for kind, at in leader.heard.items():
            for change in log[at:]:
                if change.kind == kind:
                    leader.hear(change)
            leader.heard[kind] = len(log)
        for call in tuple(leader.wire.calls):
            self._note(self.adversary.let_through(leader, call, self.adrift, True))
            busy = True
        if leader.wants():
            leader.go()
            busy = True
        return busy
