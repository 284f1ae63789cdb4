"""The words that objects are found by: group, version, plurals, labels, annotations, limits.

One place, so that a label or a limit is spelled once. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUP: Final = "workflow.do"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "do"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is called in YAML, in URLs and on the command line."""

    kind: str
    plural: str
    singular: str
    short: str


ACTION: Final = Kind("Action", "actions", "action", "act")
WORKFLOW: Final = Kind("Workflow", "workflows", "workflow", "wfl")
REVISION: Final = Kind("WorkflowRevision", "workflowrevisions", "workflowrevision", "wfv")
RUN: Final = Kind("WorkflowRun", "workflowruns", "workflowrun", "wfr")
APPROVAL: Final = Kind("WorkflowApproval", "workflowapprovals", "workflowapproval", "wfa")
KINDS: Final = (ACTION, WORKFLOW, REVISION, RUN, APPROVAL)

LABEL_WORKFLOW: Final = f"{GROUP}/workflow"
LABEL_RUN: Final = f"{GROUP}/run"
LABEL_RUN_UID: Final = f"{GROUP}/run-uid"
LABEL_STEP: Final = f"{GROUP}/step"
LABEL_ITEM: Final = f"{GROUP}/item"
LABEL_ROLE: Final = f"{GROUP}/role"
LABEL_TRY: Final = f"{GROUP}/try"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "workflow-do"

ANNOTATION_SEQ: Final = f"{GROUP}/seq"
ANNOTATION_EPOCH: Final = f"{GROUP}/epoch"
ANNOTATION_STARTED_UID: Final = f"{GROUP}/started-uid"
ANNOTATION_RETRIED_BY: Final = f"{GROUP}/retried-by"
ANNOTATION_PAUSED_WITH: Final = f"{GROUP}/paused-with"
"""On a child run that was paused because its parent (the uid) was."""
LABEL_FINISHED: Final = f"{GROUP}/finished"
ANNOTATION_JOB_UID: Final = f"{GROUP}/job-uid"
"""On a ConfigMap with an output: the Job that gave it."""
LABEL_DATA: Final = f"{GROUP}/data"
"""On a ConfigMap with data of a run: what it is to its step."""
ANNOTATION_INPUT_HASH: Final = f"{GROUP}/input-hash"
ANNOTATION_JOBS_DELETED: Final = f"{GROUP}/jobs-deleted"
"""On a completed run: when its Jobs were deleted."""

ANNOTATION_KEY: Final = f"{GROUP}/concurrency-key"
ANNOTATION_HOLDERS: Final = f"{GROUP}/holders"
"""On the Lease of a group of runs: its key, and the runs that go on (JSON)."""

CONTAINER: Final = "action"
"""The name of the container that runs the action; others (injected sidecars) do not count."""

MAX_NAME_CHARS: Final = 63
"""Names stand in labels, and those end there."""
MAX_STEPS: Final = 500
MAX_ITEMS: Final = 1000
"""Of the list of a forEach."""
MAX_NEEDS: Final = 20
MAX_FINALLY: Final = 20
MAX_OUTPUTS: Final = 64
"""Named outputs of a Workflow."""
MAX_TEMPLATE_CHARS: Final = 16 * 1024
MAX_INPUT_BYTES: Final = 32 * 1024
"""Linux refuses one environment string over 128 KiB; 32 KiB leaves room for the rest. A larger
input is a file."""
MAX_FILE_INPUT_BYTES: Final = 512 * 1024
"""A ConfigMap holds 1 MiB."""
INPUT_VOLUME: Final = "workflow-do-input"
INPUT_FOLDER: Final = "/var/run/workflow.do"
"""Where a program finds a large input, as the file input.json."""
MAX_VARIABLE_BYTES: Final = 128 * 1024
"""Linux refuses a longer environment string (MAX_ARG_STRLEN), name and final zero included."""
MAX_ENV_BYTES: Final = 512 * 1024
"""All variables of a program; Job and Pod each hold them, and the store takes 1.5 MiB of one."""
MAX_OUTPUT_BYTES: Final = 4096
"""The kubelet keeps the last 4,096 bytes of a termination message and says nothing."""
OUTPUT_MARK: Final = "::output::"
"""What the line of the log begins with that holds an output (`output.source: Logs`)."""
MAX_LOG_OUTPUT_BYTES: Final = 256 * 1024
OUTPUT_LOG_LINES: Final = 1000
"""So many last lines of a log are searched for an output, as the node counts them: it stores a
longer line in pieces of 16 KiB (a few runtimes: 8 KiB), each of which counts."""
OUTPUT_LOG_BYTES: Final = 1024 * 1024
"""So much of the end of a log is searched for an output: room for one, and for what follows."""
MAX_TRIGGER_BYTES: Final = 256 * 1024
MAX_REVISION_BYTES: Final = 768 * 1024
"""Who manages which of its fields is stored with it, and can be as large again."""
MAX_STATUS_BYTES: Final = 512 * 1024
"""With the trigger this is half of what the API server's store takes of one object (1.5 MiB)."""
MAX_INLINE_OUTPUTS_BYTES: Final = 128 * 1024
MAX_CONCURRENT: Final = 100
MAX_CHILD_WORKFLOWS: Final = 32
"""So many other Workflows a Workflow may use, its children's children included."""
MAX_RUN_DEPTH: Final = 10
"""Levels of child runs below the first."""
MAX_MESSAGE_CHARS: Final = 1024
MAX_LOGS_TAIL_BYTES: Final = 2048
MAX_FREE_TRIES: Final = 10
MAX_APPROVER_CHARS: Final = 256
MAX_APPROVALS: Final = 10
MAX_APPROVAL_DATA_BYTES: Final = 16 * 1024
