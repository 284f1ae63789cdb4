"""How a try stands: one ladder of small rules over its Job and Pod; the first that matches tells.

    container runs ........ Going (no verdict while it may still act), or its node is gone
    container ended ....... ENDED rules, in order: deadline, eviction, deletion, start error,
                            node loss, memory, exit code, output
    Pod, not begun ........ over before it began, or Going until startDeadlineSeconds, then Stop
    no Pod ................ the Job's own story: lost, suspended, Events of refused Pods

Outcomes: Failed only where the program itself said so; NotStarted only with proof that it never
began; Unknown in all other cases that are not success. Knows nothing of other steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from workflow_do.api.action import OutputSource
from workflow_do.api.reasons import Reason
from workflow_do.api.run import StepState
from workflow_do.engine import endings, hindrance, nodes
from workflow_do.engine.definition import ActionDef
from workflow_do.engine.facts import JobFact, PodFact
from workflow_do.engine.outputs import LogEnd, NotRead, OutputProblem, read_output
from workflow_do.engine.timestamps import earliest

_POD_GRACE: Final = timedelta(seconds=2)
"""How long a Job may be without a Pod before anybody asks why."""
_ASKED_AGAIN: Final = timedelta(seconds=5)
"""How often the API server is asked for a Pod that is not there."""
OUTPUT_PAUSE: Final = timedelta(seconds=5)
"""How long a log may still be on its way to the disk after the end of its container; and how often
what is out of reach is tried again."""
OUTPUT_PATIENCE: Final = timedelta(seconds=300)
"""After the end of a container, how long its output may be out of reach, or may not be stored: as
long as Kubernetes gives a node that does not answer."""
_POD_MADE: Final = "Created pod:"
"""How the Job controller's Event begins that tells of a Pod."""
_NO__POD_MADE: Final = frozenset(
    {Reason.ADMISSION_DENIED, Reason.QUOTA_EXCEEDED, Reason.POD_NOT_CREATED}
)
"""Stops of Jobs that had no Pod when it was decided to stop them."""


class Attempt(NamedTuple):
    """A try to be judged. `stop` is why it is being stopped, where that was decided before,
    `shown` the reason that its record shows, `log` where its output is looked for, once read,
    `asked` when the API server was last asked for its Job and its Pod.
    """

    action: ActionDef
    job_created: datetime
    job: JobFact | None
    pod: PodFact | None
    stop: Reason | None
    events: tuple[str, ...] | None
    log: LogEnd | None
    shown: Reason | None
    live: bool
    now: datetime
    asked: datetime | None = None


class Going(NamedTuple):
    """No verdict yet. `reason` is worth showing; at `look_at` something changes by itself."""

    reason: Reason | None = None
    message: str = ""
    look_at: datetime | None = None
    needs_live: bool = False
    needs_events: bool = False
    needs_output: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """The try is to be stopped, for this reason; the verdict comes when it has ended."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the try ended. `output` is set for Succeeded only."""

    state: StepState
    reason: Reason | None = None
    message: str = ""
    exit_code: int | None = None
    output: dict[str, Any] | None = None
    finished: datetime | None = None


Verdict = Going | Stop | Ended


def judge(a: Attempt) -> Verdict:
    """The verdict on a try as it stands now."""
    if a.pod is None:
        return _without_pod(a)
    state = a.pod.container.state
    if state == "running":
        return running(a.action, a.pod, a.now)
    if state == "terminated":
        return _terminated(a, a.pod)
    return _not_begun(a, a.pod)


def running(action: ActionDef, pod: PodFact, now: datetime) -> Verdict:
    """It may still act, until its node is gone, or the clock says that the kubelet has ended it."""
    if nodes.given_up(pod):
        return _node_gone()
    limit = nodes.surely_over(action, pod)
    if limit is not None and now >= limit:
        return Ended(
            StepState.UNKNOWN,
            Reason.NODE_LOST,
            "the node has not reported the end of the container",
            finished=now,
        )
    lost = nodes.lost_at(pod)
    if lost is not None and now >= lost:
        return Going(Reason.NODE_LOST, nodes.NO_ANSWER, look_at=limit)
    return Going(look_at=earliest(limit, lost))


