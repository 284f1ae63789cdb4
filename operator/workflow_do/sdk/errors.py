"""What can go wrong on the way in, as types; and which of them an answer of the API server is.

Every text names the place and the cure. Pure: knows HTTP answers as numbers and bytes, makes no
call. The API server's answers are `Status` objects (Kubernetes API concepts, "Error responses").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workflow_do.api.names import GROUP

if TYPE_CHECKING:
    from workflow_do.sdk.run import Run, Unit

_MAX_TEXT: Final = 2000
"""A message of the API server can quote the whole object; more than this helps nobody."""


class WorkflowDoError(Exception):
    """Base of every error of the SDK; its text names the place and the cure."""


class DefinitionError(WorkflowDoError, ValueError):
    """A definition or a body is not valid; nothing was sent."""


class ConnectError(WorkflowDoError):
    """The API cannot be used at all: not there, not allowed, or not ours."""


class Unreachable(ConnectError):
    """No answer from the API server, or no configuration that says where it is."""


class Forbidden(ConnectError):
    """The API server knows the caller, or does not, and refuses."""


class NotInstalled(ConnectError):
    """The API server does not know our kinds: the CRDs are not installed."""


class ServerError(ConnectError):
    """The API server failed or is overloaded; the same call may succeed later."""


class Refused(WorkflowDoError):
    """The API server understood the call and said no."""


class NotFound(Refused):
    """The object is not there."""


class AlreadyExists(Refused):
    """An object of that name is there already."""


class Conflict(Refused):
    """Another writer owns a field, or the object has changed meanwhile."""


class Invalid(Refused):
    """The object breaks a rule of its kind."""


class WrongState(Refused):
    """What is asked does not fit the run: it has ended, was cancelled, or was retried before."""


class OutputUnavailable(WorkflowDoError):
    """An output that stands in a ConfigMap cannot be given: lost, or too large to be read."""


class VersionExpired(Refused):
    """The resourceVersion is too old to watch from (410): list again."""


class RunFailed(WorkflowDoError):
    """The run ended with Succeeded=False. `run` holds all of it, `step` the unit that failed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.reason = run.reason
        self.message = run.message
        self.step: Unit | None = run.failed_step
        how = "was cancelled" if run.cancelled else f"failed with {run.reason}"
        detail = f": {run.message}" if run.message else ""
        super().__init__(
            f"run {run.name} {how}{run.failed_place(run.message)}{detail} "
            f"(look: kubectl workflow get {run.name} -n {run.namespace})"
        )


class RunTimeout(WorkflowDoError, TimeoutError):
    """The bound of the wait has passed. The run itself goes on."""

    def __init__(self, name: str, namespace: str, seconds: float, run: Run | None = None) -> None:
        self.run = run
        self.name = name
        self.namespace = namespace
        super().__init__(
            f"run {name} has not ended after {seconds:g} s; it goes on "
            f"(wait on: kubectl workflow watch {name} -n {namespace})"
        )


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked of the API server, for the text of an error."""

    verb: str
    plural: str
    group: str = GROUP
    namespace: str | None = None
    name: str | None = None

    @property
    def resource(self) -> str:
        """As RBAC and kubectl call it, e.g. workflowruns.workflow.do."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def __str__(self) -> str:
        subject = f'{self.resource} "{self.name}"' if self.name else self.resource
        where = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.verb} {subject} {where}"


def refusal(code: int, body: bytes, call: Call) -> WorkflowDoError:
    """The error that an answer with a status of 400 and above is."""
    status = _status(body)
    text = _text(status, body)
    if code in (401, 403):
        return _forbidden(code, text, call)
    if code == 404:
        return _not_found(status, text, call)
    if code == 409:
        return _conflict(status, text, call)
    if code == 410:
        return VersionExpired(f"{call}: {text}")
    if code == 429 or code >= 500:
        return ServerError(
            f"the API server could not {call} (HTTP {code}): {text}; try again in a moment"
        )
    return Invalid(f"the API server refused to {call}: {text}")


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


def _text(status: dict[str, Any], body: bytes) -> str:
    causes = (status.get("details") or {}).get("causes") or []
    named = [f"{c['field']}: {c.get('message', '')}" for c in causes if c.get("field")]
    text = "; ".join(named) or status.get("message") or body.decode("utf-8", "replace").strip()
    text = " ".join(text.split()) or "no reason given"
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… (cut)"


def _forbidden(code: int, text: str, call: Call) -> Forbidden:
    if code == 401:
        return Forbidden(
            f"the API server does not accept the credentials ({text}): log in again, or choose "
            "another context of the kubeconfig"
        )
    return Forbidden(
        f"not allowed to {call}: {text}; ask the cluster's administrators for a Role with the "
        f"verb {call.verb} on {call.resource} in that namespace"
    )


def _not_found(status: dict[str, Any], text: str, call: Call) -> WorkflowDoError:
    details = status.get("details") or {}
    if details.get("kind") == "namespaces":
        return NotFound(
            f'namespace "{call.namespace}" is not there: create it, or choose another with -n '
            "or the kubeconfig's context"
        )
    if call.group == GROUP and not details.get("name"):
        return NotInstalled(
            f"this cluster does not know {call.resource}: install the CRDs and the operator of "
            "workflow-do (helm), or choose another context"
        )
    if call.name and details.get("name") == call.name:
        return NotFound(f'{call.resource} "{call.name}" is not in namespace {call.namespace}')
    return NotFound(f"cannot {call}: {text}")


def _conflict(status: dict[str, Any], text: str, call: Call) -> WorkflowDoError:
    if status.get("reason") == "AlreadyExists":
        return AlreadyExists(f'cannot {call}: "{call.name}" exists already; choose another name')
    if (status.get("details") or {}).get("causes"):
        return Conflict(
            f"cannot {call}: another manager owns a field that would change ({text}); change it "
            "there, run the definition as it is in the cluster (do.workflow.get), or apply with "
            "force=True to take the field over"
        )
    return Conflict(f"cannot {call}: {text}")
