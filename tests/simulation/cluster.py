"""The model's Job controller, scheduler and kubelet, and the truth about every program.

Each controller acts in small moves, so that the operator can look between any two of them; which
move comes when is not decided here. What the API shows of a Pod is what its node last reported;
what truly became of the program stands in `Try`, which only the invariants may read. A try is
`stray` where whoever judged its unit could not know of it: its Job was made by another process at
the same time, or by a call that had been given up. A Lease keeps such apart; here they meet.

As in Kubernetes: a Job makes one Pod (backoffLimit 0); a suspended Job deletes its Pod and keeps
no count of it; a node enforces activeDeadlineSeconds by itself, as it last heard of it; a silent
node reports nothing and hears nothing while its containers go on; a Pod stays until its Job has
counted it. A Pod that is removed with its node is dead: forced removal of Pods from living nodes
is not in the model (Kubernetes itself promises nothing there).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from simulation.fates import Fate, Machine, Try
from simulation.server import Raw, Server
from workflow_do.api import names
from workflow_do.engine.timestamps import stamp
from workflow_do.runtime.api import JOBS, PODS

GRACE: Final = 30
_NONE: Final = frozenset[str]()
_FINAL: Final = frozenset({"Complete", "Failed"})
_SLACK: Final = 25
"""So many seconds after its time is up a container is surely dead; the engine allows 30."""
_COMES_BACK: Final = timedelta(seconds=10)
"""A kubelet that could not report an end for so long tells why together with it."""

Move = tuple[str, Callable[[], object]]


class Cluster:
    """Everything but the operator. `began` is told of every program that begins."""

    def __init__(self, server: Server, fates: Callable[[Raw], tuple[Fate, bool]]) -> None:
        self.server = server
        self.tries: list[Try] = []
        self.machines: list[Machine] = []
        self.began: Callable[[Try], None] = lambda this: None
        self._fates = fates

    def job_made(self, raw: Raw) -> Try:
        """A Job was stored: what is in store for it is decided now."""
        labels = raw["metadata"]["labels"]
        fate, needs_n = self._fates(raw)
        this = Try(
            job=raw["metadata"]["name"],
            uid=raw["metadata"]["uid"],
            run=labels[names.LABEL_RUN_UID],
            role=labels[names.LABEL_ROLE],
            step=_place(labels),
            number=int(labels[names.LABEL_TRY]),
            seq=int(raw["metadata"]["annotations"][names.ANNOTATION_SEQ]),
            needs_n=needs_n,
            fate=fate,
            author=self.server.writer,
        )
        self.tries.append(this)
        return this

    def job_of(self, this: Try) -> Raw | None:
        """The Job of a try, unless it is gone or another has taken its name."""
        raw = self.server.find(JOBS, this.job)
        return raw if raw is not None and raw["metadata"]["uid"] == this.uid else None

    def moves(self) -> list[Move]:
        """Everything that some controller could do now."""
        found: list[Move] = []
        for this in self.tries:
            found += self._job_moves(this)
        for machine in self.machines:
            raw = self.server.find(PODS, machine.pod)
            if raw is not None:
                found += self._pod_moves(machine, raw)
                found += [] if machine.silent else self._reports(machine, raw)
            found += self._container_moves(machine, raw)
        return found

    def moves_of(self, this: Try) -> list[Move]:
        """What the Job controller could do now for one Job."""
        return list(self._job_moves(this))

    def tick(self) -> None:
        """Time has passed: what surely is over by now is over, and of an eviction all is told."""
        for m in self.machines:
            if m.evicted and m.reported == "ended" and not m.phase:
                self._report_phase(m)
            if m.state in ("waiting", "running") and self.server.now >= self._dead_by(m):
                self._kill(m)

    def next_time(self) -> datetime | None:
        """When the next thing happens by itself: a deadline."""
        alive = [m for m in self.machines if m.state in ("waiting", "running")]
        return min((self._limit(m) for m in alive), default=None)

    def _job_moves(self, this: Try) -> Iterator[Move]:
        job = self.job_of(this)
        conditions = _conditions(job) if job is not None else _NONE
        if job is None or conditions & _FINAL:
            return
        suspend, suspended = job["spec"].get("suspend"), "Suspended" in conditions
        if suspend and not suspended:
            yield "job suspended", lambda: self._suspend(this)
        elif not suspend and this.pods == 0 and "deletionTimestamp" not in job["metadata"]:
            if not this.fate.blocked:
                yield "pod made", lambda: self._make_pod(this, job)
            elif this.uid not in self.server.told:
                yield "pod refused", lambda: self._warn(this)
        elif this.pods and not suspended:
            yield from self._count(this)

    def _count(self, this: Try) -> Iterator[Move]:
        pod = self.server.find(PODS, f"{this.job}-x{this.pods}")
        if pod is None:
            yield "job failed", lambda: self._finish(this, "Failed")
        elif pod["status"].get("phase") in ("Succeeded", "Failed"):
            good = pod["status"]["phase"] == "Succeeded"
            yield "job finished", lambda: self._finish(this, "Complete" if good else "Failed")

    def _suspend(self, this: Try) -> None:
        pod = self.server.find(PODS, f"{this.job}-x{this.pods}")
        if pod is not None and pod["status"].get("phase") not in ("Succeeded", "Failed"):
            self.delete_pod(pod)
        self._condition(this, "Suspended")

    def _finish(self, this: Try, condition: str) -> None:
        self._condition(this, condition)

    def _condition(self, this: Try, type_: str) -> None:
        status = {"conditions": [{"type": type_, "status": "True"}]}
        self.server.update(JOBS, this.job, status=status)

    def _warn(self, this: Try) -> None:
        """The controller has come to the Job, and could not make its Pod."""
        self.server.tell(this.job, this.uid, "Warning", "FailedCreate", this.fate.blocked)
        self.server.update(JOBS, this.job, status={"startTime": stamp(self.server.now)})

    def _make_pod(self, this: Try, job: Raw) -> None:
        this.pods += 1
        name = f"{this.job}-x{this.pods}"
        template = job["spec"]["template"]
        self.server.create(
            PODS,
            {
                "metadata": {
                    **template["metadata"],
                    "name": name,
                    "namespace": job["metadata"]["namespace"],
                    "labels": {
                        **template["metadata"]["labels"],
                        "batch.kubernetes.io/controller-uid": this.uid,
                    },
                    "ownerReferences": [{"uid": this.uid, "controller": True}],
                },
                "spec": {"activeDeadlineSeconds": template["spec"]["activeDeadlineSeconds"]},
                "status": {"phase": "Pending"},
            },
        )
        deadline = template["spec"]["activeDeadlineSeconds"]
        self.machines.append(Machine(name, this, deadline=deadline))
        self.server.tell(this.job, this.uid, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    def _pod_moves(self, m: Machine, raw: Raw) -> Iterator[Move]:
        """The scheduler, the garbage collectors and the finalizer."""
        meta, status = raw["metadata"], raw["status"]
        deleting, bound = "deletionTimestamp" in meta, "nodeName" in raw["spec"]
        over = status.get("phase") in ("Succeeded", "Failed")
        job = self.job_of(m.of)
        if job is None and not deleting:
            yield "pod collected", lambda: self.delete_pod(raw)
        if not bound and not deleting:
            yield from self._schedule(m, raw)
        if not bound and deleting and not over:
            m.state = "ended"
            yield "pod given up", lambda: self._status(m, phase="Failed")
        counted = job is None or _finished(job) or job["spec"].get("suspend")
        if deleting and over and counted:
            yield "pod removed", lambda: self.server.remove(PODS, m.pod)

    def _schedule(self, m: Machine, raw: Raw) -> Iterator[Move]:
        if not m.of.fate.unschedulable:
            yield "pod bound", lambda: self._bind(m)
        elif not raw["status"].get("conditions"):
            row = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            yield "unschedulable", lambda: self._status(m, conditions=[row])

    def _bind(self, m: Machine) -> None:
        since = {"lastTransitionTime": stamp(self.server.now)}
        row = {"type": "PodScheduled", "status": "True", **since}
        self.server.update(PODS, m.pod, spec={"nodeName": "node"}, status={"conditions": [row]})

    def _reports(self, m: Machine, raw: Raw) -> Iterator[Move]:
        """What a node hears and says, while it is not silent."""
        if "nodeName" not in raw["spec"]:
            return
        asked = raw["metadata"].get("deletionTimestamp")
        if m.deadline != raw["spec"]["activeDeadlineSeconds"] or (asked and m.dying is None):
            yield "node hears", lambda: self._hear(m)
        if m.state == "new":
            yield "pod admitted", lambda: self._admit(m)
        elif m.reported != m.state:
            yield "node reports", lambda: self._report(m)
        elif m.state == "ended" and not m.phase:
            yield "phase reported", lambda: self._report_phase(m)

    def _container_moves(self, m: Machine, raw: Raw | None) -> Iterator[Move]:
        """What happens on the node, silent or not."""
        if m.state not in ("waiting", "running"):
            return
        if m.dying is not None or self.server.now >= self._limit(m):
            yield "container killed", lambda: self._kill(m)
        elif m.state == "waiting" and not m.of.fate.hindrance:
            yield "container begins", lambda: self._begin(m)
        elif m.state == "running" and not m.of.fate.hangs:
            yield "container ends", lambda: self._end(m)

    def _hear(self, m: Machine) -> None:
        raw = self.server.get(PODS, m.pod)
        m.deadline = raw["spec"]["activeDeadlineSeconds"]
        if "deletionTimestamp" in raw["metadata"] and m.dying is None:
            m.dying = self.server.now

    def _admit(self, m: Machine) -> None:
        """A node takes a Pod up as it is then, deadline, deletion and all."""
        self._hear(m)
        if m.dying is not None or m.of.fate.refused:
            m.state = m.reported = "ended"
            m.phase = "Failed"
            reason = {} if m.dying else {"reason": "OutOfcpu", "message": "no cpu"}
            self._status(m, phase="Failed", **reason)
            return
        m.started, m.state = self.server.now, "waiting"
        self._status(m, startTime=stamp(m.started))

    def _begin(self, m: Machine) -> None:
        if m.of.fate.start_error:
            self._over(m, 128, "StartError")
            return
        m.state, m.begun = "running", self.server.now
        m.of.began = m.of.running = True
        self.began(m.of)

    def _end(self, m: Machine) -> None:
        fate, raw = m.of.fate, self.server.find(PODS, m.pod)
        asked = raw is None or "deletionTimestamp" in raw["metadata"]
        if fate.oom:
            self._over(m, 137, "OOMKilled")
        elif fate.exit_code:
            m.of.failed_itself = True
            self._over(m, fate.exit_code, "Error", "gave up")
        else:
            m.of.output = usable(fate.output, m.of.needs_n, fate.by_log)
            m.of.ended_well = m.of.output is not None and not asked
            self._over(m, 0, "Completed", fate.output)

    def _kill(self, m: Machine) -> None:
        """TERM, then KILL: a program that traps TERM ends with 0 and a good output."""
        m.killed = "deletion" if m.dying is not None else "DeadlineExceeded"
        m.killed = "Evicted" if m.evicted else m.killed
        if m.state == "waiting":
            m.state, m.finished = "ended", self.server.now
            m.reason = "ContainerStatusUnknown" if m.of.fate.vague else ""
            m.exit_code = 137
        elif m.of.fate.traps_term and not m.evicted:
            self._over(m, 0, "Completed", m.of.fate.output)
        else:
            self._over(m, 137, "Error")

    def _over(self, m: Machine, code: int, reason: str, message: str = "") -> None:
        m.state, m.exit_code, m.reason, m.message = "ended", code, reason, message
        until = min(self.server.now, self._dead_by(m))  # a deadline that is shortened may be past
        m.finished = until if m.begun is None else max(until, m.begun)
        m.of.running, m.of.exit_code = False, code
        if m.of.fate.by_log and code == 0:
            self.server.logs[m.pod] = f"working\n::output::{message}\n"
            m.message = "what stands here does not count"

    def _report(self, m: Machine) -> None:
        m.reported = m.state
        state: Raw
        if m.state == "running":
            state = {"running": {"startedAt": stamp(m.begun or self.server.now)}}
            self._status(m, phase="Running", containerStatuses=_statuses(state, m.pod))
            return
        if m.state == "waiting" or not m.reason:
            reason = m.of.fate.hindrance or "ContainerCreating"
            state = {"waiting": {"reason": reason, "message": "as it is"}}
        else:
            finished = stamp(m.finished or self.server.now)
            state = {"terminated": {"exitCode": m.exit_code, "reason": m.reason}}
            state["terminated"] |= {"message": m.message, "finishedAt": finished}
            if m.begun is not None:
                state["terminated"]["startedAt"] = stamp(m.begun)
        self._status(m, containerStatuses=_statuses(state, m.pod if m.begun else ""))
        late = m.finished is not None and self.server.now >= m.finished + _COMES_BACK
        if m.evicted and late:
            self._report_phase(m)

    def _report_phase(self, m: Machine) -> None:
        told = m.killed in ("DeadlineExceeded", "Evicted")
        good = m.exit_code == 0 and m.reason == "Completed" and not told
        m.phase = "Succeeded" if good else "Failed"
        reason = {"reason": m.killed} if told else {}
        self._status(m, phase=m.phase, **reason)

    def _status(self, m: Machine, **fields: Any) -> None:
        self.server.update(PODS, m.pod, status=fields)

    def delete_pod(self, raw: Raw) -> None:
        """DELETE, gracefully; a Pod on no node has nothing to be graceful about."""
        if "deletionTimestamp" in raw["metadata"]:
            return
        grace = GRACE if "nodeName" in raw["spec"] else 0
        until = stamp(self.server.now + timedelta(seconds=grace))
        meta = {"deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
        self.server.update(PODS, raw["metadata"]["name"], metadata=meta)

    def evict(self, m: Machine) -> None:
        """The kubelet is short of something: it ends the container, and says why with the phase."""
        m.evicted, m.dying = True, self.server.now

    def destroy(self, m: Machine) -> None:
        """The node is gone, and the Pod with it."""
        if m.state in ("waiting", "running"):
            self._over(m, 137, "Error")
        m.state = "ended"
        self.server.remove(PODS, m.pod)

    def give_up(self, m: Machine) -> None:
        """The node is gone, and the Pod is ended in its name, as it was last heard of."""
        if m.state in ("waiting", "running"):
            self._over(m, 137, "Error")
        m.state = m.reported = "ended"
        m.phase = "Failed"
        self._status(m, phase=m.phase)

    def _limit(self, m: Machine) -> datetime:
        """When the time of a container is up, as its node knows it."""
        limits = [m.dying] if m.dying is not None else []
        if m.started is not None:
            limits.append(m.started + timedelta(seconds=m.deadline))
        return min(limits)

    def _dead_by(self, m: Machine) -> datetime:
        return self._limit(m) + timedelta(seconds=GRACE + _SLACK)


def _place(labels: Raw) -> str:
    """The step of a try, or the item of it: `s1`, `s1[0]`."""
    item = labels.get(names.LABEL_ITEM)
    return labels.get(names.LABEL_STEP, "") + (f"[{item}]" if item is not None else "")


def usable(text: str, needs_n: bool, by_log: bool) -> Any:
    """The output as the contract of an action has it; None where it cannot be used."""
    if len(text) >= 4096 and not by_log:
        return None
    try:
        value = json.loads(text if by_log else text or "{}")
    except ValueError:
        return None
    fits = isinstance(value, dict) and (not needs_n or isinstance(value.get("n"), int))
    return value if fits else None


def _statuses(state: Raw, container_id: str) -> list[Raw]:
    return [{"name": names.CONTAINER, "state": state, "containerID": container_id}]


def _conditions(raw: Raw) -> frozenset[str]:
    rows = raw["status"].get("conditions") if "status" in raw else None
    return frozenset(c["type"] for c in rows) if rows else _NONE


def _finished(job: Raw) -> bool:
    return bool(_FINAL & _conditions(job))
