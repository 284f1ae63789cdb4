"""`do`: the face of the SDK, `do.workflow.define({...}).execute(body=...)`.

Binds checked definitions to a cluster. Connects on first use, as kubectl would; `do.connect`
chooses otherwise. Decides only one thing: a definition that is run is first applied, so that what
is run is what is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.approval import Decision
from workflow_do.api.run import DesiredState
from workflow_do.sdk.client import ACTIONS, WORKFLOWS, Client
from workflow_do.sdk.connect import connect
from workflow_do.sdk.control import ask, retry_run, the_run
from workflow_do.sdk.deciding import Said, decide
from workflow_do.sdk.definition import Definition, define_action, define_workflow
from workflow_do.sdk.outputs import Reader, item_of, unit_named
from workflow_do.sdk.run import Run, Unit
from workflow_do.sdk.runs import (
    DEFAULT_TIMEOUT_SECONDS,
    fetch_children,
    fetch_run,
    start_run,
    wait_run,
    watch_run,
)

FIELD_MANAGER: Final = "workflow-do-sdk"


class Do:
    """The verbs, on one cluster. The module's `do` is the one to use; more may be made."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self.workflow = Workflows(self)
        self.action = Actions(self)

    @property
    def client(self) -> Client:
        """The connection, made on first use."""
        if self._client is None:
            self._client = Client(connect())
        return self._client

    def connect(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        namespace: str | None = None,
    ) -> Do:
        """Use this cluster and namespace from now on; what is absent is taken as kubectl would.

        Raises Unreachable where there is no usable configuration.
        """
        self._client = Client(connect(kubeconfig, context, namespace))
        return self

    def run(self, name: str, namespace: str | None = None) -> RunHandle:
        """A handle to a run that was started before, by whomever. Makes no call."""
        return RunHandle(self.client, namespace or self.client.namespace, name)


