"""Revisions that cannot be read, cannot be stored, or are gone: what the run says of it."""

from __future__ import annotations

from datetime import timedelta

from support.world import World, action, step, workflow
from workflow_do.api.reasons import Reason
from workflow_do.engine.facts import Refusal
from workflow_do.engine.timestamps import stamp


def pinned() -> World:
    """A run whose first step runs."""
    w = World(workflow(step("a"), step("b")), action("do-it"))
    w.reconcile()
    w.runs()
    return w


def spoil(w: World) -> None:
    """The revision was written by a version that knows more than this one."""
    (raw,) = w.revisions.values()
    raw["spec"]["workflow"] = {**raw["spec"]["workflow"], "fromTheFuture": True}


def message(w: World) -> str:
    rows = {c["type"]: c for c in w.status["conditions"]}
    return str(rows["Succeeded"]["message"])


def test_a_live_run_waits_for_the_version_that_can_read_its_revision() -> None:
    w = pinned()
    spoil(w)
    planned = w.reconcile()
    assert w.verdict() == ("Unknown", "RevisionUnreadable")
    assert "fromTheFuture" in message(w)
    assert planned.look_at is not None
    assert w.step("a")["state"] == "Running", "what runs is left alone"
    w.revisions = {k: {**r, "spec": _mended(r["spec"])} for k, r in w.revisions.items()}
    w.ends()
    w.reconcile()
    assert w.step("a")["state"] == "Succeeded"
    assert w.step("b")["state"] == "Running"


def _mended(spec: dict[str, object]) -> dict[str, object]:
    flow = spec["workflow"]
    assert isinstance(flow, dict)
    return {**spec, "workflow": {k: v for k, v in flow.items() if k != "fromTheFuture"}}


def test_it_can_be_cancelled() -> None:
    w = pinned()
    spoil(w)
    w.ask("Cancelled")
    w.reconcile()
    assert not w.completed, "the program is stopped, and awaited"
    w.pod(phase="Failed", reason="DeadlineExceeded")
    w.reconcile()
    assert w.verdict() == ("False", "RevisionUnreadable")
    assert w.step("a")["state"] == "Unknown"


def test_a_lost_handler_does_not_stay_running() -> None:
    flow = workflow(step("a"), onFailure={"action": "tell"})
    w = World(flow, action("do-it"), action("tell"))
    w.reconcile()
    w.ends(code=1)
    w.reconcile()
    assert w.status["onFailure"]["state"] == "Running"
    w.revisions.clear()
    w.flow = None
    w.reconcile()
    w.jobs.clear()
    w.reconcile()
    assert w.completed
    handler = w.status["onFailure"]
    assert (handler["state"], handler["reason"]) == ("Unknown", "RevisionLost")
    assert w.step("a")["state"] == "Failed", "what had ended stays"


def test_without_its_revision_a_silent_node_is_waited_for_as_long_as_its_pod_may_run() -> None:
    """The deadline of the Action is not known any more; the Pod carries it."""
    w = pinned()
    w.revisions.clear()
    w.flow = None
    pod = w.pod()
    pod["metadata"] |= {"deletionTimestamp": stamp(w.now), "deletionGracePeriodSeconds": 20}
    planned = w.reconcile()
    assert not w.completed
    assert planned.look_at == w.now + timedelta(seconds=3600 + 20 + 30)
    w.tick(3600 + 20 + 30)
    w.reconcile()
    assert w.verdict() == ("False", "RevisionLost")
    assert w.step("a")["state"] == "Unknown"


def test_a_pod_whose_deadline_was_shortened_to_stop_it_does_not_tell_how_long_it_may_run() -> None:
    """When its node hears of that, nobody knows: it is awaited until Kubernetes gives it up."""
    w = pinned()
    w.revisions.clear()
    w.flow = None
    pod = w.pod()
    pod["spec"]["activeDeadlineSeconds"] = 1
    pod["metadata"] |= {"deletionTimestamp": stamp(w.now), "deletionGracePeriodSeconds": 20}
    assert w.reconcile().look_at is None
    w.tick(10_000)
    w.reconcile()
    assert not w.completed
    w.pods.clear()
    w.jobs.clear()
    w.reconcile()
    assert w.verdict() == ("False", "RevisionLost")


def test_a_revision_that_is_not_taken_is_told_of_and_ends_the_run_in_the_end() -> None:
    w = World(workflow(step("a")), action("do-it"))
    (effect,) = w.plan().effects
    name = effect.manifest["metadata"]["name"]  # type: ignore[union-attr]
    w.refusals = {name: Refusal(Reason.REVISION_REJECTED, "HTTP 403: exceeded quota")}
    planned = w.reconcile()
    assert w.verdict() == ("Unknown", "RevisionRejected")
    assert "exceeded quota" in message(w)
    assert planned.look_at is not None
    w.now = planned.look_at
    w.reconcile()
    assert w.verdict() == ("False", "RevisionRejected")


def test_a_round_without_a_definition_accounts_for_nothing() -> None:
    w = World(workflow(step("a")), action("do-it"))
    (effect,) = w.plan().effects
    w.do(effect)
    assert w.plan().partial, "it may be pinned anew, with Jobs that another process has made"
    w.reconcile()
    w.runs()
    w.revisions.clear()
    w.flow = None
    planned = w.reconcile()
    assert not w.completed
    assert planned.partial, "the revision may come back before all that lives has ended"
