"""Action: one verb of a business, a program in a container with typed input and output."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workflow_do.api import pod
from workflow_do.api.base import Json, ObjectName, Spec, Status, keyed_by
from workflow_do.api.compensation import Compensation
from workflow_do.api.conditions import Condition
from workflow_do.api.retry import Retry, RetrySafety

Schema = Annotated[
    dict[str, Json],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
]
"""A JSON Schema (2020-12). `$ref` may only point into itself (`#/…`)."""


class OutputSource(StrEnum):
    """Where the program leaves its output."""

    TERMINATION_MESSAGE = "TerminationMessage"
    LOGS = "Logs"


class Output(Spec):
    """How the program gives its output."""

    source: Annotated[
        OutputSource,
        Field(
            description="TerminationMessage: the file that ACTION_OUTPUT names, up to 4,095 bytes; "
            "Logs: the last line of the log that begins with ::output::, up to 256 KiB."
        ),
    ] = OutputSource.TERMINATION_MESSAGE


class ActionSpec(Spec):
    """What the program is, what it takes and what it gives."""

    input_schema: Annotated[
        Schema | None,
        Field(description="JSON Schema (2020-12) of the input; checked before a Job is made."),
    ] = None
    output_schema: Annotated[
        Schema | None,
        Field(description="JSON Schema (2020-12) of the output; a misfit fails the step."),
    ] = None
    output: Annotated[
        Output, Field(description="How the program gives its output; absent: by a file.")
    ] = Output()
    image: Annotated[str, Field(min_length=1, max_length=1024, description="The container image.")]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Field(description="As in a Pod: absent means Always for :latest, else IfNotPresent."),
    ] = None
    command: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=64, description="The program, literally; absent: the image's entrypoint."),
    ] = None
    args: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=64, description="Its arguments, literally: never a template."),
    ] = None
    working_dir: Annotated[
        str | None, Field(max_length=1024, description="The directory the program starts in.")
    ] = None
    env: Annotated[
        tuple[pod.EnvVar, ...] | None,
        Field(
            max_length=100,
            description="Environment variables.",
            json_schema_extra=keyed_by("name"),
        ),
    ] = None
    env_from: Annotated[
        tuple[pod.EnvFrom, ...] | None,
        Field(max_length=20, description="Environment variables from Secrets and ConfigMaps."),
    ] = None
    resources: Annotated[
        pod.Resources | None, Field(description="Requests and limits of the container.")
    ] = None
    volumes: Annotated[
        tuple[pod.Volume, ...] | None,
        Field(max_length=20, description="Volumes of the Pod.", json_schema_extra=keyed_by("name")),
    ] = None
    volume_mounts: Annotated[
        tuple[pod.VolumeMount, ...] | None,
        Field(
            max_length=20,
            description="Where the program finds the volumes.",
            json_schema_extra=keyed_by("mountPath"),
        ),
    ] = None
    service_account_name: Annotated[
        ObjectName | None,
        Field(
            description="Run as this ServiceAccount and mount its token; absent: the Workflow's, "
            "else the namespace's default without a token.",
        ),
    ] = None
    image_pull_secrets: Annotated[
        tuple[pod.LocalRef, ...] | None,
        Field(
            max_length=10,
            description="Secrets with registry credentials.",
            json_schema_extra=keyed_by("name"),
        ),
    ] = None
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]] | None,
        Field(max_length=32, description="Labels that the node must have."),
    ] = None
    tolerations: Annotated[
        tuple[pod.Toleration, ...] | None,
        Field(max_length=20, description="Taints that are tolerated."),
    ] = None
    priority_class_name: Annotated[
        ObjectName | None, Field(description="The Pod's PriorityClass.")
    ] = None
    runtime_class_name: Annotated[
        ObjectName | None, Field(description="The Pod's RuntimeClass.")
    ] = None
    security_context: Annotated[
        pod.SecurityContext | None, Field(description="Who the program runs as.")
    ] = None
    termination_grace_period_seconds: Annotated[
        int | None,
        Field(ge=0, le=3600, description="Between TERM and KILL; absent: 30."),
    ] = None
    pod_metadata: Annotated[
        pod.ExtraMetadata | None, Field(description="More labels and annotations of the Pod.")
    ] = None
    job_metadata: Annotated[
        pod.ExtraMetadata | None, Field(description="More labels and annotations of the Job.")
    ] = None
    active_deadline_seconds: Annotated[
        int,
        Field(ge=1, le=604800, description="How long one try may take once its Pod is on a node."),
    ] = 3600
    start_deadline_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=86400,
            description="How long a try may take to begin: scheduling, image pull, configuration.",
        ),
    ] = 300
    retry: Annotated[
        Retry, Field(description="When a try is followed by another; absent: never.")
    ] = Retry()
    retry_safety: Annotated[
        RetrySafety,
        Field(
            description="Idempotent: the program may run again even if it is unknown what it did "
            "(it uses WORKFLOW_IDEMPOTENCY_KEY). Absent: NotIdempotent."
        ),
    ] = RetrySafety.NOT_IDEMPOTENT
    logs_tail: Annotated[
        bool,
        Field(
            description="Keep the end of the log of a failed try with the run, where all who may "
            "read runs see it. Absent: true."
        ),
    ] = True
    compensate: Annotated[
        Compensation | None,
        Field(
            description="What undoes this Action when a later step fails; a step may say otherwise."
        ),
    ] = None


class ActionStatus(Status):
    """Whether the Action can be used."""

    observed_generation: Annotated[
        int | None, Field(description="The metadata.generation this status is of.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            description="Ready: the schemas and templates are valid.",
            json_schema_extra=keyed_by("type"),
        ),
    ] = ()
