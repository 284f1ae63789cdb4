"""A world in memory for the pure engine: runs, Jobs and Pods as raw objects, and a clock.

Not a mock of Kubernetes: only the objects that `plan` looks at, changed by the effects it asks
for and by what a test says the kubelet did. Raw objects go through the engine's own parsers.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.engine import pinning
from workflow_do.engine.definition import parse_revision
from workflow_do.engine.effects import (
    ClaimRetry,
    ControlRun,
    CreateJob,
    CreateRevision,
    CreateRun,
    Effect,
    ExpirePod,
    MarkFinished,
    MarkStarted,
    Plan,
    StoreData,
)
from workflow_do.engine.facts import (
    Guard,
    Observed,
    PastJob,
    Pinning,
    Refusal,
    Run,
    parse_approval,
    parse_job,
    parse_pod,
    parse_run,
)
from workflow_do.engine.held import Held, parse_held
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.kin import Vouched, parse_call, parse_child, parse_outputs
from workflow_do.engine.outputs import LogEnd
from workflow_do.engine.plan import plan
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import stamp
from workflow_do.engine.vouching import vouch

Raw = dict[str, Any]
START = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


def action(name: str, **spec: Any) -> Raw:
    """A raw Action."""
    return {"metadata": {"name": name}, "spec": {"image": f"example.com/{name}:1", **spec}}


def step(id_: str, action_: str = "do-it", **input_: Any) -> Raw:
    """A raw step."""
    return {"id": id_, "action": action_, "input": input_}


def workflow(*steps: Raw, named: str = "flow", **spec: Any) -> Raw:
    """A raw Workflow named `flow`."""
    return {"metadata": {"name": named}, "spec": {"steps": list(steps), **spec}}


class World:
    """One run and everything around it; `started`: what it and its children have started."""

    def __init__(
        self, flow: Raw | None, *actions: Raw, body: Any = None, name: str = "run-1"
    ) -> None:
        self.now = START
        self.flow = flow
        self.actions = {a["metadata"]["name"]: a for a in actions}
        self.revisions: dict[str, Raw] = {}
        self.jobs: dict[str, Raw] = {}
        self.pods: dict[str, Raw] = {}
        self.refusals: dict[str, Refusal] = {}
        self.logs: dict[str, str] = {}
        self.outputs: dict[str, LogEnd] = {}
        self.maps: dict[str, Raw] = {}
        self.looked_for: frozenset[str] = frozenset()
        self.original: Raw | None = None
        self.inherited = False
        self.past: dict[str, PastJob | None] = {}
        self.events: dict[str, tuple[str, ...]] = {}
        self.created: list[str] = []
        self.approvals: dict[str, Raw] = {}
        self.guard: Guard | None = Guard()
        self._said = 0
        self.workflows: dict[str, Raw] = {}
        self.started: dict[str, World] = {}
        self.parent: World | None = None
        self.remains: dict[str, bool] = {}
        self.run: Raw = {
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1},
            "spec": {"workflowName": "flow", "trigger": {"type": "api", "body": body}},
        }

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        for world in {id(w): w for w in (self, *self.started.values())}.values():
            world.now += timedelta(seconds=seconds)

    def parsed(self) -> Run:
        """The run as the engine sees it."""
        run = parse_run(self.run)
        assert isinstance(run, Run), run
        return run

    @property
    def status(self) -> Raw:
        """The run's status as stored."""
        status: Raw = self.run.get("status", {})
        return status

    def verdict(self) -> tuple[str, str]:
        """Status and reason of the condition Succeeded."""
        rows = {c["type"]: c for c in self.status["conditions"]}
        return rows["Succeeded"]["status"], rows["Succeeded"]["reason"]

    @property
    def completed(self) -> bool:
        """Whether Completed is True."""
        return any(
            c["type"] == "Completed" and c["status"] == "True"
            for c in self.status.get("conditions", ())
        )

    def observe(self, live: bool = True) -> Observed:
        """One consistent look."""
        run = self.parsed()
        return Observed(
            run=run,
            definition=self._definition(run),
            jobs=tuple(parse_job(j) for j in self.jobs.values()),
            pods=tuple(parse_pod(p) for p in self.pods.values()),
            approvals=tuple(parse_approval(a) for a in self.approvals.values()),
            guard=self.guard,
            job_events=self.events,
            past=self.past,
            refusals=self.refusals,
            logs={p["metadata"]["uid"]: self.logs.get(n, "") for n, p in self.pods.items()},
            held={n: self._held(n) for n in self.looked_for},
            log_outputs={
                p["metadata"]["uid"]: self.outputs[n]
                for n, p in self.pods.items()
                if n in self.outputs
            },
            live=live,
            inherited=self.inherited,
            children={c.run["metadata"]["uid"]: parse_child(c.run) for c in self.children()},
            remains=self.remains,
            results={c.run["metadata"]["uid"]: parse_outputs(c.run) for c in self.children()},
        )

    def _definition(self, run: Run) -> Any:
        pinned = run.status.revision_name
        if pinned is not None:
            raw = self.revisions.get(pinned)
            return parse_revision(raw) if raw else Problem(Reason.REVISION_LOST, "it is gone")
        vouched = self._vouched(run)
        if vouched is None or isinstance(vouched, Problem):
            return vouched or self._chosen(run)
        found = self._chosen(run)
        return replace(found, vouched=vouched) if isinstance(found, Pinning) else found

    def _vouched(self, run: Run) -> Vouched | Problem | None:
        if run.call is None:
            return None
        return vouch(run, run.call, self.parent.parsed() if self.parent is not None else None)

    def _chosen(self, run: Run) -> Any:
        if run.spec.retry_of is not None:
            original = parse_run(self.original) if self.original is not None else None
            assert original is None or isinstance(original, Run)
            name = (original and original.status.revision_name) or ""
            before = self.revisions.get(name)
            wanted = self.revisions.get(run.spec.revision_name or name)
            return pinning.pin_retry(run, original, wanted, before)
        if run.spec.revision_name is not None:
            return pinning.pin_named(run, self.revisions.get(run.spec.revision_name))
        known = list(self.revisions.values())
        return pinning.pin(run, self.flow, self.actions, known, self.workflows)

    def children(self) -> list[World]:
        """The runs that say this one has started them."""
        mine = self.run["metadata"]["uid"]
        calls = ((w, parse_call(w.run)) for w in self.started.values())
        return [w for w, call in calls if call is not None and call.run_uid == mine]

    def child(self, step_: str, item: int | None = None) -> World:
        """The newest run that a step of this one has started."""
        calls = ((w, parse_call(w.run)) for w in self.children())
        unit = Unit(Role.DO, step_, item)
        return [w for w, call in calls if call is not None and call.unit == unit][-1]

    def settle(self) -> None:
        """Bring this run and all that it has started to rest."""
        before: Any = None
        while before != (before := [w.run for w in (self, *self.started.values())]):
            for world in (self, *tuple(self.started.values())):
                if not world.completed:
                    world.reconcile()

    def _start(self, manifest: Raw) -> None:
        """A child run is made, unless one of that name is there."""
        name, spec = manifest["metadata"]["name"], manifest["spec"]
        if name in self.started:
            return
        flow = self.workflows.get(spec["workflowName"])
        made = World(flow, *self.actions.values(), name=name)
        made.now, made.revisions, made.started = self.now, self.revisions, self.started
        made.workflows, made.parent = self.workflows, self
        meta = {**manifest["metadata"], "uid": f"uid-{name}", "generation": 1}
        made.run = copy.deepcopy({**manifest, "metadata": meta})
        retried = spec.get("retryOf")
        if retried is not None:
            made.original = self.started[retried["runName"]].run
        self.started[name] = made

    def _control(self, effect: ControlRun) -> None:
        child = self.started[effect.name]
        child.ask(effect.state.value)
        by = self.run["metadata"]["uid"] if effect.state.value == "Paused" else ""
        child.meta("annotations")["workflow.do/paused-with"] = by

    def _held(self, name: str) -> Held | None:
        return parse_held(self.maps[name]) if name in self.maps else None

    def plan(self, live: bool = True) -> Plan:
        """What the engine would do now."""
        return plan(self.observe(live), self.now)

    def reconcile(self, turns: int = 60) -> Plan:
        """Plan, do, plan again and write down, until nothing changes by itself at this time."""
        for _ in range(turns):
            planned = self.plan()
            for effect in planned.effects:
                self.do(effect)
            self.looked_for |= planned.needs_held
            if planned.effects or planned.needs_held:
                continue
            before, self.looked_for = self.status, frozenset()  # the next look knows nothing of it
            self.write(planned)
            if before == self.status and (planned.look_at is None or planned.look_at > self.now):
                return planned
        raise AssertionError("the engine does not come to rest")

    def write(self, planned: Plan) -> None:
        """Store the planned status."""
        self.run = {**self.run, "status": dump(planned.status)}

    def do(self, effect: Effect) -> None:
        """Carry out one effect."""
        if isinstance(effect, CreateRevision):
            self.revisions[effect.manifest["metadata"]["name"]] = effect.manifest
        elif isinstance(effect, CreateJob):
            self._create_job(effect.manifest)
        elif isinstance(effect, CreateRun):
            self._start(effect.manifest)
        elif isinstance(effect, ControlRun):
            self._control(effect)
        elif isinstance(effect, MarkStarted):
            self.meta("annotations")["workflow.do/started-uid"] = self.run["metadata"]["uid"]
        elif isinstance(effect, MarkFinished):
            self.meta("labels")["workflow.do/finished"] = effect.reason
        elif isinstance(effect, ClaimRetry):
            assert self.original is not None
            notes = self.original["metadata"].setdefault("annotations", {})
            notes["workflow.do/retried-by"] = self.run["metadata"]["uid"]
        elif isinstance(effect, ExpirePod):
            self.pods[effect.pod_name]["spec"]["activeDeadlineSeconds"] = 1
        elif isinstance(effect, StoreData):
            self.maps.setdefault(effect.name, effect.manifest)
            self.looked_for |= {effect.name}
        else:
            self._suspend(effect.job_name)

    def meta(self, what: str) -> Raw:
        """The run's labels or annotations."""
        found: Raw = self.run["metadata"].setdefault(what, {})
        return found

    def ask(self, state: str) -> None:
        """What a user writes into spec.desiredState."""
        self.run["spec"]["desiredState"] = state

    def decides(self, who: str, step_: str = "ok", decision: str = "Approve", **spec: Any) -> str:
        """Somebody makes a WorkflowApproval, now; its name."""
        name = f"by-{who}-{self._said}"
        self._said += 1
        meta = self.run["metadata"]
        about = {"workflowName": "flow", "runName": meta["name"], "runUID": meta["uid"]}
        says = {"step": step_, "decision": decision, "approver": who}
        self.approvals[name] = {
            "metadata": {"name": name, "creationTimestamp": stamp(self.now)},
            "spec": {**about, **says, **spec},
        }
        return name

    def retry(self) -> World:
        """A new run that retries this one."""
        again = World(self.flow, *self.actions.values(), name="run-2")
        again.now, again.revisions, again.original = self.now, self.revisions, self.run
        again.workflows, again.started = self.workflows, self.started
        again.run["spec"] |= {
            "trigger": copy.deepcopy(self.run["spec"]["trigger"]),
            "retryOf": {"runName": "run-1", "runUID": "uid-run-1"},
        }
        return again

    def step(self, id_: str) -> Raw:
        """A step's record."""
        return next(s for s in self.status["steps"] if s["id"] == id_)

    def _create_job(self, manifest: Raw) -> None:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            return
        self.created.append(name)
        job = copy.deepcopy(manifest)
        job["metadata"] |= {"uid": f"job-{len(self.created)}", "creationTimestamp": stamp(self.now)}
        self.jobs[name] = job

    def _suspend(self, name: str) -> None:
        job = self.jobs[name]
        job["spec"]["suspend"] = True
        job["status"] = {"conditions": [{"type": "Suspended", "status": "True"}]}
        uid = job["metadata"]["uid"]
        self.pods = {k: p for k, p in self.pods.items() if _owner(p) != uid}

    def job(self, step_id: str | None = None) -> Raw:
        """The newest Job, or the newest of one step."""
        rows = [
            j
            for j in self.jobs.values()
            if step_id is None or j["metadata"]["labels"].get("workflow.do/step") == step_id
        ]
        return rows[-1]

    def pod(self, job: Raw | None = None, bound: bool = True, **status: Any) -> Raw:
        """The Pod of a Job (made if it has none), with its status fields set."""
        job = job or self.job()
        meta = job["metadata"]
        pod = self.pods.setdefault(
            f"{meta['name']}-x",
            {
                "metadata": {
                    "name": f"{meta['name']}-x",
                    "uid": f"pod-{meta['uid']}",
                    "creationTimestamp": stamp(self.now),
                    "labels": {"batch.kubernetes.io/controller-uid": meta["uid"]},
                    "ownerReferences": [{"uid": meta["uid"], "controller": True}],
                },
                "spec": {"activeDeadlineSeconds": 3600},
                "status": {"phase": "Pending", "startTime": stamp(self.now)},
            },
        )
        if bound:
            pod["spec"]["nodeName"] = "node-1"
        pod["status"] |= status
        return pod

    def container(self, job: Raw | None = None, **state: Any) -> Raw:
        """The Pod of a Job with the state of its container, e.g. running={...}."""
        return self.pod(job, containerStatuses=[{"name": "action", "state": state}])

    def runs(self, job: Raw | None = None) -> Raw:
        """The container runs."""
        pod = self.container(job, running={"startedAt": stamp(self.now)})
        pod["status"]["phase"] = "Running"
        return pod

    def ends(
        self, output: str = "", code: int = 0, reason: str = "", job: Raw | None = None
    ) -> Raw:
        """The container has ended, now; a bad end is judged only once its Pod's phase shows."""
        name = reason or ("Error" if code else "Completed")
        if code:
            self.pod(job, phase="Failed")
        return self.container(
            job,
            terminated={
                "exitCode": code,
                "reason": name,
                "message": output,
                "startedAt": stamp(self.now),
                "finishedAt": stamp(self.now),
            },
        )


def _owner(pod: Raw) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["uid"])
