"""An object of ours in every state that it can be in, with the status that the engine writes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from support.sagas import fail, succeed, three
from support.world import START, World, action, step, workflow
from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.engine import readiness, report
from workflow_do.engine.problem import Problem

Object = dict[str, Any]
TELL = {"action": "tell", "input": {"reason": "{{ failure.reason }}"}}
RETRY = {"maxAttempts": 2, "initialDelaySeconds": 10}


def _world(**spec: Any) -> World:
    flow = workflow(step("one"), step("two"), onFailure=TELL)
    return World(flow, action("do-it", **spec), action("tell"), body={"n": 1})


def _seen(world: World, look: bool = True) -> Object:
    """The run as the API server would give it; generation counts what was asked of it."""
    if look:
        world.reconcile()
    made = {"apiVersion": "workflow.do/v1alpha1", "kind": "WorkflowRun", **world.run}
    made["metadata"] = {**made["metadata"], "uid": "5b0f6c1e-0000-4000-8000-000000000001"}
    return copy.deepcopy(made)


def _begun(**spec: Any) -> World:
    world = _world(**spec)
    world.reconcile()
    world.runs()
    world.reconcile()
    return world


def _ask(world: World, state: str) -> World:
    world.ask(state)
    world.run["metadata"]["generation"] += 1
    return world


def _unseen() -> Object:
    return _seen(_world(), look=False)


def _waiting() -> Object:
    world = _world()
    world.flow = None
    return _seen(world)


def _not_found() -> Object:
    world = _world()
    world.flow = None
    world.reconcile()
    world.tick(21)
    return _seen(world)


def _running() -> Object:
    return _seen(_begun())


def _retrying() -> Object:
    world = _begun(retry=RETRY)
    world.ends(code=3)
    return _seen(world)


def _paused() -> Object:
    return _seen(_ask(_begun(), "Paused"))


def _paused_unseen() -> Object:
    return _seen(_ask(_begun(), "Paused"), look=False)


def _resumed() -> Object:
    world = _ask(_begun(), "Paused")
    world.reconcile()
    return _seen(_ask(world, "Running"))


def _finishing() -> Object:
    world = _begun()
    world.ends(code=3)
    return _seen(world)


def _failed() -> Object:
    world = _begun()
    world.ends(code=3)
    world.reconcile()
    world.ends("{}")
    return _seen(world)


def _retried() -> Object:
    made = _failed()
    made["metadata"].setdefault("annotations", {})["workflow.do/retried-by"] = "another"
    return made


def _cancelling() -> Object:
    return _seen(_ask(_begun(), "Cancelled"))


def _cancelled() -> Object:
    world = _world()
    world.reconcile()
    _ask(world, "Cancelled").reconcile()
    if not world.completed:
        world.tick(30)
        world.ends(code=143)
    return _seen(world)


def _compensating() -> Object:
    world = three()
    succeed(world)
    fail(world)
    return _seen(world)


def _undone() -> Object:
    world = three()
    succeed(world, '{"n": 1}')
    fail(world)
    while not world.completed:
        succeed(world)
    return _seen(world)


def _not_undone() -> Object:
    world = three()
    succeed(world, '{"n": 1}')
    fail(world)
    fail(world)
    while not world.completed:
        succeed(world)
    return _seen(world)


def _cancelling_with_undo() -> Object:
    world = three()
    succeed(world, '{"n": 1}')
    return _seen(_ask(world, "CancelledWithCompensation"))


def _succeeded() -> Object:
    world = _begun()
    world.ends("{}")
    world.reconcile()
    world.ends("{}")
    return _seen(world)


def _with_errors() -> Object:
    world = World(workflow({**step("one"), "onError": "Continue"}), action("do-it"))
    world.reconcile()
    world.ends(code=1)
    return _seen(world)


def _asking() -> Object:
    return _seen(World(workflow({"id": "ok", "approval": {"message": "Go on?"}})))


def _queued() -> Object:
    world = _world()
    status = report.waiting(world.parsed(), Problem(Reason.QUEUED, "1 run goes on"), world.now)
    world.run["status"] = dump(status)
    return _seen(world, look=False)


def _body_invalid() -> Object:
    world = _world()
    assert world.flow is not None
    world.flow["spec"]["trigger"] = {"type": "api", "bodySchema": {"type": "array"}}
    return _seen(world)


def _revision_lost() -> Object:
    world = _begun()
    world.ends("{}")
    world.revisions.clear()
    return _seen(world)


def _interrupted() -> Object:
    world = _world()
    world.meta("annotations")["workflow.do/started-uid"] = "before"
    return _seen(world)


def _restored() -> Object:
    world = _world()
    world.meta("labels")["workflow.do/finished"] = "Succeeded"
    return _seen(world)


def _unreadable() -> Object:
    world = _world()
    status = report.unreadable(Problem(Reason.RUN_INVALID, "spec: nested too deep"), world.now)
    world.run["status"] = dump(status)
    return _seen(world, look=False)


RUNS: dict[str, Callable[[], Object]] = {
    "not seen yet": _unseen,
    "waiting for its Workflow": _waiting,
    "waiting for its place": _queued,
    "waiting for approval": _asking,
    "running": _running,
    "retrying": _retrying,
    "paused": _paused,
    "asked to pause": _paused_unseen,
    "resumed": _resumed,
    "finishing": _finishing,
    "cancelling": _cancelling,
    "compensating": _compensating,
    "cancelling with undo": _cancelling_with_undo,
    "failed and undone": _undone,
    "failed and not undone": _not_undone,
    "succeeded": _succeeded,
    "completed with errors": _with_errors,
    "failed": _failed,
    "failed and retried": _retried,
    "cancelled": _cancelled,
    "Workflow not found": _not_found,
    "body invalid": _body_invalid,
    "revision lost": _revision_lost,
    "interrupted": _interrupted,
    "restored": _restored,
    "unreadable": _unreadable,
}


def definition(kind: str, seen: bool = True, stale: bool = False, **spec: Any) -> Object:
    """An Action or a Workflow with the status that the operator gives it."""
    made = action("do-it", **spec) if kind == "Action" else workflow(step("one"), **spec)
    made = {"apiVersion": "workflow.do/v1alpha1", "kind": kind, **made}
    made["metadata"] |= {"generation": 1, "namespace": "shop"}
    if seen and kind == "Action":
        made["status"] = dump(readiness.action_status(made, START))
    elif seen:
        actions = {"do-it": action("do-it")}
        made["status"] = dump(readiness.workflow_status(made, actions, START))
    if stale:
        made["metadata"]["generation"] += 1
    return made
