"""What must hold in every run, whatever happens: each promise a function with its source.

They see what the operator cannot: what truly became of every program (`Try`), and every write in
its order. Sources are the sections of docs/design by their titles: "Behaviour" for what a run
does, "Correctness" for what it never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from simulation import reading
from simulation.cluster import Cluster, Try
from simulation.reading import BAD, ENDED, HANDLER, Unit, ended, records
from simulation.scenario import Scenario
from simulation.server import Raw, Server
from workflow_do.api.names import MAX_FREE_TRIES
from workflow_do.engine.facts import parse_time
from workflow_do.runtime.api import CONFIGMAPS, PODS, RUNS

_TOO_LATE: Final = "RunDeadlineExceeded"


class Violated(AssertionError):
    """A promise was broken: which, and how."""

    def __init__(self, promise: str, how: str) -> None:
        super().__init__(f"{promise}: {how}")
        self.promise = promise


@dataclass(eq=False)
class Scene:
    """Everything there is to know about one run: `tries` of its Jobs, `said` by people about its
    steps, whether any `asked` for something else than that it goes on; the `crowd` is all runs.
    """

    scenario: Scenario
    server: Server
    cluster: Cluster
    name: str
    uid: str = ""
    crowd: list[Scene] = field(default_factory=list, repr=False)
    said: list[Raw] = field(default_factory=list)
    asked: bool = False
    tries: list[Try] = field(default_factory=list)
    last_writer: object = None
    limit: int = 0

    @property
    def run(self) -> Raw:
        """The run as stored."""
        return self.server.get(RUNS, self.name)

    def enter(self, this: Try) -> None:
        """A Job was made. It is stray from the start where its unit, or the run, has ended on
        record, and whoever made it could not have known: it had been given up, or somebody else
        wrote that.
        """
        self.tries.append(this)
        over = records(self.run).get(this.unit, {}).get("state") in ENDED or ended(self.run)
        this.stray = over and (this.author is None or this.author is not self.last_writer)

    def mark_strays(self, new: Raw) -> None:
        """A write ends units, or the run: Jobs of others, of which the writer has not heard, are
        strays from now on.
        """
        self.last_writer = writer = self.server.writer
        over = {u for u, r in records(new).items() if r.get("state") in ENDED}
        known = writer.record(self.run["metadata"]["uid"]) if writer is not None else None
        for this in self.tries:
            unseen = known is None or this.uid not in known.jobs
            recorded = records(new).get(this.unit, {}).get("jobUID") == this.uid
            foreign = this.author is None or this.author is not writer
            if (ended(new) or this.unit in over) and unseen and foreign and not recorded:
                this.stray = True

    def waits(self, unit: Unit) -> str:
        """What a unit waits for instead of a Job; nothing for most."""
        return self.scenario.waits(unit[1]) if unit[0] == "do" else ""

    def tries_of(self, unit: Unit) -> list[Try]:
        """Every try of a unit that ever had a Job."""
        return [t for t in self.tries if t.unit == unit]


def one_job_per_try(scene: Scene, this: Try) -> str | None:
    """Correctness: a Job is identified by (run, role, step, try), and `try` is never reused."""
    same = [t for t in scene.tries_of(this.unit) if t.number == this.number]
    return f"{len(same)} Jobs for {reading.name(this)}" if len(same) > 1 else None


def tries_are_counted(scene: Scene, this: Try) -> str | None:
    """Correctness: `try` counts the Jobs ever made for the unit; no number is left out."""
    numbers = sorted(t.number for t in scene.tries_of(this.unit))
    whole = numbers == list(range(1, len(numbers) + 1))
    return None if whole else f"tries {numbers} of {reading.name(this)}"


def no_job_after_success(scene: Scene, this: Try) -> str | None:
    """Behaviour, Outcome: only what failed, or was stopped, is tried again."""
    state = records(scene.run).get(this.unit, {}).get("state")
    return f"{reading.name(this)} was made after its success" if state == "Succeeded" else None


def steps_in_order(scene: Scene, this: Try) -> str | None:
    """Behaviour, Order: a step follows those it needs, which have ended. What is no success is on
    record before anything follows from it.
    """
    if this.role != "do":
        return None
    for need in scene.scenario.needs(this.step):
        if reading.step_state(scene.run, need) in ENDED:
            continue
        count = scene.scenario.items(need)
        for part in [need] if count is None else [f"{need}[{i}]" for i in range(count)]:
            over = records(scene.run).get(("do", part), {}).get("state") in ENDED
            if not over and not any(t.ended_well for t in scene.tries_of(("do", part))):
                return f"{reading.name(this)} was made before {part} had succeeded"
    return None


def handler_after_a_failure(scene: Scene, this: Try) -> str | None:
    """Behaviour, Trouble: onFailure runs when a step has failed for good, which is on record."""
    if this.unit != HANDLER or run_failed(scene, scene.run):
        return None
    return f"{reading.name(this)} was made with no failure on record: {records(scene.run)}"


def run_failed(scene: Scene, run: Raw) -> bool:
    """Whether something failed that the run does not go on without."""
    rows = [(name, r) for (role, name), r in records(run).items() if role == "do"]
    return any(
        r.get("state") in BAD
        and (not scene.scenario.lenient(n) or r.get("reason") in ("Cancelled", _TOO_LATE))
        for n, r in rows
    )


def attempts_are_limited(scene: Scene, this: Try) -> str | None:
    """Resources, Action and Workflow: `maxAttempts` tries that count; one that began counts.

    For the handler too, which is started once, with its Action's retries.
    """
    most = scene.scenario.retry_of(*this.unit).get("maxAttempts", 1)
    earlier = [t for t in scene.tries_of(this.unit) if t is not this]
    if sum(t.began for t in earlier) >= most or len(earlier) >= most + MAX_FREE_TRIES:
        return f"{reading.name(this)} was made, with maxAttempts {most}, after {earlier}"
    return None


def unknown_only_if_idempotent(scene: Scene, this: Try) -> str | None:
    """Behaviour, Outcome: Unknown is tried again only with `retrySafety: Idempotent`."""
    if scene.scenario.action_of(*this.unit).get("retrySafety") == "Idempotent":
        return None
    doubtful = [t for t in scene.tries_of(this.unit) if t.began and not t.failed_itself]
    others = [t for t in doubtful if t is not this]
    return f"{reading.name(this)} was made after {others}" if others else None


def only_what_may_be_tried_again(scene: Scene, this: Try) -> str | None:
    """Resources, Action: `nonRetryableExitCodes` end the step at once, `retryOn` is exhaustive.

    By the record: a program may have ended in a way that nobody saw.
    """
    record, retry = records(scene.run).get(this.unit, {}), scene.scenario.retry_of(*this.unit)
    reason, code = record.get("reason"), record.get("exitCode")
    if record.get("state") != "Retrying" or (record.get("tries") or 0) > (record["attempts"] or 0):
        return None
    final = reason == "ExitCode" and code in retry.get("nonRetryableExitCodes", ())
    if final or reason not in retry.get("retryOn", (reason,)):
        return f"{reading.name(this)} was made after {reason} {code}, with {retry}"
    return None


def not_before_its_time(scene: Scene, this: Try) -> str | None:
    """Resources, Action: `retry` pauses between two tries, at least 80 % of the delay."""
    record = records(scene.run).get(this.unit, {})
    due = record.get("retryTime")
    early = record.get("state") == "Retrying" and due and scene.server.now < parse_time(due)
    return f"{reading.name(this)} was made before {due}" if early else None


def one_program_at_a_time(scene: Scene, this: Try) -> str | None:
    """Behaviour, Outcome: no next try while the container of an earlier one may still run."""
    alive = [t for t in scene.tries_of(this.unit) if t.running]
    return f"two programs of {reading.name(this)} run" if len(alive) > 1 else None


def nothing_begins_after_its_verdict(scene: Scene, this: Try) -> str | None:
    """Behaviour, Verdict and Stopping: a verdict waits until the program cannot run any more."""
    record = records(scene.run).get(this.unit, {})
    if (
        this.stray
        or record.get("state") not in ENDED
        or record.get("jobUID") not in (None, this.uid)
    ):
        return None
    return f"{reading.name(this)} begins after its verdict {reading.verdict(record)}"


def nothing_ended_changes(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Correctness: terminal units never regress."""
    after = records(new)
    for unit, record in records(old).items():
        if record.get("state") in ENDED and after.get(unit) != record:
            return f"{unit} was {reading.verdict(record)}, is {after.get(unit)}"
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