class RunHandle:
    """A run that goes on in the cluster, whether or not this program does."""

    def __init__(self, client: Client, namespace: str, name: str, uid: str | None = None) -> None:
        self._client = client
        self._uid = uid
        self.namespace = namespace
        self.name = name

    def __repr__(self) -> str:
        return f"RunHandle({self.namespace}/{self.name})"

    def get(self) -> Run:
        """The run as it is now. Raises NotFound."""
        return fetch_run(self._client, self.namespace, self.name)

    def children(self) -> tuple[Run, ...]:
        """The runs that its steps have started, the oldest first; `parent` of each is this one.

        Raises NotFound.
        """
        return fetch_children(self._client, self.get())

    def pause(self) -> Run:
        """What runs goes on to its end, nothing new starts. Raises WrongState, NotFound."""
        return self._ask(DesiredState.PAUSED)

    def resume(self) -> Run:
        """Go on after a pause. Raises WrongState, NotFound."""
        return self._ask(DesiredState.RUNNING)

    def cancel(self, *, compensate: bool = False) -> Run:
        """Stop what runs and end the run, without its onFailure handler. There is no way back.

        compensate: let what runs end by itself, then undo what was done, the newest first.
        Raises WrongState where it has ended already, NotFound.
        """
        with_undo = DesiredState.CANCELLED_WITH_COMPENSATION
        return self._ask(with_undo if compensate else DesiredState.CANCELLED)

    def _ask(self, wanted: DesiredState) -> Run:
        """Asking for what is so already is no error, and changes nothing."""
        return ask(self._client, self.namespace, self.name, wanted, uid=self._uid)[0]

    def retry(self, *, name: str | None = None, revision: str | None = None) -> RunHandle:
        """A new run that takes over what succeeded in this one and runs the rest; at once.

        name: of the new run; else one is made up. revision: a WorkflowRevision to use instead of
        this run's own. Raises WrongState where this run has not ended, succeeded, or was retried
        before; NotFound, AlreadyExists.
        """
        _, run = retry_run(
            self._client, self.namespace, self.name, uid=self._uid, new_name=name, revision=revision
        )
        return RunHandle(self._client, self.namespace, run.name, run.uid)

    def approve(
        self,
        step: str | None = None,
        *,
        item: int | None = None,
        comment: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Unit:
        """Approve a step that waits for it, in your own name; gives the step as it was before.

        step, item: may be left out where only one waits. data: becomes its output.
        Raises WrongState where it does not wait or you have approved already, NotFound, Forbidden.
        """
        said = Said(Decision.APPROVE, step, comment, data, item)
        return decide(self._client, self.namespace, self.name, said, uid=self._uid).unit

    def reject(
        self, step: str | None = None, *, item: int | None = None, comment: str | None = None
    ) -> Unit:
        """Reject a step that waits for approval: it ends as failed. Else as `approve`."""
        said = Said(Decision.REJECT, step, comment, None, item)
        return decide(self._client, self.namespace, self.name, said, uid=self._uid).unit

    def output(self, step: str, *, item: int | None = None) -> Any:
        """What a step gave, as a whole, wherever it stands; a list where it has items.

        None where it gave nothing. Raises NotFound, OutputUnavailable, Forbidden.
        """
        run = self._own()
        unit = unit_named(run, step)
        return Reader(self._client, run).output(unit if item is None else item_of(unit, item))

    def outputs(self) -> dict[str, Any]:
        """What each step that succeeded gave, by its id. Raises what `output` raises."""
        run = self._own()
        reader = Reader(self._client, run)
        done = (unit for unit in run.steps.values() if unit.state == "Succeeded")
        return {unit.id: reader.output(unit) for unit in done}

    def _own(self) -> Run:
        return the_run(self._client, self.namespace, self.name, self._uid)

    def watch(self, timeout: float | None = None) -> Iterator[Run]:
        """The run now and at every change until it is completed. Raises RunTimeout, NotFound."""
        return watch_run(
            self._client, self.namespace, self.name, uid=self._uid, timeout=_bound(timeout)
        )

    def wait(self, timeout: float | None = None) -> Run:
        """The run once it has succeeded; timeout in seconds, an hour by default.

        Raises RunFailed, RunTimeout (the run goes on), NotFound.
        """
        return wait_run(
            self._client, self.namespace, self.name, uid=self._uid, timeout=_bound(timeout)
        )


@dataclass(slots=True)
class _Bound:
    """A definition and the `Do` it is used with."""

    _do: Do
    definition: Definition
    _applied: bool = False

    @property
    def name(self) -> str:
        """The object's name."""
        return self.definition.name

    def manifest(self) -> dict[str, Any]:
        """The Kubernetes object, as a new dict."""
        return self.definition.manifest()

    def to_yaml(self) -> str:
        """The Kubernetes object as YAML, for Git; kubectl reads it as it is meant."""
        from workflow_do.sdk.yamltext import dump_yaml

        return dump_yaml(self.manifest())

    def apply(self, *, force: bool = False) -> dict[str, Any]:
        """Put the definition into the cluster by server-side apply; gives the object there.

        force: take over fields that another manager (kubectl, a GitOps tool) owns.
        Raises Conflict where another manager owns a field that would change, and Invalid.
        """
        client, namespace = self._do.client, self._namespace()
        resource = WORKFLOWS if self.definition.kind is names.WORKFLOW else ACTIONS
        made = client.apply(resource, namespace, self.manifest(), FIELD_MANAGER, force)
        self._applied = True
        return made

    def _namespace(self) -> str:
        return self.definition.namespace or self._do.client.namespace


class Action(_Bound):
    """A defined Action."""


class Workflow(_Bound):
    """A defined Workflow, or one that was read from the cluster."""

    def start(self, body: Any = None, *, name: str | None = None) -> RunHandle:
        """Start a run and come back at once; the definition is applied first, once.

        body: any JSON; `trigger.body` in expressions. name: of the run; else one is made up.
        Raises DefinitionError, AlreadyExists, and what `apply` raises.
        """
        if not self._applied:
            self.apply()
        client, namespace = self._do.client, self._namespace()
        run = start_run(client, self.name, namespace=namespace, body=body, name=name)
        return RunHandle(client, namespace, run.name, run.uid)

    def execute(
        self, body: Any = None, *, name: str | None = None, timeout: float | None = None
    ) -> Run:
        """Start a run and wait for its end; timeout in seconds, an hour by default.

        Raises what `start` raises, RunFailed, and RunTimeout (the run goes on).
        """
        bound = _bound(timeout)
        return self.start(body, name=name).wait(bound)


class Workflows:
    """`do.workflow`."""

    def __init__(self, do: Do) -> None:
        self._do = do

    def define(self, definition: Mapping[str, Any]) -> Workflow:
        """Check a definition: the Workflow spec's keys and `name`. Raises DefinitionError."""
        return Workflow(self._do, define_workflow(definition))

    def get(self, name: str, namespace: str | None = None) -> Workflow:
        """The Workflow as it is in the cluster; running it changes nothing. Raises NotFound."""
        namespace = namespace or self._do.client.namespace
        obj = self._do.client.get(WORKFLOWS, namespace, name)
        definition = Definition(names.WORKFLOW, name, namespace, obj["spec"])
        return Workflow(self._do, definition, True)


class Actions:
    """`do.action`."""

    def __init__(self, do: Do) -> None:
        self._do = do

    def define(self, definition: Mapping[str, Any]) -> Action:
        """Check a definition: the Action spec's keys and `name`. Raises DefinitionError."""
        return Action(self._do, define_action(definition))


def _bound(timeout: float | None) -> float:
    if timeout is None:
        return DEFAULT_TIMEOUT_SECONDS
    if not 0 < timeout < float("inf"):
        raise ValueError(f"timeout: a number of seconds above 0, not {timeout!r}")
    return float(timeout)


do = Do()
