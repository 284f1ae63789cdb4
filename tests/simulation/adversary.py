"""What happens next, and how badly: every choice from one seed.

A run has a mood: which kinds of trouble it knows, and how often. Moods differ much from run to
run, so that some runs are long and quiet but for one thing, and others a storm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from simulation.cluster import Cluster, Fate, Machine, Move, Try
from simulation.leader import Call, Leader
from simulation.server import Raw, Server
from workflow_do.engine.timestamps import stamp
from workflow_do.runtime.api import JOBS, PODS, RUNS, ApiError, Unavailable

_PULL: Final = ("ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError")
_BLOCKS: Final = (
    'pods "x" is forbidden: exceeded quota: small, requested: pods=1',
    "admission webhook denied the request",
    "Internal error occurred",
)
_BAD_OUTPUTS: Final = ("[]", "{", '{"n": "text"}', "x" * 5000, '{"n": 1} {"n": 2}')
_LARGE: Final = ', "more": "' + "x" * 33_000 + '"'
_RARE: Final = frozenset({"job deleted by hand", "node is gone"})
"""Each of these ends a run without a trace; there has to be something left to end."""
_JUMPS: Final = (0.3, 0.3, 1.0, 1.0, 2.0, 3.0, 8.0, 30.0, 65.0, 130.0, 400.0, 4000.0)


@dataclass(frozen=True)
class Mood:
    """How often what goes wrong, as probabilities."""

    bad_fate: float
    lost: float
    unheard: float
    read_fails: float
    crash: float
    second: bool
    late_events: float
    cluster_trouble: float
    refused: float
    quota: float
    burst: float
    revision_lost: bool
    definition: str
    people: float
    late_start: int
    wiped: float
    deciding: float
    willing: float
    unguarded: bool


class Adversary:
    """The choices of one run. `seen` counts what has happened, for the record of coverage."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.seen: Counter[str] = Counter()
        self.mood = _mood(self.random)
        self._refused: dict[str, bool] = {}

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return probability > 0 and self.random.random() < probability

    def fate(self, needs_n: bool, by_log: bool) -> Fate:
        """What is in store for a new Job; by its log a program may give much."""
        fate = self._fate(needs_n, _LARGE if by_log and self.chance(0.3) else "")
        fate.by_log = by_log
        return fate

    def _fate(self, needs_n: bool, more: str) -> Fate:
        n = self.random.randrange(100)
        good = f'{{"n": {n}{more}}}' if needs_n or n < 70 else "{}"
        if not self.chance(self.mood.bad_fate):
            return Fate(output=good, traps_term=n % 2 == 0)
        pick = self.random.choice
        fates: tuple[Callable[[], Fate], ...] = (
            lambda: Fate(exit_code=pick((1, 3, 137, 143))),
            lambda: Fate(exit_code=pick((1, 3))),
            lambda: Fate(oom=True),
            lambda: Fate(output=pick(_BAD_OUTPUTS)),
            lambda: Fate(hangs=True, output=good, traps_term=True),
            lambda: Fate(hangs=True, output=good, traps_term=True),
            lambda: Fate(hangs=True, output=good, traps_term=pick((True, False))),
            lambda: Fate(start_error=True),
            lambda: Fate(hindrance=pick(_PULL), output=good, vague=pick((True, False))),
            lambda: Fate(unschedulable=True, output=good),
            lambda: Fate(refused=True),
            lambda: Fate(blocked=pick(_BLOCKS), output=good),
        )
        return pick(fates)()

    def refuses(self, job: Raw, taken: bool) -> str | None:
        """Admission's answer to a POST. The same for one name, until the name is taken: then the
        quota that it has used up may speak before the conflict does."""
        name = job["metadata"]["name"]
        if taken:
            used_up = self.chance(self.mood.quota)
            return "exceeded quota: count/jobs.batch" if used_up else None
        if name not in self._refused:
            self._refused[name] = self.chance(self.mood.refused)
        return "admission webhook denied the request" if self._refused[name] else None

    def let_through(self, leader: Leader, call: Call, adrift: list[Call], fair: bool) -> str:
        """One held call goes its way; what became of it. `adrift`: carried out later, perhaps."""
        server = leader.server
        if fair or not self._fails(call):
            leader.answer(call, lambda: call.serve(server))
            return f"{call.verb} {call.resource.plural}"
        if call.write and self.chance(self.mood.unheard):
            carry_out(call, server)
            leader.answer(call, _no_answer)
            return f"{call.verb} {call.resource.plural} applied, answer lost"
        if call.write and self.chance(0.3):
            adrift.append(call)
            leader.answer(call, _no_answer)
            return f"{call.verb} {call.resource.plural} delayed, no answer"
        leader.answer(call, _no_answer)
        return f"{call.verb} {call.resource.plural} lost"

    def _fails(self, call: Call) -> bool:
        return self.chance(self.mood.lost if call.write else self.mood.read_fails)

    def jump(self) -> float:
        """So many seconds pass."""
        return self.random.choice(_JUMPS[: self.random.choice((4, 7, 9, 12))])

    def end_silence(self, cluster: Cluster, m: Machine) -> str:
        """What becomes of a node that does not answer: it is gone; it never speaks again, and after
        a while Kubernetes wants its Pods gone; or it is back.
        """
        if self.chance(0.3):
            cluster.destroy(m)
            return "silent node is gone"
        if self.chance(0.3):
            raw = cluster.server.get(PODS, m.pod)
            if not _disrupted(raw):
                _disrupt(cluster.server, m)
            cluster.delete_pod(cluster.server.get(PODS, m.pod))
            return "silent node never speaks again"
        m.silent = False
        return "silent node is back"

    def troubles(self, cluster: Cluster, leaders: list[Leader], adrift: list[Call]) -> list[Move]:
        """What could go wrong in the cluster now."""
        found: list[Move] = []
        for m in cluster.machines:
            raw = cluster.server.find(PODS, m.pod)
            if raw is not None and (m.state != "ended" or self.chance(0.3)):
                found += _pod_troubles(cluster, m, raw)
        for this in cluster.tries:
            found += _job_troubles(cluster, this, leaders, adrift)
        return [move for move in found if move[0] not in _RARE or self.chance(0.12)]


