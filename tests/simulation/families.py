"""Parents and children against an adversary: many runs, the operator's own code, no Jobs.

The steps of the children are waits, so that all trouble is in what lies between two runs: answers
that are lost or come late, events in any order, processes that die or compete, people who pause,
cancel, delete children by hand and forge them. First the adversary has its way, then the world
turns fair and everything has to end.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from simulation.adversary import carry_out
from simulation.campaign import Report
from simulation.invariants import Violated
from simulation.leader import Broken, Call
from simulation.server import NAMESPACE, Raw, Server
from simulation.simulate import every_plan_is_checked
from simulation.workers import FamilyServer, Process
from workflow_do.api.run import StepState
from workflow_do.engine.facts import parse_status
from workflow_do.engine.identity import Role, Unit, job_name, labels, owner
from workflow_do.engine.kin import Call as Kinship
from workflow_do.engine.kin import child_uid, parse_call, parse_child
from workflow_do.engine.ledger import of_status
from workflow_do.runtime.api import RUNS, WORKFLOWS, Refused, Unavailable

MUST_HAPPEN: Final = frozenset(
    {
        "operator killed",
        "create workflowruns applied, answer lost",
        "create workflowruns lost",
        "create workflowruns carried out late",
        "json_patch workflowruns applied, answer lost",
        "merge_patch workflowruns",
        "event out of order",
        "child deleted",
        "child forged",
        "asked to be Paused",
        "asked to be Cancelled",
        "asked to be CancelledWithCompensation",
    }
)
"""An adversary that has become harmless proves nothing."""
PROMISES: Final = frozenset(
    {
        "a_child_begins_once",
        "only_the_named_begin",
        "the_forged_never_begin",
        "no_child_outlives_its_parent",
        "a_success_is_the_childs_own",
    }
)
"""Beside that every run ends, and that a plan is total."""
_FAIR_ROUNDS: Final = 3000
_BODY: Final = {"n": 1}


class Family:
    """One root run with all that it leads to, from a seed alone."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = FamilyServer()
        self.server.run_written = self._written
        self.seen: Counter[str] = Counter()
        self.trace: list[str] = []
        self.adrift: list[Call] = []
        self._begun: dict[Kinship, set[str]] = defaultdict(set)
        self._forged: set[str] = set()
        self._loss = self.random.choice((0.0, 0.1, 0.3))
        self._haste = self.random.choice((0.0, 0.02, 0.05))
        for name, spec in flows(self.random).items():
            meta = {"name": name, "namespace": NAMESPACE}
            self.server.create(WORKFLOWS, {"metadata": meta, "spec": spec})
        spec = {"workflowName": "flow", "trigger": {"type": "api", "body": _BODY}}
        meta = {"name": "run-1", "namespace": NAMESPACE}
        self.server.create(RUNS, {"metadata": meta, "spec": spec})
        many = self.random.choice((1, 1, 2))
        self.processes = [Process(self.server) for _ in range(many)]

    @property
    def root(self) -> Raw:
        """The root run as stored."""
        return self.server.get(RUNS, "run-1")

    def play(self) -> str:
        """Both phases; the reason that the root ended with. Raises Violated."""
        with every_plan_is_checked():
            try:
                return self._play()
            except Violated as violated:
                violated.add_note("\n".join(self.trace[-150:]))
                raise
            except Broken as broken:
                unforeseen = Violated("plan_is_total", str(broken))
                unforeseen.add_note("\n".join(self.trace[-150:]))
                raise unforeseen from broken
            finally:
                for process in self.processes:
                    process.loop.drop()

    def _play(self) -> str:
        for _ in range(self.random.choice((20, 60, 150, 300))):
            self._unfair()
        self._turn_fair()
        for _ in range(_FAIR_ROUNDS):
            if not self._fair():
                break
        for raw in self.server.all(RUNS):
            child = parse_child(raw)
            if child.outcome is None and (child.call is None or parent_of(self.server, raw)):
                raise Violated("every_run_ends", f"{child.name} has come to no end")
        return parse_child(self.root).reason

    def _note(self, what: str) -> None:
        self.seen[what] += 1
        self.trace.append(f"{self.server.seconds():.1f} {what}")

    # What happens.

    def _unfair(self) -> None:
        pick = self.random
        process = pick.choice(self.processes)
        roll = pick.random()
        if roll < self._haste:
            pick.choice((self._crash, self._delete, self._forge, self._ask))()
        elif roll < 0.6:
            self._drive(process)
        elif roll < 0.8:
            self._deliver(process)
        elif self.adrift and roll < 0.85:
            self._drift()
        else:
            self._pass(pick.choice((0.1, 0.5, 1.0, 3.0, 10.0)))

    def _drive(self, process: Process) -> None:
        calls = process.wire.calls
        if not calls:
            if process.wants():
                process.go()
            return
        call = self.random.choice(calls)
        what = f"{call.verb} {call.resource.plural}"
        if self.random.random() >= (self._loss if call.write else self._loss / 3):
            self._note(what)
            process.answer(call, lambda: call.serve(self.server))
            return
        fate = self.random.choice(("applied, answer lost", "lost", "delayed"))
        if call.write and fate == "applied, answer lost":
            carry_out(call, self.server)
        elif call.write and fate == "delayed":
            self.adrift.append(call)
        self._note(f"{what} {fate}")
        process.answer(call, _no_answer)

    def _deliver(self, process: Process) -> None:
        log = self.server.log
        if self.random.random() < 0.2:
            some = log[max(0, process.heard - 5) : process.heard + 5]
            if some:
                self._note("event out of order")
                process.hear(self.random.choice(some))
            return
        upto = min(len(log), process.heard + self.random.choice((1, 4, 30)))
        for change in log[process.heard : upto]:
            process.hear(change)
        process.heard = upto

    def _drift(self) -> None:
        call = self.adrift.pop(self.random.randrange(len(self.adrift)))
        self._note(f"{call.verb} {call.resource.plural} carried out late")
        carry_out(call, self.server, late=True)

    def _pass(self, seconds: float) -> None:
        self.server.now += timedelta(seconds=seconds)
        self._collect()

    def _crash(self) -> None:
        self._note("operator killed")
        process = self.random.choice(self.processes)
        self.adrift += [c for c in process.wire.calls if c.write]
        process.loop.drop()
        self.processes[self.processes.index(process)] = Process(self.server)

    def _delete(self) -> None:
        children = [raw for raw in self.server.all(RUNS) if raw["metadata"]["name"] != "run-1"]
        if children:
            self._note("child deleted")
            self.server.remove(RUNS, self.random.choice(children)["metadata"]["name"])

    def _collect(self) -> None:
        """What Kubernetes does with runs whose owner is gone."""
        for raw in self.server.all(RUNS):
            if parse_call(raw) is not None and parent_of(self.server, raw) is None:
                self.server.remove(RUNS, raw["metadata"]["name"])

    def _forge(self) -> None:
        """Somebody makes a run that says it is a child: of a step that is, was or never will be."""
        above = self.random.choice(self.server.all(RUNS))
        name, uid = above["metadata"]["name"], above["metadata"]["uid"]
        steps = (above.get("status") or {}).get("steps") or [{"id": "s0"}]
        step = self.random.choice(steps)
        item = self.random.choice((None, 0, 1)) if "items" in step else None
        unit, number = Unit(Role.DO, step["id"], item), self.random.choice((1, 1, 2))
        made = job_name(name, uid, unit, number)
        if self.server.find(RUNS, made) is not None:
            made = f"false-{self.server.version}"
        meta = {
            "name": made,
            "namespace": NAMESPACE,
            "labels": labels("flow", name, uid, unit, number),
            "ownerReferences": [owner(name, uid)],
        }
        spec = {"workflowName": "pay", "trigger": {"type": "api", "body": {"n": "forged"}}}
        raw = self.server.create(RUNS, {"metadata": meta, "spec": spec})
        self._forged.add(raw["metadata"]["uid"])
        self._note("child forged")

    def _ask(self) -> None:
        now = self.root["spec"].get("desiredState", "Running")
        if now.startswith("Cancelled") or parse_child(self.root).outcome is not None:
            return
        wishes = ("Paused", "Running", "Cancelled", "CancelledWithCompensation")
        wish = self.random.choice(wishes)
        self._note(f"asked to be {wish}")
        self.server.desire("run-1", wish)

    def _turn_fair(self) -> None:
        self._note("fair from here on")
        for other in self.processes[1:]:
            self.adrift += [c for c in other.wire.calls if c.write]
            other.loop.drop()
        del self.processes[1:]
        while self.adrift:
            self._drift()
        self._collect()
        with suppress(Refused):
            if self.root["spec"].get("desiredState") == "Paused":
                self.server.desire("run-1", "Running")
        self.processes[0].resync()

    def _fair(self) -> bool:
        """One round in which all that can go on does; False when nothing ever will again."""
        [process] = self.processes
        busy = process.heard < len(self.server.log)
        for change in self.server.log[process.heard :]:
            process.hear(change)
        process.heard = len(self.server.log)
        for call in tuple(process.wire.calls):
            busy = True
            self._note(f"{call.verb} {call.resource.plural}")
            process.answer(call, lambda call=call: call.serve(self.server))  # type: ignore[misc]
        if process.wants():
            process.go()
            return True
        soonest = process.next_time()
        if busy or soonest is None:
            return busy
        self._pass(max(0.1, (soonest - self.server.now).total_seconds()))
        return True

    # What must hold.

    def _written(self, old: Raw, new: Raw) -> None:
        """Every write of a status, in its order."""
        before, after = old.get("status") or {}, new.get("status") or {}
        name = new["metadata"]["name"]
        said = [(s["id"], s["state"], s.get("runUID")) for s in after.get("steps") or ()]
        self.trace.append(f"  STATUS {name} {said}")
        if after.get("revisionName") and not before.get("revisionName"):
            self._has_begun(new)
        if parse_child(new).outcome is not None and parse_child(old).outcome is None:
            self._has_ended(new)
        self._succeeded(old, new)

    def _has_begun(self, run: Raw) -> None:
        """A child begins once, and only when its parent's status names it."""
        call, uid = parse_call(run), run["metadata"]["uid"]
        if call is None:
            return
        if uid in self._forged:
            raise Violated("the_forged_never_begin", f"{run['metadata']['name']} has begun")
        self._begun[call].add(uid)
        if len(self._begun[call]) > 1:
            raise Violated("a_child_begins_once", f"{call.unit.place}: {self._begun[call]}")
        above = parent_of(self.server, run)
        status = parse_status(above) if above is not None else None
        if above is None or status is None:
            return  # it went in the same moment
        record = of_status(status).find(call.unit)
        named = record and child_uid(call.run_name, call.run_uid, call.unit, record)
        if named != uid:
            raise Violated("only_the_named_begin", f"{call.unit.place} names {named}, not {uid}")

    def _has_ended(self, run: Raw) -> None:
        """Nothing of a run goes on once it is Completed."""
        uid = run["metadata"]["uid"]
        for raw in self.server.all(RUNS):
            call = parse_call(raw)
            begun = (raw.get("status") or {}).get("revisionName")
            own = call is not None and call.run_uid == uid
            if own and begun and parse_child(raw).outcome is None:
                raise Violated("no_child_outlives_its_parent", raw["metadata"]["name"])

    def _succeeded(self, old: Raw, new: Raw) -> None:
        """A step has succeeded only if its child has, and gives what that gave."""
        was, now = parse_status(old), parse_status(new)
        if was is None or now is None:
            return
        before = of_status(was)
        uids = {raw["metadata"]["uid"]: raw for raw in self.server.all(RUNS)}
        for unit, record in of_status(now).units():
            known = before.find(unit)
            fresh = known is None or known.state is not StepState.SUCCEEDED
            if record.state is not StepState.SUCCEEDED or not fresh or record.run_uid is None:
                continue
            child = uids.get(record.run_uid)
            if child is None:
                continue  # deleted after its outputs were read
            given = (child.get("status") or {}).get("outputs") or {}
            if parse_child(child).outcome is not StepState.SUCCEEDED or given != record.output:
                raise Violated("a_success_is_the_childs_own", f"{unit.place}: {record.output}")


