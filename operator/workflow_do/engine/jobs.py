"""The manifest of a try: one Job with one "restricted" Pod with one container named `action`.

Decides every field of what is created, and nothing about when. User data reaches the Pod only as
environment values; each `$` in them is doubled, since the kubelet would expand `$(NAME)` and let
a caller read the Action's secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from workflow_do.api import names
from workflow_do.api.action import OutputSource
from workflow_do.api.base import Json, dump
from workflow_do.api.pod import ExtraMetadata
from workflow_do.engine import identity
from workflow_do.engine.definition import ActionDef, Definition
from workflow_do.engine.held import FILE as DATA_FILE
from workflow_do.engine.identity import Unit

_DEFAULT_USER: Final = 65532
_OUTPUT_PATH: Final = "/dev/termination-log"
_INPUT_FILE: Final = "input.json"
_POD_FIELDS: Final = (
    "volumes",
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "priorityClassName",
    "runtimeClassName",
    "terminationGracePeriodSeconds",
)
_CONTAINER_FIELDS: Final = (
    "imagePullPolicy",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "resources",
    "volumeMounts",
)


@dataclass(frozen=True, slots=True)
class Try:
    """Everything that a try's manifest is made of. `env` holds the rendered variables; `input_file`
    is the ConfigMap with the input, where that is too large for a variable.
    """

    run_name: str
    run_namespace: str
    run_uid: str
    root_run_uid: str
    unit: Unit
    number: int
    seq: int
    epoch: int
    input: Json
    env: Mapping[str, str]
    input_file: str | None = None
    call_path: str = ""

    @property
    def input_hash(self) -> str:
        """What stands on the Job and in the status for the input."""
        return hash_of_input(self.input)


def encode_input(value: Json) -> str:
    """The input as the program finds it in ACTION_INPUT: compact JSON, keys in their order."""
    return orjson.dumps(value).decode()


def hash_of_input(value: Json) -> str:
    """What tells one input from another; stands on the Job and in the status."""
    return identity.hash_of(value)[:16]


def build_job(definition: Definition, action: ActionDef, this: Try) -> dict[str, Any]:
    """The Job of a try, ready to POST."""
    tags = identity.labels(
        definition.workflow_name, this.run_name, this.run_uid, this.unit, this.number
    )
    job, pod = action.spec.job_metadata, action.spec.pod_metadata
    notes = {
        names.ANNOTATION_SEQ: str(this.seq),
        names.ANNOTATION_INPUT_HASH: this.input_hash,
        **({names.ANNOTATION_EPOCH: str(this.epoch)} if this.epoch else {}),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": identity.job_name(this.run_name, this.run_uid, this.unit, this.number),
            "namespace": this.run_namespace,
            "labels": {**_labels(job), **tags},
            "annotations": {**_annotations(job), **notes},
            "ownerReferences": [identity.owner(this.run_name, this.run_uid)],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {
                    "labels": {**_labels(pod), **tags},
                    "annotations": _annotations(pod),
                },
                "spec": _pod_spec(definition, action, this),
            },
        },
    }


def _labels(extra: ExtraMetadata | None) -> dict[str, str]:
    return dict(extra.labels or {}) if extra else {}


def _annotations(extra: ExtraMetadata | None) -> dict[str, str]:
    return dict(extra.annotations or {}) if extra else {}


def _pod_spec(definition: Definition, action: ActionDef, this: Try) -> dict[str, Any]:
    spec = action.spec
    account = spec.service_account_name or definition.spec.service_account_name
    written = dump(spec)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": spec.active_deadline_seconds,
        "automountServiceAccountToken": account is not None,
        "enableServiceLinks": False,
        "securityContext": _pod_security(action),
        "containers": [_container(action, this)],
        **({"serviceAccountName": account} if account else {}),
        **{key: written[key] for key in _POD_FIELDS if key in written},
    }
    if this.input_file is not None:
        _add_input(pod, this.input_file)
    return pod


def _pod_security(action: ActionDef) -> dict[str, Any]:
    """What Pod Security "restricted" asks for; user and groups as the Action says."""
    written = dump(action.spec.security_context) if action.spec.security_context else {}
    written.pop("readOnlyRootFilesystem", None)
    return {
        "runAsUser": _DEFAULT_USER,
        **written,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(action: ActionDef, this: Try) -> dict[str, Any]:
    spec = action.spec
    written = dump(spec)
    read_only = spec.security_context and spec.security_context.read_only_root_filesystem
    return {
        "name": names.CONTAINER,
        "image": spec.image,
        "env": _env(action, this),
        "terminationMessagePath": _OUTPUT_PATH,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            **({} if read_only is None else {"readOnlyRootFilesystem": read_only}),
        },
        **{key: _literal(written[key]) for key in _CONTAINER_FIELDS if key in written},
    }


def _literal(value: Json) -> Json:
    """command and args as written: the kubelet expands `$(NAME)` in them too."""
    return [escape(v) if isinstance(v, str) else v for v in value] if _is_list(value) else value


def _is_list(value: Json) -> bool:
    return isinstance(value, list | tuple)


def _env(action: ActionDef, this: Try) -> list[dict[str, Any]]:
    """The Action's variables, then ours: a later entry of one name wins."""
    rows: list[dict[str, Any]] = []
    for var in action.spec.env or ():
        if var.name in this.env:
            rows.append({"name": var.name, "value": escape(this.env[var.name])})
        elif var.value_from is not None:
            rows.append({"name": var.name, "valueFrom": dump(var.value_from)})
    ours = {
        **_input_place(this),
        **_output_place(action),
        "WORKFLOW_RUN": this.run_name,
        "WORKFLOW_STEP": this.unit.step or this.unit.role.value,
        "WORKFLOW_ATTEMPT": str(this.number),
        "WORKFLOW_IDEMPOTENCY_KEY": identity.idempotency_key(
            this.root_run_uid, this.unit, this.epoch, this.call_path
        ),
    }
    return rows + [{"name": key, "value": escape(value)} for key, value in ours.items()]


def _input_place(this: Try) -> dict[str, str]:
    if this.input_file is None:
        return {"ACTION_INPUT": encode_input(this.input)}
    return {"ACTION_INPUT_FILE": f"{names.INPUT_FOLDER}/{_INPUT_FILE}"}


def _add_input(pod: dict[str, Any], input_file: str) -> None:
    """The file with the input, as a volume of a Pod that is being built."""
    items = [{"key": DATA_FILE, "path": _INPUT_FILE}]
    volume = {"name": names.INPUT_VOLUME, "configMap": {"name": input_file, "items": items}}
    mount = {"name": names.INPUT_VOLUME, "mountPath": names.INPUT_FOLDER, "readOnly": True}
    [container] = pod["containers"]
    pod["volumes"] = [*pod.get("volumes", ()), volume]
    container["volumeMounts"] = [*container.get("volumeMounts", ()), mount]


def _output_place(action: ActionDef) -> dict[str, str]:
    """A program that gives its output by its log has no file to write to."""
    by_log = action.spec.output.source is OutputSource.LOGS
    return {} if by_log else {"ACTION_OUTPUT": _OUTPUT_PATH}


def escape(value: str) -> str:
    """The value so that the kubelet, which expands `$(NAME)`, gives it back as it was."""
    return value.replace("$", "$$")