def carry_out(call: Call, server: Server, late: bool = False) -> None:
    """Carry out a call whose answer nobody hears; a refusal is an answer too."""
    with suppress(ApiError):
        call.serve(server, late)


def _no_answer() -> Any:
    raise Unavailable("no answer")


def _mood(random: Random) -> Mood:
    def some(*values: float) -> float:
        return random.choice((0.0, 0.0, *values))

    return Mood(
        bad_fate=some(0.1, 0.25, 0.5),
        lost=some(0.15, 0.4),
        unheard=random.choice((0.3, 0.7)),
        read_fails=some(0.05, 0.2),
        crash=some(0.01, 0.04),
        second=random.random() < 0.4,
        late_events=some(0.3, 0.8),
        cluster_trouble=some(0.02, 0.06, 0.15),
        refused=some(0.0, 0.03, 0.1),
        quota=some(0.3, 0.8),
        burst=random.choice((0.0, 0.6, 0.9)),
        revision_lost=random.random() < 0.03,
        definition=random.choice(("there",) * 18 + ("late", "missing", "suspended")),
        people=some(0.0, 0.01, 0.04),
        late_start=random.choice((0, 0, 12, 16, 24, 40)),
        wiped=some(0.0, 0.0, 0.2),
        deciding=random.choice((0.0, 0.1, 0.25)),
        willing=random.choice((0.0, 0.5, 0.9)),
        unguarded=random.random() < 0.05,
    )