def _node_gone() -> Ended:
    return Ended(StepState.UNKNOWN, Reason.NODE_LOST, "the node is gone, or out of service")


def _terminated(a: Attempt, pod: PodFact) -> Verdict:
    if nodes.never_was(pod):
        return _over_before_it_began(a, pod)
    if _deadline_in_doubt(a, pod):
        over = nodes.surely_over(a.action, pod)
        if over is not None and a.now < over:
            return Going(look_at=over)
        return _past_its_deadline(a, pod)
    due = endings.phase_due(pod)
    if due is not None and (a.now < due or not a.live):
        return Going(look_at=due) if a.now < due else Going(needs_live=True)
    for rule in ENDED:
        found = rule(a, pod)
        if found is not None:
            return found
    raise AssertionError("the last rule always tells")


def _deadline_in_doubt(a: Attempt, pod: PodFact) -> bool:
    """Ended about when its deadline passed: only the phase tells whether it was that."""
    finished = pod.container.finished
    if pod.final or pod.started is None or finished is None:
        return False
    limit = pod.started + timedelta(seconds=pod.deadline or a.action.spec.active_deadline_seconds)
    return finished >= limit - timedelta(seconds=1)


Rule = Callable[[Attempt, PodFact], Verdict | None]


def _deadline(a: Attempt, pod: PodFact) -> Ended | None:
    """Whatever its exit code: a program that traps TERM ends with 0."""
    return _past_its_deadline(a, pod) if pod.reason == "DeadlineExceeded" else None


def _past_its_deadline(a: Attempt, pod: PodFact) -> Ended:
    """Killed at its deadline, or so near to it that nobody can tell any more."""
    if a.stop is not None:
        return _unknown(pod, a.stop, "the try was stopped")
    limit = a.action.spec.active_deadline_seconds
    return _unknown(pod, Reason.DEADLINE_EXCEEDED, f"ran longer than {limit} s and was stopped")


def _evicted(a: Attempt, pod: PodFact) -> Ended | None:
    why = endings.evicted(pod)
    return _unknown(pod, Reason.EVICTED, why) if why is not None else None


def _deleted(a: Attempt, pod: PodFact) -> Ended | None:
    """Deletion asked for before the container ended: never success."""
    finished = pod.container.finished
    if pod.deletion is None or finished is None:
        return None
    if finished < pod.deletion - timedelta(seconds=pod.grace):
        return None
    if a.job is None or a.job.deleting:
        return _unknown(pod, Reason.JOB_LOST, "the Job was deleted while the program ran")
    return _unknown(pod, Reason.POD_DELETED, "the Pod was deleted while the program ran")


def _left_behind(a: Attempt, pod: PodFact) -> Ended | None:
    """The Job was deleted without its Pod: no Job vouches any more for what the Pod says."""
    if not pod.orphan:
        return None
    return _unknown(pod, Reason.JOB_LOST, "the Job was deleted, and left its Pod behind")


def _start_error(a: Attempt, pod: PodFact) -> Ended | None:
    c = pod.container
    if c.reason not in hindrance.START:
        return None
    return Ended(StepState.NOT_STARTED, Reason.START_ERROR, c.message, finished=c.finished)


def _status_unknown(a: Attempt, pod: PodFact) -> Ended | None:
    if pod.container.reason != "ContainerStatusUnknown":
        return None
    return _unknown(pod, Reason.NODE_LOST, pod.container.message)


def _oom(a: Attempt, pod: PodFact) -> Ended | None:
    if pod.container.reason != "OOMKilled":
        return None
    limits = a.action.spec.resources.limits if a.action.spec.resources else None
    limit = (limits or {}).get("memory", "the node's memory")
    return _unknown(pod, Reason.OOM_KILLED, f"used more memory than its limit ({limit})")


def _exit_code(a: Attempt, pod: PodFact) -> Ended | None:
    code = pod.container.exit_code
    if code == 0:
        return None
    return Ended(
        StepState.FAILED,
        Reason.EXIT_CODE,
        f"the program ended with exit code {code}",
        exit_code=code,
        finished=pod.container.finished,
    )


