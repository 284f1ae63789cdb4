"""What was observed, as frozen facts: raw objects go in, plain data comes out.

Parsing is total: a strange object becomes a fact with holes, never an exception. Decides nothing;
`verdict` and `plan` do. Times are aware datetimes (UTC) of one-second resolution, as Kubernetes
writes them.

    Observed ── run ─────── what the user asked for, and the status as last written
             ├─ definition  the pinned revision, or why there is none
             ├─ jobs, pods  everything that carries the run's uid
             ├─ children    runs that it started, by uid; results: what those gave
             ├─ approvals   what people have decided about the run
             ├─ guard       whether approvals can be believed
             ├─ job_events  why a Job without a Pod has none
             ├─ past        Jobs (by name) that are gone and of which only Events tell
             ├─ refusals    Jobs that the API server would not take
             ├─ logs        the end of the log of Pods (by uid) that failed
             ├─ log_outputs the end of the log of Pods (by uid) that succeeded and speak by it
             ├─ crowd       the limit on all Jobs, and which of the run's wait for it
             ├─ held        ConfigMaps with data of the run, by name; None: looked for, not there
             └─ live        read from the API server just now, not from a watch; asked: when last
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ValidationError

from workflow_do.api import names
from workflow_do.api.approval import ApprovalSpec
from workflow_do.api.base import Json
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunSpec, RunStatus
from workflow_do.engine.admission import Standing
from workflow_do.engine.answers import Guard as Guard
from workflow_do.engine.answers import PastJob as PastJob
from workflow_do.engine.answers import Refusal as Refusal
from workflow_do.engine.crowd import Crowd
from workflow_do.engine.definition import Definition
from workflow_do.engine.held import Held
from workflow_do.engine.kin import Call, ChildFact, Vouched, parse_call
from workflow_do.engine.nesting import is_deep
from workflow_do.engine.outputs import LogEnd
from workflow_do.engine.problem import Problem, describe
from workflow_do.engine.rawconditions import changed_at, true_conditions, unschedulable
from workflow_do.engine.raws import dict_in
from workflow_do.engine.strictjson import MAX_DEPTH
from workflow_do.engine.timestamps import parse_time as parse_time

Raw = Mapping[str, Any]

MAX_NESTING: Final = 150
"""Levels of a run's spec or status; more than an output or an expression can make."""

_COUNTS: Final = ("active", "ready", "succeeded", "failed", "terminating")
_MADE_BY_JOB: Final = "batch.kubernetes.io/controller-uid"


@dataclass(frozen=True, slots=True)
class Run:
    """A WorkflowRun: identity, what was asked, and what was last written about it.

    `started_uid` names the uid under which its first Job was made, `retried_by` the run that took
    it over, `finished` the reason it ended with; the three outlive a backup, the status does not.
    `call`: which step of another run it says it was started by.
    """

    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str
    spec: RunSpec
    status: RunStatus
    deleting: bool = False
    started_uid: str = ""
    retried_by: str = ""
    finished: str = ""
    created: str = ""
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class JobFact:
    """A Job that carries the run's uid. `try_` is 0 where the labels do not say.

    `attended`: the Job controller has come to it, and has made its Pod or has said why not.
    """

    name: str
    uid: str
    owner_uid: str
    role: str
    step: str
    try_: int
    seq: int
    epoch: int
    input_hash: str
    created: datetime | None
    suspend: bool = False
    suspended: bool = False
    finished: bool = False
    deleting: bool = False
    item: int | None = None
    had_pod: bool = False
    attended: bool = False


@dataclass(frozen=True, slots=True)
class ContainerFact:
    """The container named `action`; `absent` until the kubelet has said anything of it.

    `traceless`: over, and nothing tells that it ever was: no id, no start, no earlier life.
    """

    state: Literal["absent", "waiting", "running", "terminated"] = "absent"
    reason: str = ""
    message: str = ""
    exit_code: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    image_id: str = ""
    traceless: bool = False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PodFact:
    """A Pod of a Job of the run. `grace` is what its deletion granted, in seconds.

    `disrupted` tells why and `disrupted_at` when it was to make way; an `orphan` names no owner
    but is labelled as the Job's: who deletes a Job can leave its Pod behind.
    """

    name: str
    uid: str
    job_uid: str
    phase: str
    container: ContainerFact
    bound: bool = False
    reason: str = ""
    message: str = ""
    created: datetime | None = None
    started: datetime | None = None
    deletion: datetime | None = None
    grace: int = 0
    deadline: int | None = None
    disrupted: str = ""
    disrupted_at: datetime | None = None
    orphan: bool = False
    unschedulable: str = ""

    @property
    def final(self) -> bool:
        """Whether its phase never changes any more."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def ended(self) -> bool:
        """Whether its container says that its program has ended."""
        return self.container.state == "terminated"

    @property
    def over(self) -> bool:
        """Whether its program has ended; the phase tells a second after the container's state."""
        return self.final or self.ended


