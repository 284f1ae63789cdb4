"""What must hold in every run, whatever happens: each promise a function with its source.

They see what the operator cannot: what truly became of every program (`Try`), and every write in
its order. Sources are the sections of docs/design by their titles: "Behaviour" for what a run
does, "Correctness" for what it never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simulation.cluster import Cluster, Try
from simulation.scenario import Scenario
from simulation.server import Raw, Server
from workflow_do.engine.effects import ExpirePod, Plan, SuspendJob
from workflow_do.engine.facts import Observed
from workflow_do.engine.report import completed
from workflow_do.runtime.api import JOBS, PODS, RUNS

Unit = tuple[str, str]
HANDLER: Final = ("onFailure", "")
_ENDED: Final = frozenset({"Succeeded", "Failed", "NotStarted", "Unknown"})


class Violated(AssertionError):
    """A promise was broken: which, and how."""

    def __init__(self, promise: str, how: str) -> None:
        super().__init__(f"{promise}: {how}")
        self.promise = promise


@dataclass
class Scene:
    """Everything there is to know about one run."""

    scenario: Scenario
    server: Server
    cluster: Cluster

    @property
    def run(self) -> Raw:
        """The run as stored."""
        return self.server.all(RUNS)[0]

    def tries_of(self, unit: Unit) -> list[Try]:
        """Every try of a unit that ever had a Job."""
        return [t for t in self.cluster.tries if t.unit == unit]


def one_job_per_try(scene: Scene, this: Try) -> str | None:
    """Correctness: a Job is identified by (run, role, step, try), and `try` is never reused."""
    same = [t for t in scene.tries_of(this.unit) if t.number == this.number]
    return f"{len(same)} Jobs for {_name(this)}" if len(same) > 1 else None


def tries_are_counted(scene: Scene, this: Try) -> str | None:
    """Correctness: `try` counts the Jobs ever made for the unit; no number is left out."""
    numbers = sorted(t.number for t in scene.tries_of(this.unit))
    return f"tries {numbers} of {_name(this)}" if numbers != list(range(1, len(numbers) + 1)) else None


def no_job_after_success(scene: Scene, this: Try) -> str | None:
    """Behaviour, Outcome: only what failed, or was stopped, is tried again."""
    state = records(scene.run).get(this.unit, {}).get("state")
    return f"{_name(this)} was made after its success" if state == "Succeeded" else None


def steps_in_order(scene: Scene, this: Try) -> str | None:
    """Behaviour, Order: a step follows the step before it, which has Succeeded."""
    if this.role != "do":
        return None
    before = scene.scenario.steps[: scene.scenario.steps.index(this.step)]
    for step in before:
        if not any(t.ended_well for t in scene.tries_of(("do", step))):
            return f"{_name(this)} was made before {step} had succeeded"
    return None


def handler_after_a_failure(scene: Scene, this: Try) -> str | None:
    """Behaviour, Trouble: onFailure runs when a step has failed for good, which is on record."""
    if this.unit != HANDLER:
        return None
    states = [r.get("state") for unit, r in records(scene.run).items() if unit != HANDLER]
    failed = [s for s in states if s in _ENDED and s != "Succeeded"]
    return None if failed else f"{_name(this)} was made with no failure on record: {states}"


def handler_once(scene: Scene, this: Try) -> str | None:
    """Behaviour, Trouble: then onFailure, once."""
    made = len(scene.tries_of(HANDLER))
    return f"the handler has {made} Jobs" if this.unit == HANDLER and made > 1 else None


def one_program_at_a_time(scene: Scene, this: Try) -> str | None:
    """Behaviour, Outcome: no next try while the container of an earlier one may still run."""
    alive = [t for t in scene.tries_of(this.unit) if t.running]
    return f"two programs of {_name(this)} run" if len(alive) > 1 else None


def nothing_begins_after_its_verdict(scene: Scene, this: Try) -> str | None:
    """Behaviour, Verdict and Stopping: a verdict waits until the program cannot run any more."""
    record = records(scene.run).get(this.unit, {})
    if record.get("state") not in _ENDED or record.get("jobUID") not in (None, this.uid):
        return None
    return f"{_name(this)} begins after its verdict {_verdict(record)}"


def nothing_ended_changes(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Correctness: terminal units never regress."""
    after = records(new)
    for unit, record in records(old).items():
        if record.get("state") in _ENDED and after.get(unit) != record:
            return f"{unit} was {_verdict(record)} and is {_verdict(after.get(unit, {}))}"
    return None


