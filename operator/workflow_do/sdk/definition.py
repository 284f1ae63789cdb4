"""Definitions written in Python: checked at once, as the operator would, turned into manifests.

Decides how a mistake is told: the place as the user wrote it, what is wrong there, and the name
that was probably meant. What is wrong beyond the shape (templates, names, schemas) the engine
says. Pure; talks to no cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from workflow_do.api import names
from workflow_do.api.action import ActionSpec
from workflow_do.api.base import Name, Spec
from workflow_do.api.workflow import WorkflowSpec
from workflow_do.engine.wording import place_of, violations
from workflow_do.sdk.errors import DefinitionError

if TYPE_CHECKING:
    from workflow_do.engine.check import Finding

MAX_WORKFLOW_NAME: Final = 50
"""A run's name is its Workflow's with a suffix, and is the value of a label: 63 at most."""
_MAX_PROBLEMS: Final = 10

M = TypeVar("M", bound=Spec)


class _Head(Spec):
    name: Name
    namespace: Name | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A checked Workflow or Action. `spec` holds what was written, under the API's own names."""

    kind: names.Kind
    name: str
    namespace: str | None
    spec: Mapping[str, Any]

    def manifest(self) -> dict[str, Any]:
        """The Kubernetes object, as kubectl would apply it."""
        metadata = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        return {
            "apiVersion": names.API_VERSION,
            "kind": self.kind.kind,
            "metadata": metadata,
            "spec": dict(self.spec),
        }


def define_workflow(definition: Mapping[str, Any]) -> Definition:
    """The definition of a Workflow: its spec's keys, `name`, and `namespace` if need be.

    Raises DefinitionError naming each place that is wrong.
    """
    made = _define(names.WORKFLOW, WorkflowSpec, definition)
    what = f'Workflow "{made.name}"'
    if len(made.name) > MAX_WORKFLOW_NAME:
        raise DefinitionError(f"{what}: name: at most {MAX_WORKFLOW_NAME} characters")
    # Loads the template parser and the schema compiler, which only those who define need.
    from workflow_do.engine.check import check_workflow

    # The Actions are the cluster's, so that nothing is known of their types.
    _require_sound(check_workflow(made.name, made.spec, {}, complete=False), what)
    return made


def define_action(definition: Mapping[str, Any]) -> Definition:
    """The definition of an Action: its spec's keys, `name`, and `namespace` if need be.

    Raises DefinitionError naming each place that is wrong.
    """
    from workflow_do.engine.check import check_action

    made = _define(names.ACTION, ActionSpec, definition)
    _require_sound(check_action(made.name, made.spec), f'Action "{made.name}"')
    return made


def _require_sound(findings: Sequence[Finding], what: str) -> None:
    """Raise DefinitionError with every error; a warning stops nobody."""
    from workflow_do.engine.check import errors, tell

    wrong = errors(findings)
    if wrong:
        raise DefinitionError(f"{what}: {tell(wrong)}")


def _define(kind: names.Kind, model: type[Spec], definition: Mapping[str, Any]) -> Definition:
    if not isinstance(definition, Mapping):
        raise DefinitionError(f"a {kind.kind} is defined by a dict, not by {definition!r:.80}")
    if {"spec", "metadata"} & set(definition):
        raise DefinitionError(
            f"a {kind.kind} is defined by the keys of its spec and `name`, not by a whole "
            "manifest: pass manifest['spec'] and the name"
        )
    head = {key: value for key, value in definition.items() if key in ("name", "namespace")}
    body = {key: value for key, value in definition.items() if key not in head}
    what = f'{kind.kind} "{head["name"]}"' if head.get("name") else kind.kind
    require_json(dict(definition), what)
    problems: list[str] = []
    parsed_head = _check(_Head, head, problems)
    parsed = _check(model, body, problems)
    if parsed_head is None or parsed is None:
        raise DefinitionError(f"{what}: " + "; ".join(_bounded(problems)))
    # Only what was written: a default that is applied would then be owned by this definition.
    spec = parsed.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Definition(kind, parsed_head.name, parsed_head.namespace, spec)


def _check(model: type[M], data: Mapping[str, Any], problems: list[str]) -> M | None:
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        problems += [str(violation) for violation in violations(error, model, values=True)]
        return None


def _bounded(problems: list[str]) -> list[str]:
    more = len(problems) - _MAX_PROBLEMS
    return problems[:_MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])


def require_json(value: Any, what: str) -> int:
    """The size of the value in bytes of JSON. Raises DefinitionError where it is not JSON."""
    try:
        return len(json.dumps(value, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise DefinitionError(f"{what}: {_not_json(value, error)}") from None


def _not_json(value: Any, error: Exception) -> str:
    """The place of what is not JSON, and what stands there."""
    if isinstance(error, RecursionError) or "Circular" in str(error):
        return "nested too deeply for JSON"
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while todo:
        loc, part = todo.pop()
        if isinstance(part, dict):
            todo += [((*loc, str(key)), inner) for key, inner in part.items()]
        elif isinstance(part, list | tuple):
            todo += [((*loc, i), inner) for i, inner in enumerate(part)]
        elif not _scalar(part):
            return f"{place_of(loc) or 'the whole'}: not JSON: {part!r:.80}"
    return f"not JSON: {error}"


def _scalar(part: Any) -> bool:
    if isinstance(part, float):
        return isfinite(part)
    return part is None or isinstance(part, str | int)


def run_manifest(
    workflow: str,
    *,
    body: Any = None,
    name: str | None = None,
    namespace: str | None = None,
) -> dict[str, Any]:
    """A WorkflowRun that starts the Workflow; without a name the API server makes one up.

    Raises DefinitionError where the body is not JSON or too large.
    """
    trigger: dict[str, Any] = {"type": "api"}
    if body is not None:
        trigger["body"] = body
    size = require_json(trigger.get("body"), "body")
    if size > names.MAX_TRIGGER_BYTES:
        raise DefinitionError(
            f"body: {size} bytes of JSON, at most {names.MAX_TRIGGER_BYTES} are allowed; put large "
            "data elsewhere and pass a reference to it"
        )
    metadata: dict[str, Any] = {"name": name} if name else {"generateName": f"{workflow}-"}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {names.LABEL_WORKFLOW: workflow}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "metadata": metadata,
        "spec": {"workflowName": workflow, "trigger": trigger},
    }