def _output(a: Attempt, pod: PodFact) -> Verdict:
    finished = pod.container.finished
    by_log = a.action.spec.output.source is OutputSource.LOGS
    output = read_output(a.log if by_log else pod.container.message)
    if output is None:
        return Going(a.shown, needs_output=True)
    if isinstance(output, NotRead):
        return _unreadable(a, finished or a.now, output.why)
    if isinstance(output, OutputProblem):
        again = (finished or a.now) + OUTPUT_PAUSE
        if by_log and a.now < again:
            return Going(look_at=again)
        return Ended(StepState.UNKNOWN, output.reason, output.message, 0, finished=finished)
    schema = a.action.output
    fault = schema.check(output, "output") if schema is not None else None
    if fault is not None:
        return Ended(StepState.UNKNOWN, Reason.OUTPUT_INVALID, fault, 0, finished=finished)
    return Ended(StepState.SUCCEEDED, exit_code=0, output=output, finished=finished)


def _unreadable(a: Attempt, finished: datetime, why: str) -> Verdict:
    """The log is out of reach. It was once before, and the time is over: the output is lost."""
    if a.shown is Reason.OUTPUT_UNREADABLE and a.now >= finished + OUTPUT_PATIENCE:
        return Ended(StepState.UNKNOWN, a.shown, why, 0, finished=finished)
    return Going(Reason.OUTPUT_UNREADABLE, why, look_at=a.now + OUTPUT_PAUSE)


ENDED: Final[tuple[Rule, ...]] = (
    _deadline,
    _evicted,
    _deleted,
    _left_behind,
    _start_error,
    _status_unknown,
    _oom,
    _exit_code,
    _output,
)


def _unknown(pod: PodFact, reason: Reason, message: str) -> Ended:
    c = pod.container
    return Ended(StepState.UNKNOWN, reason, message, c.exit_code, finished=c.finished)


def _not_begun(a: Attempt, pod: PodFact) -> Verdict:
    """A Pod whose container has not begun. The kubelet never restarts it, so this is proof."""
    if nodes.given_up(pod):
        return _node_gone()
    if pod.final:
        return _over_before_it_began(a, pod)
    lost = nodes.lost_at(pod)
    silent = lost is not None and a.now >= lost
    cause, message = (Reason.NODE_LOST, nodes.NO_ANSWER) if silent else hindrance.cause(pod)
    deadline = a.job_created + timedelta(seconds=a.action.spec.start_deadline_seconds)
    if a.stop is not None:
        if endings.stranded(pod):
            return Ended(StepState.UNKNOWN, Reason.JOB_LOST, "its Pod is left behind, on no node")
        limit = nodes.surely_over(a.action, pod) or nodes.never_acknowledged(a.action, pod)
        if limit is not None and a.now >= limit:
            return Ended(StepState.UNKNOWN, Reason.NODE_LOST, nodes.NO_ANSWER)
        return Going(a.stop, message, look_at=limit)
    if pod.orphan:
        return Stop(Reason.JOB_LOST, "the Job was deleted, and left its Pod behind")
    if a.now >= deadline:
        seconds = a.action.spec.start_deadline_seconds
        why = f"not begun after {seconds} s" + (f": {message}" if message else "")
        return Stop(cause or Reason.START_DEADLINE_EXCEEDED, why)
    return Going(cause, message, look_at=earliest(deadline, None if silent else lost))


def _over_before_it_began(a: Attempt, pod: PodFact) -> Ended:
    if a.stop is not None:
        return Ended(StepState.NOT_STARTED, a.stop, finished=a.now)
    why = endings.evicted(pod)
    if why is not None:
        return Ended(StepState.NOT_STARTED, Reason.EVICTED, why)
    if pod.deletion is not None:
        gone = a.job is None or a.job.deleting
        reason = Reason.JOB_LOST if gone else Reason.POD_DELETED
        return Ended(StepState.NOT_STARTED, reason, "deleted before it began")
    cause, message = hindrance.cause(pod)
    if pod.reason == "DeadlineExceeded":
        return Ended(StepState.NOT_STARTED, cause or Reason.DEADLINE_EXCEEDED, message)
    if nodes.never_was(pod):
        return Ended(StepState.NOT_STARTED, Reason.NODE_LOST, pod.container.message)
    return Ended(
        StepState.NOT_STARTED,
        Reason.POD_NOT_CREATED,
        f"the node would not run the Pod: {pod.reason} {pod.message}".strip(),
    )


