"""What must hold of steps that wait for a time or for people (design, "Behaviour").

Who has decided what and when is told by the model, not by the operator: everything that was ever
said stands in the scene, also what has been deleted since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from simulation.invariants import Scene, run_failed
from simulation.reading import ENDED, fresh, records, step_state
from simulation.scenario import UNTIL
from simulation.server import START, Raw
from workflow_do.engine.facts import parse_time
from workflow_do.runtime.api import APPROVALS


def waits_last_their_time(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Waiting: a wait that succeeds has lasted so long, or until its time."""
    for step, record in _fresh(scene, old, new, "wait", "Succeeded"):
        spec, until = scene.scenario.step(step)["wait"], _time(record, "waitUntil")
        start = _time(record, "startTime")
        least = start + timedelta(seconds=spec.get("seconds", 0))
        if "until" in spec:
            least = max(start, _time({"at": UNTIL}, "at"))
        if scene.server.now < until or until < least:
            return f"{step} waited from {start} until {until}, at {scene.server.now}: {spec}"
    return None


def a_wait_is_begun_once(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Waiting: its start is written once: from it, and until its end, approvals count."""
    for step in scene.scenario.waiting:
        was, record = _record(old, step), _record(new, step)
        if "waitUntil" not in was:
            continue
        for key in ("startTime", "waitUntil"):
            if record.get(key) != was[key]:
                return f"{key} of {step} was {was[key]} and is {record.get(key)}"
    return None


def a_wait_begins_in_its_turn(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Order, Trouble, Control: after what it needs, and not after a failure, a pause or a cancel
    that whoever wrote this had seen.
    """
    for step in scene.scenario.waiting:
        was, now = _record(old, step).get("state"), _record(new, step).get("state")
        if now != "Running" or was == "Running":
            continue
        open_ = [n for n in scene.scenario.needs(step) if step_state(new, n) not in ENDED]
        wish = old["spec"].get("desiredState", "Running")
        if open_ or run_failed(scene, old) or wish != "Running":
            return f"{step} begins to wait: needs {open_}, to be {wish}"
        if "> 5" in scene.scenario.step(step).get("when", ""):
            return f"{step} begins to wait in spite of its `when`"
    return None


def approvals_are_earned(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Approval: so many people said yes while it waited; or, where silence is a yes, all were
    silent until it had expired. What the last of them added is the output.
    """
    for step, record in _fresh(scene, old, new, "approval", "Succeeded"):
        spec, yes = scene.scenario.step(step)["approval"], [*_said(scene, step, record, "Approve")]
        people = {a["spec"]["approver"] for a in yes}
        if len(people) >= spec["required"]:
            if record.get("output", {}) not in [a["spec"].get("data", {}) for a in yes]:
                return f"{step} has the output {record.get('output')}, which nobody gave"
            continue
        silence = spec.get("onExpiry") == "Approve"
        if not silence or scene.server.now < _time(record, "waitUntil"):
            return f"{step} Succeeded with the approvals of {sorted(people)}: {record}"
        if _still_there(scene, _said(scene, step, record, "Reject")):
            return f"{step} Succeeded, as if all had been silent; somebody said no: {record}"
    return None


def rejections_are_real(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Approval: ApprovalRejected where somebody said no while it waited."""
    for step, record in _fresh(scene, old, new, "approval", "Failed"):
        no = [*_said(scene, step, record, "Reject")]
        if record.get("reason") == "ApprovalRejected" and not no:
            return f"{step} is rejected, and nobody said no: {record}"
    return None


def silence_is_real(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Approval: expired is what nobody has decided in time, as the API server itself knows."""
    for step, record in _fresh(scene, old, new, "approval", "Failed"):
        if record.get("reason") != "ApprovalExpired":
            continue
        if scene.server.now < _time(record, "waitUntil"):
            return f"{step} has expired before its time: {record}"
        approved = _still_there(scene, _said(scene, step, record, "Approve"))
        yes = {a["spec"]["approver"] for a in approved}
        no = _still_there(scene, _said(scene, step, record, "Reject"))
        if no or len(yes) >= scene.scenario.step(step)["approval"]["required"]:
            return f"{step} has expired, but {sorted(yes)} approved and {len(no)} rejected"
    return None


def everybody_counts_once(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Approval: of one person one decision counts; what counted stays."""
    for step in scene.scenario.approvals:
        votes = _record(new, step).get("approvals", ())
        people = [vote["approver"] for vote in votes]
        if len(set(people)) < len(people):
            return f"{step} counts {people}"
        before = _record(old, step).get("approvals", ())
        if list(votes[: len(before)]) != list(before):
            return f"the approvals of {step} were {before} and are {votes}"
    return None


def _fresh(scene: Scene, old: Raw, new: Raw, kind: str, state: str) -> Iterator[tuple[str, Raw]]:
    """The steps of that kind which this write ends in that state."""
    for unit, record in fresh(old, new) if scene.scenario.waiting else ():
        if record["state"] == state and scene.waits(unit) == kind:
            yield unit[1], record


def _record(run: Raw, step: str) -> Raw:
    return records(run).get(("do", step), {})


def _said(scene: Scene, step: str, record: Raw, decision: str) -> Iterator[Raw]:
    """What people said about the step of this run while it waited, and that fits."""
    start, end = _time(record, "startTime"), _time(record, "waitUntil")
    number = "dataSchema" in scene.scenario.step(step)["approval"] and decision == "Approve"
    right = {"workflowName": "flow", "runName": scene.name, "runUID": scene.uid, "step": step}
    for said in scene.said:
        spec, at = said["spec"], _time(said["metadata"], "creationTimestamp")
        fits = not number or isinstance(spec.get("data", {}).get("n"), int)
        about = {key: spec[key] for key in right} == right and spec["decision"] == decision
        if fits and about and start <= at < end:
            yield said


def _still_there(scene: Scene, said: Iterable[Raw]) -> list[Raw]:
    """Those that the API server still has: what somebody has deleted need not have been seen."""
    known = {a["metadata"]["uid"] for a in scene.server.all(APPROVALS)}
    return [a for a in said if a["metadata"]["uid"] in known]


def _time(record: Raw, key: str) -> datetime:
    return parse_time(record.get(key)) or START