def parent_of(server: Server, run: Raw) -> Raw | None:
    """The run that owns it, while it is there."""
    call = parse_call(run)
    found = server.find(RUNS, call.run_name) if call is not None else None
    same = found is not None and call is not None and found["metadata"]["uid"] == call.run_uid
    return found if same else None


def flows(pick: random.Random) -> dict[str, Raw]:
    """The root's Workflow, and those that its steps start runs of."""
    steps: list[Raw] = []
    for at in range(pick.choice((1, 1, 2, 3))):
        name = pick.choice(("pay", "pay", "pay", "bad", "deep"))
        step: Raw = {"id": f"s{at}", "workflow": name, "input": {"n": "{{ trigger.body.n }}"}}
        if pick.random() < 0.3:
            many = pick.choice((2, 3))
            step["forEach"] = {"items": f"{{{{ {list(range(many))} }}}}", "maxParallel": 2}
            step["input"] = {"n": "{{ item }}"}
        if pick.random() < 0.3:
            step["needs"] = ["trigger"]
        if pick.random() < 0.2:
            step["onError"] = "Continue"
        if pick.random() < 0.15:
            step["activeDeadlineSeconds"] = pick.choice((2, 6))
        steps.append(step)
    wait: Raw = {"id": "w", "wait": {"seconds": pick.choice((1, 5))}}
    given = {"n": "{{ trigger.body.n }}"}
    wrong: Raw = {"id": "x", "wait": {"until": "{{ trigger.body.nope }}"}}
    call: Raw = {"id": "d", "workflow": "pay", "input": given}
    return {
        "flow": {"steps": steps},
        "pay": {"steps": [wait], "outputs": given},
        "bad": {"steps": [wait, wrong]},
        "deep": {"steps": [call], "outputs": {"n": "{{ steps.d.output.n }}"}},
    }


def _no_answer() -> Any:
    raise Unavailable("no answer")


def campaign(runs: int, seed: int) -> Report:
    """So many families, one after the other; it ends at the first broken promise."""
    report = Report()
    for number in range(seed, seed + runs):
        family = Family(number)
        try:
            report.verdicts[family.play()] += 1
        except Violated as violated:
            report.promise = violated.promise
            told = "\n".join(getattr(violated, "__notes__", ()))
            report.failure = f"{violated}\nFamily({number})\n{told}"
        report.runs += 1
        report.seen += family.seen
        if report.promise:
            break
    return report