def _pod_troubles(cluster: Cluster, m: Machine, raw: Raw) -> list[Move]:
    """Deletion, eviction, a silent node, a node that is gone, and their mending."""
    server, found = cluster.server, []
    deleting = "deletionTimestamp" in raw["metadata"]
    over = raw["status"].get("phase") in ("Succeeded", "Failed")
    if not deleting:
        found.append(("pod deleted by hand", lambda: cluster.delete_pod(raw)))
    if not over and not _disrupted(raw):
        found.append(("eviction begins", lambda: _disrupt(server, m)))
    if _disrupted(raw) and not deleting:
        found.append(("evicted", lambda: cluster.delete_pod(raw)))
    if "nodeName" in raw["spec"]:
        found += _node_troubles(cluster, m, over)
    if m.of.fate.hindrance and m.state == "waiting":
        found.append(("hindrance gone", lambda: setattr(m.of.fate, "hindrance", "")))
    if m.of.fate.unschedulable:
        found.append(("room on a node", lambda: setattr(m.of.fate, "unschedulable", False)))
    return found


def _node_troubles(cluster: Cluster, m: Machine, over: bool) -> list[Move]:
    found: list[Move] = []
    if not m.evicted:
        last = m.reported == "ended" and not (m.phase or m.silent)
        label = "node falls silent before the phase" if last else "node falls silent"
        found.append((label, lambda: _silence(m, not m.silent)))
    if m.state == "running" and not m.silent and m.dying is None:
        found.append(("kubelet evicts", lambda: cluster.evict(m)))
    if m.silent:
        found.append(("node is gone", lambda: cluster.destroy(m)))
        if not over:
            found.append(("node given up", lambda: cluster.give_up(m)))
    return found


def _job_troubles(
    cluster: Cluster, this: Try, leaders: list[Leader], adrift: list[Call]
) -> list[Move]:
    job = cluster.job_of(this)
    if job is None:
        return []
    found: list[Move] = []
    if this.fate.blocked:
        found.append(("quota freed", lambda: setattr(this.fate, "blocked", "")))
    if nobody_could_make_it_again(cluster, this, leaders, adrift):
        found.append(("job deleted by hand", lambda: cluster.server.remove(JOBS, this.job)))
    return found


def nobody_could_make_it_again(
    cluster: Cluster, this: Try, leaders: list[Leader], adrift: list[Call]
) -> bool:
    """Whether a Job that is deleted now cannot be made again by a POST that is still repeated.

    Kubernetes keeps no memory of a deleted name but its Events. Who deletes a Job in the moment
    in which it is made, while somebody acts on an older look, can have it made twice; that is said
    in the documentation, and not tried here. Who deletes one that its maker has not written down
    cannot, as long as whoever comes next asks for its Events.
    """
    calls = [*adrift, *(c for leader in leaders for c in leader.wire.calls)]
    posted = any(c.verb == "create" and c.resource is JOBS for c in calls)
    if posted or any(leader.busy for leader in leaders):
        return False
    minds = [leader.store.record(this.run) for leader in leaders]
    run = _run(cluster, this)
    if not _on_record(run, this):
        return this.uid in cluster.server.told and not any(m and m.vouched for m in minds)
    version = int(run["metadata"]["resourceVersion"])
    return all(m is not None and m.version >= version for m in minds)


def _on_record(run: Raw, this: Try) -> bool:
    status = run.get("status") or {}
    recorded = [*(status.get("steps") or ()), status.get("onFailure") or {}]
    return this.uid in [r.get("jobUID") for r in recorded]


def _run(cluster: Cluster, this: Try) -> Raw:
    runs = cluster.server.all(RUNS)
    return next(run for run in runs if run["metadata"]["uid"] == this.run)


def _disrupted(raw: Raw) -> bool:
    return any(c["type"] == "DisruptionTarget" for c in raw["status"].get("conditions") or ())


def _disrupt(server: Server, m: Machine) -> None:
    row = {"type": "DisruptionTarget", "status": "True", "message": "drained"}
    row["lastTransitionTime"] = stamp(server.now)
    rows = server.get(PODS, m.pod)["status"].get("conditions") or ()
    server.update(PODS, m.pod, status={"conditions": [*rows, row]})


def _silence(m: Machine, silent: bool) -> None:
    m.silent = silent