def _without_pod(a: Attempt) -> Verdict:
    job = a.job
    if not a.live and (job is None or job.finished or job.suspended or job.deleting):
        return Going(needs_live=True)
    if job is None:
        return Ended(StepState.UNKNOWN, Reason.JOB_LOST, "the Job is gone")
    if job.deleting and a.live:
        return Ended(StepState.UNKNOWN, Reason.JOB_LOST, "the Job is being deleted")
    if job.suspended and a.stop is not None:
        return _stopped_without_pod(a, a.stop)
    if job.finished:
        return Ended(StepState.UNKNOWN, Reason.JOB_LOST, "the Job has ended and its Pod is gone")
    return _no_pod_yet(a, job)


def _stopped_without_pod(a: Attempt, stop: Reason) -> Verdict:
    """Suspended and no Pod left. What ran before the stop came is gone without a trace, so it is
    NotStarted only where no node was found for the Pod, or where none was ever made.
    """
    if stop is Reason.UNSCHEDULABLE:
        return Ended(StepState.NOT_STARTED, stop)
    if stop not in _NO__POD_MADE:
        return Ended(StepState.UNKNOWN, stop)
    if a.events is None:
        return Going(stop, needs_events=True)
    counted = a.job is not None and a.job.had_pod
    made = counted or any(event.startswith(_POD_MADE) for event in a.events)
    return Ended(StepState.UNKNOWN if made else StepState.NOT_STARTED, stop)


def _no_pod_yet(a: Attempt, job: JobFact) -> Verdict:
    """A watch may have missed the Pod, so the API server is asked for it. The Job's Events are not
    asked for while the Job controller has other Jobs to see to: they could not tell, and a busy
    API server would have to list all of them for each Job that it is late with.
    """
    deadline = a.job_created + timedelta(seconds=a.action.spec.start_deadline_seconds)
    if a.stop is not None:
        return Going(a.stop)
    if a.now < min(deadline, a.job_created + _POD_GRACE):
        return Going(look_at=min(deadline, a.job_created + _POD_GRACE))
    if not a.live and not _asked_lately(a, deadline):
        return Going(needs_live=True)
    if not a.live and a.asked is not None:
        return Going(a.shown, look_at=min(deadline, a.asked + _ASKED_AGAIN))
    look = min(deadline, a.now + _ASKED_AGAIN)
    if not job.attended and a.now < deadline:
        return Going(look_at=look)
    if a.events is None:
        return Going(needs_events=True)
    reason, message = _refusal(a.events)
    if reason is Reason.ADMISSION_DENIED or a.now >= deadline:
        return Stop(reason, message)
    return Going(reason if message else None, message, look_at=look)


def _asked_lately(a: Attempt, deadline: datetime) -> bool:
    """Whether the API server was asked when the Pod was due: each event of the run comes by."""
    if a.asked is None or a.asked < a.job_created + _POD_GRACE:
        return False
    return a.now < min(deadline, a.asked + _ASKED_AGAIN)


def _refusal(events: tuple[str, ...]) -> tuple[Reason, str]:
    """Why the Job controller could not make the Pod, by the newest of its Events."""
    for message in reversed(events):
        text = message.lower()
        if "exceeded quota" in text or "insufficient quota" in text:
            return Reason.QUOTA_EXCEEDED, message
        if "forbidden" in text or "denied" in text:
            return Reason.ADMISSION_DENIED, message
    told = [e for e in events if not e.startswith(_POD_MADE)]
    return Reason.POD_NOT_CREATED, told[-1] if told else ""