def data_comes_first(scene: Scene, this: Try) -> str | None:
    """Correctness: a Job is made after the input that it finds as a file."""
    raw = scene.cluster.job_of(this)
    for volume in (raw or {})["spec"]["template"]["spec"].get("volumes", ()):
        name = volume["configMap"]["name"]
        if scene.server.find(CONFIGMAPS, name) is None:
            return f"{reading.name(this)} was made before its input {name}"
    return None


def the_revision_stays(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Resources, WorkflowRun: a run records its revision, once."""
    was = (old.get("status") or {}).get("revisionName")
    now = new["status"].get("revisionName")
    return f"the revision was {was} and is {now}" if was not in (None, now) else None


def success_is_earned(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Contract and Verdict: exit 0 of its own and a fitting output, nothing less."""
    for unit, record in reading.fresh(old, new):
        if record["state"] != "Succeeded" or scene.waits(unit):
            continue
        this = next((t for t in scene.tries_of(unit) if t.uid == record.get("jobUID")), None)
        if this is None or not this.ended_well:
            return f"{unit} Succeeded without a program that ended well: {this}"
        output = reading.output(scene.server, record)
        if unit[0] != "undo" and this.output != output:
            return f"{unit} has the output {output}, not {this.output}"
    return None


def failure_is_the_programs_own(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Outcome: Failed is the program's own non-zero exit; all else is Unknown.

    The state is that of the worst try: the last one may never have begun.
    """
    for unit, record in reading.fresh(old, new):
        tries = scene.tries_of(unit)
        own = record["state"] == "Failed" and not scene.waits(unit)
        if own and not any(t.failed_itself for t in tries):
            return f"{unit} is {reading.verdict(record)}, but no program failed by itself: {tries}"
    return None


def not_started_is_proven(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Outcome: NotStarted needs proof that no program of the unit ever began.

    Left out, and known: a Pod that no node had room for, and that is bound in the very moment in
    which its Job is suspended. Kubernetes keeps no trace of it.
    """
    for unit, record in reading.fresh(old, new):
        began = any(t.began and not t.stray for t in scene.tries_of(unit))
        if record["state"] == "NotStarted" and began and record.get("reason") != "Unschedulable":
            return f"{unit} is {reading.verdict(record)}, but its program had begun"
    return None


def what_is_lost_is_gone(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Correctness: absence is concluded from a live LIST only; a lagging watch hides, too."""
    for unit, record in reading.fresh(old, new):
        for this in scene.tries_of(unit):
            pod = scene.server.find(PODS, f"{this.job}-x{this.pods}")
            lost = record.get("reason") == "JobLost" and this.uid == record.get("jobUID")
            if lost and pod is not None and scene.cluster.job_of(this) is not None:
                return f"{unit} is {reading.verdict(record)}, but its Job and its Pod are there"
    return None


def attempts_are_within_limits(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Resources, WorkflowRun: `attempts` counts the charged tries, `maxAttempts` at most."""
    for unit, record in records(new).items():
        most = scene.scenario.retry_of(*unit).get("maxAttempts", 1)
        if (record.get("attempts") or 0) > min(most, record.get("tries") or 0):
            return (
                f"{unit} has {record['attempts']} attempts of {most}, {record.get('tries')} tries"
            )
    return None


def no_verdict_on_the_living(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Verdict: no verdict while the container runs, nor while it may still begin."""
    for unit, record in reading.fresh(old, new):
        if any(t.running and not t.stray for t in scene.tries_of(unit)):
            return f"{unit} is {reading.verdict(record)} while its program runs"
    return None


def verdict_and_end_together(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: Succeeded is decided in the write that says Completed=True."""
    rows = reading.conditions(new)
    if rows and (rows.get("Succeeded") != "Unknown") != (rows.get("Completed") == "True"):
        return f"conditions {rows}"
    return None


def a_good_end_is_whole(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: a run succeeds when every step has."""
    states = {
        r.get("state")
        for (role, name), r in records(new).items()
        if role in ("do", "finally") and not (role == "do" and scene.scenario.lenient(name))
    } - {"Skipped"}
    if reading.conditions(new).get("Succeeded") == "True" and states - {"Succeeded"}:
        return f"the run succeeded with steps {states}"
    return None


def an_end_leaves_nothing_running(scene: Scene, old: Raw, new: Raw) -> str | None:
    """Behaviour, Trouble: Completed=True comes when all that has ended."""
    alive = [reading.name(t) for t in scene.tries if t.running and not t.stray]
    return f"the run ended while {alive} ran" if ended(new) and not ended(old) and alive else None


def hold(promises: tuple[Callable[..., str | None], ...], *args: Any) -> None:
    """Raise Violated for the first of these promises that is broken."""
    for promise in promises:
        how = promise(*args)
        if how is not None:
            raise Violated(promise.__name__, how)