@dataclass(frozen=True, slots=True)
class ApprovalFact:
    """A WorkflowApproval that names the run's uid; `spec` is None where it cannot be read."""

    name: str
    created: datetime | None
    spec: ApprovalSpec | None


@dataclass(frozen=True, slots=True)
class Pinning:
    """A definition that the run may be pinned to; `manifest` is None where it is stored already.

    `original` is the run that this one is a retry of, `alike` the steps of it whose Actions are
    the same in both definitions. `before`: revisions of other Workflows that it names and that are
    not stored. `vouched`: of a child.
    """

    definition: Definition
    manifest: dict[str, Any] | None
    original: Run | None = None
    alike: frozenset[str] = frozenset()
    before: tuple[dict[str, Any], ...] = ()
    vouched: Vouched | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One consistent look at a run. `definition` is a Pinning until the status names a revision.

    `inherited`: another process may have started something in this run that is not on record and
    gone by now. `past` answers for the names of Jobs that were asked for; None: never heard of.
    `standing`: where the run stands among those that share places, once it has asked. `crowd`:
    None where Jobs are not limited. `remains`: whether anything is left of a child (uid) that is
    gone.
    """

    run: Run
    definition: Definition | Pinning | Problem
    jobs: tuple[JobFact, ...] = ()
    pods: tuple[PodFact, ...] = ()
    approvals: tuple[ApprovalFact, ...] = ()
    guard: Guard | None = None
    job_events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    past: Mapping[str, PastJob | None] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    log_outputs: Mapping[str, LogEnd] = field(default_factory=dict)
    held: Mapping[str, Held | None] = field(default_factory=dict)
    children: Mapping[str, ChildFact] = field(default_factory=dict)
    results: Mapping[str, dict[str, Json]] = field(default_factory=dict)
    remains: Mapping[str, bool] = field(default_factory=dict)
    standing: Standing | None = None
    crowd: Crowd | None = None
    live: bool = False
    asked: datetime | None = None
    inherited: bool = False


def spec_of(raw: Raw) -> Raw:
    """The spec of a raw object; empty where it has none, or one that is no object."""
    return dict_in(raw, "spec")


def parse_run(raw: Raw, status: RunStatus | None = None) -> Run | Problem:
    """A WorkflowRun object as a Run; a Problem where its spec or status is not of our kind.

    `status` is its status where that is known already: what says the same is the same object then.
    """
    meta, parts = dict_in(raw, "metadata"), ("spec",) if status is not None else ("spec", "status")
    try:
        spec = RunSpec.model_validate(raw.get("spec"))
        status = status or RunStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        return Problem(Reason.RUN_INVALID, describe(error))
    deep = next((part for part in parts if is_deep(raw.get(part), MAX_NESTING)), None)
    if deep is not None:
        return Problem(Reason.RUN_INVALID, f"{deep}: nested more than {MAX_NESTING} deep")
    return Run(
        name=str(meta.get("name", "")),
        namespace=str(meta.get("namespace", "")),
        uid=str(meta.get("uid", "")),
        generation=_int(meta.get("generation")),
        resource_version=str(meta.get("resourceVersion", "")),
        spec=spec,
        status=status,
        deleting="deletionTimestamp" in meta,
        started_uid=str(dict_in(meta, "annotations").get(names.ANNOTATION_STARTED_UID, "")),
        retried_by=str(dict_in(meta, "annotations").get(names.ANNOTATION_RETRIED_BY, "")),
        finished=str(dict_in(meta, "labels").get(names.LABEL_FINISHED, "")),
        created=str(meta.get("creationTimestamp") or ""),
        call=parse_call(raw),
    )


def has_begun(raw: Raw) -> bool:
    """Whether a raw run, readable or not, may have made Jobs: it is marked before the first."""
    meta = dict_in(raw, "metadata")
    mark = dict_in(meta, "annotations").get(names.ANNOTATION_STARTED_UID)
    return mark is not None and mark == meta.get("uid")


def parse_status(raw: Raw) -> RunStatus | None:
    """The status of a raw run, even where its spec cannot be read; None where it cannot either."""
    try:
        return RunStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        return None


def parse_job(raw: Raw) -> JobFact:
    """A batch/v1 Job as a JobFact."""
    meta, spec, status = dict_in(raw, "metadata"), dict_in(raw, "spec"), dict_in(raw, "status")
    labels, notes = dict_in(meta, "labels"), dict_in(meta, "annotations")
    conditions = true_conditions(status)
    return JobFact(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        owner_uid=_controller_uid(meta),
        role=str(labels.get(names.LABEL_ROLE, "")),
        step=str(labels.get(names.LABEL_STEP, "")),
        try_=_int(labels.get(names.LABEL_TRY)),
        seq=_int(notes.get(names.ANNOTATION_SEQ)),
        epoch=_int(notes.get(names.ANNOTATION_EPOCH)),
        input_hash=str(notes.get(names.ANNOTATION_INPUT_HASH, "")),
        created=parse_time(meta.get("creationTimestamp")),
        suspend=spec.get("suspend") is True,
        suspended="Suspended" in conditions,
        finished=bool({"Complete", "Failed"} & conditions.keys()),
        deleting="deletionTimestamp" in meta,
        item=_int(labels[names.LABEL_ITEM]) if names.LABEL_ITEM in labels else None,
        had_pod=any(status.get(count) for count in _COUNTS),
        attended="startTime" in status,
    )


def parse_pod(raw: Raw) -> PodFact:
    """A core/v1 Pod as a PodFact."""
    meta, spec, status = dict_in(raw, "metadata"), dict_in(raw, "spec"), dict_in(raw, "status")
    conditions = true_conditions(status)
    return PodFact(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        job_uid=_job_uid(meta),
        phase=str(status.get("phase", "")),
        container=_parse_container(status),
        bound=bool(spec.get("nodeName")),
        reason=str(status.get("reason", "")),
        message=str(status.get("message", "")),
        created=parse_time(meta.get("creationTimestamp")),
        started=parse_time(status.get("startTime")),
        deletion=parse_time(meta.get("deletionTimestamp")),
        grace=_int(meta.get("deletionGracePeriodSeconds")),
        deadline=spec.get("activeDeadlineSeconds"),
        disrupted=conditions.get("DisruptionTarget", ""),
        disrupted_at=parse_time(changed_at(status, "DisruptionTarget")),
        orphan=bool(_job_uid(meta)) and not _controller_uid(meta),
        unschedulable=unschedulable(status),
    )


def parse_approval(raw: Raw) -> ApprovalFact:
    """A WorkflowApproval as an ApprovalFact."""
    meta = dict_in(raw, "metadata")
    deep = is_deep(raw.get("spec"), MAX_DEPTH)
    try:
        spec = None if deep else ApprovalSpec.model_validate(raw.get("spec"))
    except ValidationError:
        spec = None
    return ApprovalFact(str(meta.get("name", "")), parse_time(meta.get("creationTimestamp")), spec)


def _parse_container(status: Raw) -> ContainerFact:
    rows = status.get("containerStatuses") or ()
    mine = next((c for c in rows if c.get("name") == names.CONTAINER), None)
    if mine is None:
        return ContainerFact()
    image = str(mine.get("imageID", ""))
    for kind in ("terminated", "running", "waiting"):
        state = dict_in(mine, "state").get(kind)
        if state is not None:
            return _parse_state(kind, state, image, _is_traceless(mine))
    return ContainerFact(image_id=image)


def _is_traceless(row: Raw) -> bool:
    ended = dict_in(dict_in(row, "state"), "terminated")
    earlier = row.get("lastState") or _int(row.get("restartCount"))
    return not (earlier or row.get("containerID") or ended.get("startedAt"))


def _parse_state(kind: Any, state: Raw, image: str, traceless: bool) -> ContainerFact:
    return ContainerFact(
        state=kind,
        reason=str(state.get("reason", "")),
        message=str(state.get("message", "")),
        exit_code=_int(state.get("exitCode")),
        started=parse_time(state.get("startedAt")),
        finished=parse_time(state.get("finishedAt")),
        image_id=image,
        traceless=kind == "terminated" and traceless,
    )


def _controller_uid(meta: Raw) -> str:
    """The uid of the controlling owner; empty where there is none."""
    owners = meta.get("ownerReferences") or ()
    return next((str(o.get("uid", "")) for o in owners if o.get("controller")), "")


def _job_uid(meta: Raw) -> str:
    """The uid of the Job that made a Pod. Kubernetes labels such Pods with it; one that names the
    Job only as its owner was made by hand, and the Job does not count it either.
    """
    owner, job = _controller_uid(meta), str(dict_in(meta, "labels").get(_MADE_BY_JOB, ""))
    return job if owner in ("", job) else ""


def _int(value: Json) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