def nothing_is_uncounted(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Correctness: tries, attempts and start numbers only rise, and no record is dropped."""
    after = records(new)
    for unit, record in records(old).items():
        for key in ("tries", "attempts", "seq"):
            if (after.get(unit, {}).get(key) or 0) < (record.get(key) or 0):
                return f"{key} of {unit} fell from {record[key]}"
    return None


def the_end_is_the_end(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Retry: a finished run never changes."""
    if not ended(old) or old.get("status") == new.get("status"):
        return None
    return "the status was changed after Completed=True"


def the_revision_stays(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Resources, WorkflowRun: a run records its revision, once."""
    was = (old.get("status") or {}).get("revisionName")
    now = new["status"].get("revisionName")
    return f"the revision was {was} and is {now}" if was not in (None, now) else None


def success_is_earned(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Contract and Verdict: exit 0 of its own and a fitting output, nothing less."""
    for unit, record in _fresh(old, new):
        if record["state"] != "Succeeded":
            continue
        this = next((t for t in scene.tries_of(unit) if t.uid == record.get("jobUID")), None)
        if this is None or not this.ended_well:
            return f"{unit} Succeeded without a program that ended well: {this}"
        if this.output != record.get("output"):
            return f"{unit} has the output {record.get('output')}, not {this.output}"
    return None


def failure_is_the_programs_own(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Outcome: Failed is the program's own non-zero exit; all else is Unknown."""
    for unit, record in _fresh(old, new):
        codes = [t.exit_code for t in scene.tries_of(unit)]
        if record["state"] == "Failed" and record.get("exitCode") not in codes:
            return f"{unit} Failed with {record.get('exitCode')}, but the programs gave {codes}"
    return None


def not_started_is_proven(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Outcome: NotStarted needs proof that no program of the unit ever began."""
    for unit, record in _fresh(old, new):
        if record["state"] == "NotStarted" and any(t.began for t in scene.tries_of(unit)):
            return f"{unit} is {_verdict(record)}, but its program had begun"
    return None


def no_verdict_on_the_living(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Verdict: no verdict while the container runs, nor while it may still begin."""
    for unit, record in _fresh(old, new):
        if any(t.running for t in scene.tries_of(unit)):
            return f"{unit} is {_verdict(record)} while its program runs"
    return None


def verdict_and_end_together(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: Succeeded is decided in the write that says Completed=True."""
    rows = _conditions(new)
    if rows and (rows.get("Succeeded") != "Unknown") != (rows.get("Completed") == "True"):
        return f"conditions {rows}"
    return None


def a_good_end_is_whole(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: a run succeeds when every step has."""
    states = {r.get("state") for unit, r in records(new).items() if unit != HANDLER}
    if _conditions(new).get("Succeeded") == "True" and states != {"Succeeded"}:
        return f"the run succeeded with steps {states}"
    return None


def an_end_leaves_nothing_running(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: Completed=True comes when all that has ended."""
    alive = [_name(t) for t in scene.cluster.tries if t.running]
    return f"the run ended while {alive} ran" if ended(new) and not ended(old) and alive else None


def terminal_is_silent(observed: Observed, planned: Plan) -> str | None:
    """Correctness: of a Completed run nothing is done but stopping Jobs that turn up."""
    if not completed(observed.run.status):
        return None
    others = [e for e in planned.effects if not isinstance(e, SuspendJob | ExpirePod)]
    if others or planned.status != observed.run.status:
        return f"planned for a Completed run: {others or 'another status'}"
    return None


def the_end_is_seen_live(observed: Observed, planned: Plan) -> str | None:
    """Correctness: before Completed=True: observe by a live LIST. (Unpinned, there is no Job.)"""
    news = completed(planned.status) and not completed(observed.run.status)
    if news and not observed.live and observed.run.status.revision_name is not None:
        return "a plan ends the run from what watches told"
    return None


def no_job_is_forgotten(scene: Scene) -> str | None:
    """Correctness: a Job that is not in the status is folded in; one after the end is stopped."""
    for this in scene.cluster.tries:
        record = records(scene.run).get(this.unit, {})
        if (record.get("tries") or 0) < this.number and this.began:
            return f"{_name(this)} ran and is not on record"
    return None


def nothing_lives_on(scene: Scene) -> str | None:
    """Correctness: a Job that turns up for a Completed run is stopped at once."""
    for m in scene.cluster.machines:
        if m.state in ("new", "waiting", "running") and scene.server.find(PODS, m.pod):
            return f"the Pod of {_name(m.of)} is {m.state} after the end"
    for this in scene.cluster.tries:
        job = scene.server.find(JOBS, this.job)
        if job is not None and not this.pods and not job["spec"].get("suspend"):
            return f"the Job of {_name(this)} may still make its Pod after the end"
    return None


JOB_MADE: Final[tuple[Callable[[Scene, Try], str | None], ...]] = (
    one_job_per_try,
    tries_are_counted,
    no_job_after_success,
    steps_in_order,
    handler_after_a_failure,
    handler_once,
)
PROGRAM_BEGAN: Final[tuple[Callable[[Scene, Try], str | None], ...]] = (
    one_program_at_a_time,
    nothing_begins_after_its_verdict,
)
STATUS_WRITTEN: Final[tuple[Callable[[Scene, Raw, Raw], str | None], ...]] = (
    nothing_ended_changes,
    nothing_is_uncounted,
    the_end_is_the_end,
    the_revision_stays,
    success_is_earned,
    failure_is_the_programs_own,
    not_started_is_proven,
    no_verdict_on_the_living,
    verdict_and_end_together,
    a_good_end_is_whole,
    an_end_leaves_nothing_running,
)
PLANNED: Final[tuple[Callable[[Observed, Plan], str | None], ...]] = (
    terminal_is_silent,
    the_end_is_seen_live,
)
AT_THE_END: Final[tuple[Callable[[Scene], str | None], ...]] = (
    no_job_is_forgotten,
    nothing_lives_on,
)


def hold(promises: tuple[Callable[..., str | None], ...], *args: Any) -> None:
    """Raise Violated for the first of these promises that is broken."""
    for promise in promises:
        how = promise(*args)
        if how is not None:
            raise Violated(promise.__name__, how)


def records(run: Raw) -> dict[Unit, Raw]:
    """The records of a run's status by unit."""
    status = run.get("status") or {}
    found: dict[Unit, Raw] = {("do", s["id"]): s for s in status.get("steps") or ()}
    if status.get("onFailure"):
        found[HANDLER] = status["onFailure"]
    return found


def ended(run: Raw) -> bool:
    """Whether Completed is True."""
    return _conditions(run).get("Completed") == "True"


def _fresh(old: Raw, new: Raw) -> list[tuple[Unit, Raw]]:
    """The units that this write ends."""
    before = records(old)
    return [
        (unit, record)
        for unit, record in records(new).items()
        if record.get("state") in _ENDED and before.get(unit, {}).get("state") not in _ENDED
    ]


def _conditions(run: Raw) -> dict[str, str]:
    rows = (run.get("status") or {}).get("conditions") or ()
    return {c["type"]: c["status"] for c in rows}


def _name(this: Try) -> str:
    return f"{this.role} {this.step} try {this.number}"


def _verdict(record: Raw) -> str:
    return f"{record.get('state')} ({record.get('reason')})"
