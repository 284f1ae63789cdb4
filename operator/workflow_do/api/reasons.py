"""Every reason this project gives, in one enum: what it means and what cures it.

The reasons page of the documentation is generated from here, so a reason without an explanation
cannot exist.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A CamelCase reason of a condition, a step or an Event."""

    meaning: str
    cure: str

    def __new__(cls, value: str, meaning: str, cure: str) -> Reason:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.cure = cure
        return member

    # Runs that go on or ended well.
    PENDING = ("Pending", "The run was seen and its definition is being read.", "Nothing to do.")
    RUNNING = ("Running", "A step is running.", "Nothing to do.")
    FINISHING = (
        "Finishing",
        "The steps are over; live ones end, then onFailure (after a failure) and finally run.",
        "Nothing to do; `failure` of the handler names the first failure.",
    )
    SUCCEEDED = ("Succeeded", "Every step succeeded.", "Nothing to do.")
    COMPLETED_WITH_ERRORS = (
        "CompletedWithErrors",
        "The run came to its end; steps with `onError: Continue` failed on the way.",
        "See the records of the steps that the message names.",
    )
    READY = ("Ready", "The definition is valid and can be run.", "Nothing to do.")

    RETRYING = (
        "Retrying",
        "A try failed and another one follows.",
        "Nothing to do; `retryTime` of the step says when.",
    )
    PAUSED = (
        "Paused",
        "The run is paused: what runs goes on, nothing new starts.",
        "`kubectl workflow resume RUN`.",
    )
    CANCELLING = (
        "Cancelling",
        "The run is being cancelled; its live tries are being stopped.",
        "Nothing to do.",
    )

    # Runs that wait for others.
    QUEUED = (
        "Queued",
        "As many runs go on at once as the Workflow's concurrency allows, or as many Jobs are live "
        "as the operator's `maxLiveJobs` allows; the message tells.",
        "Nothing to do; it goes on when a place is free.",
    )
    CONCURRENCY_FORBIDDEN = (
        "ConcurrencyForbidden",
        "As many runs went on as the Workflow's concurrency allows, and its policy is Forbid.",
        "Start it again when they have ended; `policy: Queue` lets it wait instead.",
    )
    CONCURRENCY_DEADLOCK = (
        "ConcurrencyDeadlock",
        "Every run that has one of the places waits for a child run that waits for a place itself.",
        "Give them another `key` or a larger `max`, or do not let the Workflow call itself.",
    )

    # Undoing what was done.
    COMPENSATING = (
        "Compensating",
        "A step failed, or the run was cancelled; what was done is being undone.",
        "Nothing to do; `compensation` of each step shows how far it is.",
    )
    COMPENSATED = ("Compensated", "Everything that was to be undone is undone.", "Nothing to do.")
    COMPENSATION_FAILED = (
        "CompensationFailed",
        "Something could not be undone; the message names each step.",
        "Look at `compensation` of the named steps, and undo by hand what they did.",
    )
    NOT_COMPENSATED = (
        "NotCompensated",
        "The failurePolicy is Stop, or the run was cancelled: what the named steps did stays.",
        "Undo by hand what should not stay.",
    )
    OUTCOME_UNKNOWN = (
        "OutcomeUnknown",
        "It is not known what the step did, and its undo needs an output that there is not.",
        "Look at what the step did; let the undo work without an output, e.g. by its input.",
    )

    # Lists, and what runs at the end.
    TOO_MANY_ITEMS = (
        "TooManyItems",
        "The list of a forEach has more than 1,000 items.",
        "Give a list of batches, or split the work over several Workflows.",
    )
    ITEMS_NOT_RUN = (
        "ItemsNotRun",
        "Another step failed before every item of this one had run.",
        "See what ended the run; `kubectl workflow retry RUN` runs the rest.",
    )
    FINALLY_FAILED = (
        "FinallyFailed",
        "Every step did what it should, but an Action of `finally` failed.",
        "See its record in `status.finally`; the steps are done.",
    )

    # Control and deadlines.
    CANCELLED = (
        "Cancelled",
        "The run was cancelled.",
        "`kubectl workflow retry RUN` runs the rest.",
    )
    STEP_DEADLINE_EXCEEDED = (
        "StepDeadlineExceeded",
        "The step took longer, over all its tries, than its activeDeadlineSeconds.",
        "Make the programs faster, the deadline longer, or the retries fewer.",
    )
    RUN_DEADLINE_EXCEEDED = (
        "RunDeadlineExceeded",
        "The steps of the run took longer than the Workflow's activeDeadlineSeconds.",
        "Make the steps faster or the deadline longer.",
    )
    WORKFLOW_SUSPENDED = (
        "WorkflowSuspended",
        "The Workflow is suspended: new runs wait.",
        "Set spec.suspend of the Workflow to false.",
    )
    RETRY_REFUSED = (
        "RetryRefused",
        "The run named by retryOf is not there, has not ended, succeeded, was retried before, or "
        "(with sameTrigger) had another trigger.",
        "Retry a failed run that has ended, by its uid, and once.",
    )
    INTERRUPTED = (
        "Interrupted",
        "The run was restored from a backup in mid-run; what its steps did since is not known.",
        "Look at what the steps did, then start a new run.",
    )

    # Steps that wait.
    WAITING = ("Waiting", "The step waits for a time.", "Nothing to do; `waitUntil` says when.")
    WAITING_FOR_APPROVAL = (
        "WaitingForApproval",
        "The step waits until people have approved it.",
        "`kubectl workflow approve RUN`, or `reject`, by who may approve the Workflow.",
    )
    APPROVAL_REJECTED = (
        "ApprovalRejected",
        "Somebody who may decide has rejected the step.",
        "See who and why in the message.",
    )
    APPROVAL_EXPIRED = (
        "ApprovalExpired",
        "The step did not have its approvals before expiresSeconds had passed.",
        "`kubectl workflow retry RUN` asks again; make expiresSeconds longer.",
    )
    APPROVAL_UNPROTECTED = (
        "ApprovalUnprotected",
        "The cluster would let anybody approve in another's name: its admission policy is missing.",
        "Install the ValidatingAdmissionPolicy of the chart (approvals.createPolicy).",
    )
    NOT_AWAITED = (
        "NotAwaited",
        "The step still waited when another one failed, and nothing would have come after it.",
        "See what ended the run.",
    )

    # Child runs.
    CHILD_FAILED = (
        "ChildFailed",
        "The run that the step started did not succeed, is gone, or could not be made.",
        "Look at that run: `kubectl workflow get RUN` of the run that the step names.",
    )
    NESTED_TOO_DEEP = (
        "NestedTooDeep",
        "The step would start a run more than 10 levels below the first one.",
        "End the recursion by a `when`, or start the run by other means.",
    )
    NOT_A_CHILD = (
        "NotAChild",
        "The run names another run as its owner, which has not started it.",
        "Create runs without an owner; children are made by the operator.",
    )

    # Definitions.
    WORKFLOW_NOT_FOUND = (
        "WorkflowNotFound",
        "The run names a Workflow that is not there 20 s after the run was first seen.",
        "Apply the Workflow, then start a new run.",
    )
    WORKFLOW_NOT_READY = (
        "WorkflowNotReady",
        "The Workflow is there but cannot be run; the message says why.",
        "Mend the Workflow (see its Ready condition), then start a new run.",
    )
    ACTION_NOT_FOUND = (
        "ActionNotFound",
        "The Workflow uses an Action that is not there after 20 s of waiting.",
        "Apply the Action in the run's namespace, then start a new run.",
    )
    ACTION_NOT_READY = (
        "ActionNotReady",
        "The Workflow uses an Action that cannot be run; the message says why.",
        "Mend the Action (see its Ready condition), then start a new run.",
    )
    INVALID_SCHEMA = (
        "InvalidSchema",
        "An inputSchema, outputSchema or bodySchema is not a usable JSON Schema (2020-12).",
        "Mend the schema at the place that the message names.",
    )
    REVISION_NOT_FOUND = (
        "RevisionNotFound",
        "The run asks for a WorkflowRevision that is not there after 20 s of waiting.",
        "Leave out revisionName, or name one that `kubectl get workflowrevisions` shows.",
    )
    REVISION_LOST = (
        "RevisionLost",
        "The WorkflowRevision that the run was pinned to was deleted while the run was live.",
        "Start a new run; do not delete revisions of live runs.",
    )

    REVISION_UNREADABLE = (
        "RevisionUnreadable",
        "The WorkflowRevision of the run cannot be read by this version of the operator; the run "
        "waits, and what runs goes on.",
        "Run the version of the operator that the revision was made by, or a newer one; or cancel.",
    )
    REVISION_REJECTED = (
        "RevisionRejected",
        "The API server refused to store the WorkflowRevision of the run, for 20 s.",
        "Mend what the message names: a quota, an admission rule, the operator's rights.",
    )

    # What a caller or a template gave.
    RUN_INVALID = (
        "RunInvalid",
        "The WorkflowRun does not fit its schema; it was stored before a rule existed.",
        "Delete it and start a new run.",
    )
    BODY_INVALID = (
        "BodyInvalid",
        "trigger.body does not fit the Workflow's bodySchema.",
        "Start a new run with a body that fits; the message names the place.",
    )
    TRIGGER_TOO_LARGE = (
        "TriggerTooLarge",
        "The run's trigger is over 256 KiB.",
        "Put large data elsewhere and pass a reference to it.",
    )
    INVALID_TEMPLATE = (
        "InvalidTemplate",
        "An expression is malformed, names something undefined, or costs too much.",
        "Mend the expression at the place in the message; `| default(…)` covers absent values.",
    )
    INPUT_INVALID = (
        "InputInvalid",
        "The rendered input does not fit the Action's inputSchema.",
        "Mend the step's input or the caller's body; the message names the place.",
    )
    INPUT_TOO_LARGE = (
        "InputTooLarge",
        "The rendered input is over 512 KiB of JSON, a variable over 128 KiB, or all over 512 KiB.",
        "Put large data elsewhere and pass a reference to it.",
    )

    # How a try ended.
    EXIT_CODE = (
        "ExitCode",
        "The program ended with an exit code other than 0.",
        "Read the step's log: `kubectl workflow logs RUN STEP`.",
    )
    OUTPUT_INVALID = (
        "OutputInvalid",
        "The program ended with 0, but its output is not one JSON object that fits outputSchema.",
        "Mend the program, or the Action's outputSchema.",
    )
    OUTPUT_LOST = (
        "OutputLost",
        "A step needs the output of an earlier one, and its ConfigMap is gone or was altered.",
        "Find out who deleted it; start a new run.",
    )
    DATA_NOT_STORED = (
        "DataNotStored",
        "The API server refuses the ConfigMap that is to hold a large input or output.",
        "Mend what the message names (a quota, an admission rule, the operator's permissions); an "
        "output is tried to be stored for 5 minutes.",
    )
    OUTPUT_UNREADABLE = (
        "OutputUnreadable",
        "The program ended with 0, but its log, which holds the output, cannot be read.",
        "It is tried for 5 minutes. Look at the node; what the program did is done.",
    )
    OUTPUT_TOO_LARGE = (
        "OutputTooLarge",
        "The output is 4,096 bytes or more (in a log: over 256 KiB, or too far from its end), or "
        "the run's outputs together are too large.",
        "Write a smaller object: a reference instead of the data.",
    )
    STATUS_TOO_LARGE = (
        "StatusTooLarge",
        "The status of the run has no room for the record of another step; 512 KiB is the most.",
        "Split the Workflow in two.",
    )
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        "The try ran longer than the Action's activeDeadlineSeconds and was stopped.",
        "Make the program faster or the deadline longer.",
    )
    OOM_KILLED = (
        "OOMKilled",
        "The program used more memory than its limit and was killed.",
        "Raise resources.limits.memory, or make the program smaller.",
    )
    IMAGE_PULL = (
        "ImagePull",
        "The image could not be pulled before startDeadlineSeconds.",
        "Check the image's name and tag, and imagePullSecrets.",
    )
    CONTAINER_CONFIG = (
        "ContainerConfig",
        "The container could not be made: a Secret or ConfigMap is missing, or root is asked for.",
        'Mend what the message names; Pods are "restricted" and must not run as root.',
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node could take the Pod before startDeadlineSeconds.",
        "Lower the requests, mend nodeSelector or tolerations, or add nodes.",
    )
    START_DEADLINE_EXCEEDED = (
        "StartDeadlineExceeded",
        "The container had not begun at startDeadlineSeconds, for a cause that is not known.",
        "Look at the Pod's Events.",
    )
    START_ERROR = (
        "StartError",
        "The container was made, but its command could not be started.",
        "Check command and args: the program must be in the image and executable.",
    )
    POD_DELETED = (
        "PodDeleted",
        "The Pod was deleted before its program had ended.",
        "Find out who deleted it; whether the program did its work is not known.",
    )
    JOB_LOST = (
        "JobLost",
        "The Job, or its Pod, was gone before the result could be read.",
        "Find out who deleted it; whether the program did its work is not known.",
    )
    EVICTED = (
        "Evicted",
        "The Pod was evicted: drained, preempted, or the node was short of something.",
        "Whether the program did its work is not known.",
    )
    NODE_LOST = (
        "NodeLost",
        "The node stopped answering while the program ran.",
        "Look at the node; whether the program did its work is not known.",
    )
    ADMISSION_DENIED = (
        "AdmissionDenied",
        "An admission rule of the namespace refused the Pod.",
        "Mend the Action until the rule in the message lets its Pod in.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "A ResourceQuota left no room for the Pod until startDeadlineSeconds.",
        "Raise the quota or lower the Action's resources.",
    )
    POD_NOT_CREATED = (
        "PodNotCreated",
        "The Job's Pod could not be made before startDeadlineSeconds; the message says why.",
        "Mend what the message names.",
    )
    JOB_REJECTED = (
        "JobRejected",
        "The API server refused the Job.",
        "Mend the Action at the place that the message names.",
    )
    LATE_JOB = (
        "LateJob",
        "A Job turned up after its step or its run had ended, and was stopped (an Event).",
        "Look at what its program did; its result is not taken.",
    )
    NAME_CONFLICT = (
        "NameConflict",
        "An object that is not this run's holds the name of its Job, or of a ConfigMap of it.",
        "Delete or rename that object, then start a new run.",
    )
