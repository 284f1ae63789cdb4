"""The parts of a Pod that an Action may choose, modelled by name.

A subset of the core/v1 API on purpose: what is absent here (host namespaces, init containers,
sidecars, hostPath) cannot be asked for. Field names and meaning are those of Kubernetes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflow_do.api.base import ObjectName, Spec

Quantity = Annotated[
    Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        ),
    ]
    | Annotated[int, Field(ge=0)],
    Field(
        description="A Kubernetes quantity, e.g. 100m or 64Mi.",
        json_schema_extra={"x-kubernetes-int-or-string": True},
    ),
]


class KeyRef(Spec):
    """One key of a Secret or ConfigMap in the run's namespace."""

    name: Annotated[ObjectName, Field(description="The object's name.")]
    key: Annotated[str, Field(max_length=253, description="The key in its data.")]
    optional: Annotated[
        bool | None, Field(description="Start without the variable if the key is absent.")
    ] = None


class EnvSource(Spec):
    """Where the value of an environment variable comes from: exactly one source."""

    secret_key_ref: Annotated[KeyRef | None, Field(description="A key of a Secret.")] = None
    config_map_key_ref: Annotated[KeyRef | None, Field(description="A key of a ConfigMap.")] = None


class EnvVar(Spec):
    """One environment variable of the program."""

    name: Annotated[
        str,
        Field(
            max_length=253,
            pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
            description="The variable's name; ACTION_… and WORKFLOW_… are reserved.",
        ),
    ]
    value: Annotated[
        str | None,
        Field(
            max_length=16384,
            description="The value; it may hold `{{ input.x }}`. `$(NAME)` is not expanded.",
        ),
    ] = None
    value_from: Annotated[EnvSource | None, Field(description="Instead of value.")] = None


class LocalRef(Spec):
    """The name of an object in the run's namespace."""

    name: Annotated[ObjectName, Field(description="The object's name.")]


class EnvFromRef(LocalRef):
    """A whole Secret or ConfigMap as environment variables."""

    optional: Annotated[bool | None, Field(description="Start without it if it is absent.")] = None


class EnvFrom(Spec):
    """Many environment variables at once, from one Secret or ConfigMap."""

    prefix: Annotated[
        str | None, Field(max_length=253, description="Put before each key's name.")
    ] = None
    secret_ref: Annotated[EnvFromRef | None, Field(description="All keys of a Secret.")] = None
    config_map_ref: Annotated[EnvFromRef | None, Field(description="All keys of a ConfigMap.")] = (
        None
    )


class Resources(Spec):
    """What the program may use, as in a Pod's container."""

    requests: Annotated[
        dict[str, Quantity] | None,
        Field(max_length=16, description="What the scheduler sets aside."),
    ] = None
    limits: Annotated[
        dict[str, Quantity] | None,
        Field(max_length=16, description="What the program may not exceed."),
    ] = None


class KeyToPath(Spec):
    """One key of a Secret or ConfigMap as a file."""

    key: Annotated[str, Field(max_length=253, description="The key in its data.")]
    path: Annotated[str, Field(max_length=253, description="The file's path in the volume.")]


class SecretVolume(Spec):
    """A Secret's keys as files."""

    secret_name: Annotated[ObjectName, Field(description="The Secret's name.")]
    items: Annotated[
        tuple[KeyToPath, ...] | None, Field(max_length=100, description="Absent: every key.")
    ] = None
    optional: Annotated[bool | None, Field(description="Start without it if absent.")] = None
    default_mode: Annotated[
        int | None, Field(ge=0, le=0o777, description="The files' mode, in decimal.")
    ] = None


class ConfigMapVolume(Spec):
    """A ConfigMap's keys as files."""

    name: Annotated[ObjectName, Field(description="The ConfigMap's name.")]
    items: Annotated[
        tuple[KeyToPath, ...] | None, Field(max_length=100, description="Absent: every key.")
    ] = None
    optional: Annotated[bool | None, Field(description="Start without it if absent.")] = None
    default_mode: Annotated[
        int | None, Field(ge=0, le=0o777, description="The files' mode, in decimal.")
    ] = None


class EmptyDirVolume(Spec):
    """Scratch space that lives as long as the Pod."""

    medium: Annotated[
        Literal["Memory"] | None, Field(description="Memory for a tmpfs; absent: the node's disk.")
    ] = None
    size_limit: Annotated[Quantity | None, Field(description="The most it may hold.")] = None


class ClaimVolume(Spec):
    """A PersistentVolumeClaim of the run's namespace."""

    claim_name: Annotated[ObjectName, Field(description="The claim's name.")]
    read_only: Annotated[bool | None, Field(description="Mount it read-only.")] = None


class Volume(Spec):
    """A volume of the Pod: exactly one source."""

    name: Annotated[
        str,
        Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Its name."),
    ]
    secret: Annotated[SecretVolume | None, Field(description="A Secret's keys as files.")] = None
    config_map: Annotated[
        ConfigMapVolume | None, Field(description="A ConfigMap's keys as files.")
    ] = None
    empty_dir: Annotated[EmptyDirVolume | None, Field(description="Scratch space.")] = None
    persistent_volume_claim: Annotated[
        ClaimVolume | None, Field(description="A PersistentVolumeClaim.")
    ] = None


class VolumeMount(Spec):
    """Where the program finds a volume."""

    name: Annotated[str, Field(max_length=63, description="The volume's name.")]
    mount_path: Annotated[
        str,
        Field(max_length=1024, pattern=r"^/[^:]*$", description="An absolute path, without `:`."),
    ]
    sub_path: Annotated[
        str | None, Field(max_length=1024, description="A path inside the volume.")
    ] = None
    read_only: Annotated[bool | None, Field(description="Mount it read-only.")] = None


class Toleration(Spec):
    """A taint that the Pod may be scheduled onto, as in a Pod."""

    key: Annotated[str | None, Field(max_length=317, description="The taint's key.")] = None
    operator: Annotated[Literal["Exists", "Equal"] | None, Field(description="Absent: Equal.")] = (
        None
    )
    value: Annotated[str | None, Field(max_length=63, description="The taint's value.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(description="Absent: every effect."),
    ] = None
    toleration_seconds: Annotated[
        int | None, Field(description="How long a NoExecute taint is tolerated.")
    ] = None


class SecurityContext(Spec):
    """Who the program runs as. Pods stay "restricted" whatever is written here."""

    run_as_user: Annotated[
        int | None,
        Field(ge=1, description="The user id; absent: 65532. Never 0, which is root."),
    ] = None
    run_as_group: Annotated[int | None, Field(ge=0, description="The group id.")] = None
    fs_group: Annotated[int | None, Field(ge=0, description="The group that owns volumes.")] = None
    supplemental_groups: Annotated[
        tuple[int, ...] | None, Field(max_length=32, description="More groups of the program.")
    ] = None
    read_only_root_filesystem: Annotated[
        bool | None, Field(description="Forbid writing outside of volumes.")
    ] = None


class ExtraMetadata(Spec):
    """Labels and annotations added to an object that the operator makes."""

    labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]] | None,
        Field(
            max_length=32,
            description="More labels. Refused: `workflow.do/…`, `batch.kubernetes.io/…`, "
            "`job-name`, `controller-uid`.",
        ),
    ] = None
    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]] | None,
        Field(
            max_length=32,
            description="More annotations. Refused: the same names as for labels.",
        ),
    ] = None
