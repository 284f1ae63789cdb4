"""Steps that start runs of other Workflows, with the operator as a process; the test plays nodes.

The resync is far away, so that whatever a parent learns of its child it learns from events.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, condition, jobs, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, noise, operating
from workflow_do.engine.identity import Role, Unit, job_name
from workflow_do.sdk.do import Do

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
Object = dict[str, Any]
API = "workflow.do/v1alpha1"
NEVER = {"WORKFLOW_DO_RESYNC_SECONDS": "600"}
_numbers = itertools.count(1)


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    log = tmp_path / "operator.log"
    with operating(server.kubeconfig, server.namespace, log, NEVER) as process:
        yield process
    assert noise(process) == []


@pytest.fixture
def pay(server: ApiServer) -> str:
    """A Workflow for a child; it takes `n`, gives a receipt, and its first step can be undone."""
    apply(server, "Action", "undo", {"image": "example.com/x:1"})
    for name in ("act", "charge"):
        undo = {} if name == "act" else {"compensate": {"action": "undo"}}
        apply(server, "Action", name, {"image": "example.com/x:1", **undo})
    name = f"pay-{next(_numbers)}"
    apply(server, "Workflow", name, pay_spec())
    return name


def pay_spec(**more: Any) -> Object:
    steps = [
        {"id": "charge", "action": "charge", "input": {"n": "{{ trigger.body.n }}"}},
        {"id": "book", "action": "act"},
    ]
    return {"steps": steps, "outputs": {"receipt": "{{ steps.charge.output.id }}"}, **more}


def call(pay: str, **more: Any) -> Object:
    return {"id": "pay", "workflow": pay, "input": {"n": "{{ trigger.body.n }}"}, **more}


def flow(server: ApiServer, *steps: Object, **spec: Any) -> str:
    name = f"order-{next(_numbers)}"
    apply(server, "Workflow", name, {"steps": list(steps), **spec})
    return name


def step(server: ApiServer, run: str, id_: str = "pay") -> Object:
    rows = server.get("wfr", run).get("status", {}).get("steps", [])
    found: Object = next((row for row in rows if row["id"] == id_), {})
    return found


def child_of(server: ApiServer, run: str, id_: str = "pay") -> str:
    """The name of the child, once the step names it."""
    name = await_value(lambda: step(server, run, id_).get("runName"), f"{run} names its child")
    return str(name)


def patch(server: ApiServer, run: str, state: str) -> None:
    body = f'{{"spec": {{"desiredState": "{state}"}}}}'
    server.kubectl("patch", "wfr", run, "--type=merge", "-p", body)


AFTER = {"id": "after", "action": "act", "input": {"r": "{{ steps.pay.output.receipt }}"}}


@pytest.mark.usefixtures("operator")
def test_a_child_is_run_and_its_outputs_go_on(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    run = start(server, flow(server, call(pay), AFTER))
    child = child_of(server, run)
    kubelet.perform(child, "charge", {"id": "r-1"})
    kubelet.perform(child, "book", {})
    pod = kubelet.perform(run, "after", {})
    env = {row["name"]: row.get("value") for row in pod["spec"]["containers"][0]["env"]}

    assert env["ACTION_INPUT"] == '{"r":"r-1"}'
    assert verdict(server, run) == verdict(server, child) == ("True", "Succeeded")
    parent, made = server.get("wfr", run), server.get("wfr", child)
    uid = parent["metadata"]["uid"]
    assert made["metadata"]["name"] == job_name(run, uid, Unit(Role.DO, "pay"), 1)
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("WorkflowRun", uid, True)
    assert made["spec"]["trigger"]["body"] == {"n": 1}
    revision = server.get("wfv", parent["status"]["revisionName"])
    assert revision["spec"]["children"] == {pay: made["spec"]["revisionName"]}
    assert made["status"]["rootRunUID"] == uid
    assert jobs(server, run) == ["do/after/1"]
    [seen] = Do().connect(str(server.kubeconfig), namespace=server.namespace).run(run).children()
    assert (seen.name, seen.parent, seen.outputs) == (child, run, {"receipt": "r-1"})


@pytest.mark.usefixtures("operator")
def test_a_child_that_fails_is_undone_by_itself_and_ends_its_parent(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    reserve = {"id": "reserve", "action": "charge"}
    run = start(server, flow(server, reserve, call(pay), AFTER))
    kubelet.perform(run, "reserve", {})
    child = child_of(server, run)
    kubelet.perform(child, "charge", {"id": "r-1"})
    kubelet.perform(child, "book", exit_code=3)
    undo(kubelet, child, "charge")
    undo(kubelet, run, "reserve")

    assert verdict(server, run) == ("False", "ChildFailed")
    assert verdict(server, child) == ("False", "ExitCode")
    assert child in step(server, run)["message"]
    assert jobs(server, run) == ["do/reserve/1", "undo/reserve/1"]


def undo(kubelet: Kubelet, run: str, step_id: str) -> None:
    pod = kubelet.await_pod(run, step_id, "undo")
    kubelet.start(pod)
    kubelet.end(pod, {})
    kubelet.settle(pod)


@pytest.mark.usefixtures("operator")
def test_a_child_is_paused_resumed_and_cancelled_with_its_parent(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    run = start(server, flow(server, call(pay)))
    child = child_of(server, run)
    pod = kubelet.await_pod(child, "charge")
    kubelet.start(pod)
    for state, reason in (
        ("Paused", "Paused"),
        ("Running", "Running"),
        ("Cancelled", "Cancelling"),
    ):
        patch(server, run, state)

        def is_so(wanted: str = reason) -> bool:
            return condition(server, "wfr", child, "Succeeded").get("reason") == wanted

        await_value(is_so, f"the child is {reason}")
    kubelet.end(pod, exit_code=143)
    kubelet.settle(pod, failed=True, reason="DeadlineExceeded")

    assert verdict(server, child) == ("False", "Cancelled")
    assert verdict(server, run) == ("False", "Cancelled")


@pytest.mark.usefixtures("operator")
def test_a_deadline_of_the_step_cancels_the_child(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    run = start(server, flow(server, call(pay, activeDeadlineSeconds=2)))
    child = child_of(server, run)
    pod = kubelet.await_pod(child, "charge")
    kubelet.start(pod)

    def asked() -> bool:
        return server.get("wfr", child)["spec"].get("desiredState") == "CancelledWithCompensation"

    await_value(asked, "the child is cancelled")
    kubelet.end(pod, {"id": "r-1"})
    kubelet.settle(pod)
    undo(kubelet, child, "charge")

    assert verdict(server, run) == ("False", "StepDeadlineExceeded")
    assert verdict(server, child) == ("False", "Cancelled")


def test_an_operator_that_is_killed_goes_on_with_parent_and_child(
    server: ApiServer, operator: OperatorProcess, kubelet: Kubelet, pay: str
) -> None:
    run = start(server, flow(server, call(pay), AFTER))
    child = child_of(server, run)
    pod = kubelet.await_pod(child, "charge")
    operator.kill()
    kubelet.start(pod)
    kubelet.end(pod, {"id": "r-1"})
    kubelet.settle(pod)
    operator.start()
    kubelet.perform(child, "book", {})
    kubelet.perform(run, "after", {})

    assert verdict(server, run) == ("True", "Succeeded")
    assert len(children(server, run)) == 1


def children(server: ApiServer, run: str) -> list[str]:
    uid = server.get("wfr", run)["metadata"]["uid"]
    found = server.get("wfr", "-l", f"workflow.do/run-uid={uid}")["items"]
    return [made["metadata"]["name"] for made in found]


@pytest.mark.usefixtures("operator")
def test_every_item_has_a_child(server: ApiServer, kubelet: Kubelet, pay: str) -> None:
    each = {"forEach": {"items": "{{ [3, 4, 5] }}", "maxParallel": 2}, "input": {"n": "{{ item }}"}}
    run = start(server, flow(server, call(pay, **each)))
    done = set[str]()
    for _ in range(3):
        child = await_value(lambda: next(iter(set(children(server, run)) - done), None), "a child")
        done.add(child)
        kubelet.perform(child, "charge", {"id": "r"})
        kubelet.perform(child, "book", {})

    assert verdict(server, run) == ("True", "Succeeded")
    assert len(done) == 3
    bodies = [server.get("wfr", child)["spec"]["trigger"]["body"]["n"] for child in done]
    assert sorted(bodies) == [3, 4, 5]


@pytest.mark.usefixtures("operator")
def test_who_may_create_runs_can_make_none_a_child(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    """The run that the step would start, made before the step's turn has come; and one more."""
    run = start(server, flow(server, {"id": "first", "action": "act"}, call(pay)))
    kubelet.await_pod(run, "first")
    uid = server.get("wfr", run)["metadata"]["uid"]
    names = [job_name(run, uid, Unit(Role.DO, "pay"), number) for number in (1, 2)]
    for number, name in enumerate(names, 1):
        forge(server, name, run, uid, number, pay)

    for name in names:
        assert verdict(server, name) == ("False", "NotAChild")
        assert jobs(server, name) == []
    kubelet.perform(run, "first", {})
    assert verdict(server, run) == ("False", "NameConflict")


def forge(server: ApiServer, name: str, run: str, uid: str, number: int, pay: str) -> None:
    owner = {"apiVersion": API, "kind": "WorkflowRun", "name": run, "uid": uid, "controller": True}
    tags = {"run": run, "run-uid": uid, "role": "do", "step": "pay", "try": str(number)}
    meta = {
        "name": name,
        "ownerReferences": [owner],
        "labels": {f"workflow.do/{key}": value for key, value in tags.items()},
    }
    spec = {"workflowName": pay, "trigger": {"body": {"n": 100}}}
    made = {"apiVersion": API, "kind": "WorkflowRun", "metadata": meta, "spec": spec}
    server.kubectl("create", "-f", "-", input=made)


@pytest.mark.usefixtures("operator")
def test_a_child_stays_as_long_as_its_parent(server: ApiServer, kubelet: Kubelet, pay: str) -> None:
    apply(
        server, "Workflow", pay, pay_spec(ttlSecondsAfterFinished=0, successfulRunsHistoryLimit=0)
    )
    run = start(server, flow(server, call(pay), AFTER))
    child = child_of(server, run)
    kubelet.perform(child, "charge", {"id": "r-1"})
    kubelet.perform(child, "book", {})
    assert verdict(server, child) == ("True", "Succeeded")
    other = start(server, pay)  # a run of its own is deleted meanwhile
    kubelet.perform(other, "charge", {"id": "r-2"})
    kubelet.perform(other, "book", {})
    await_value(lambda: server.run("get", "wfr", other).returncode != 0, "it is deleted")

    assert children(server, run) == [child]
    kubelet.perform(run, "after", {})
    assert verdict(server, run) == ("True", "Succeeded")
    server.kubectl("delete", "wfr", run)
    await_value(lambda: server.run("get", "wfr", child).returncode != 0, "gone with its parent", 30)


@pytest.mark.usefixtures("operator")
def test_a_child_runs_the_revision_that_was_pinned_with_its_parent(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    """Also where nobody else needs it any more: it is not pruned."""
    run = start(server, flow(server, {"id": "first", "action": "act"}, call(pay)))
    pod = kubelet.await_pod(run, "first")
    named = server.get("wfr", run)["status"]["childRevisions"][pay]
    only = {"id": "only", "action": "act"}
    apply(server, "Workflow", pay, {"steps": [only], "revisionHistoryLimit": 1})
    other = start(server, pay)
    kubelet.perform(other, "only", {})
    assert verdict(server, other) == ("True", "Succeeded")
    kubelet.start(pod)
    kubelet.end(pod, {})
    kubelet.settle(pod)
    child = child_of(server, run)
    kubelet.perform(child, "charge", {"id": "r-1"})
    kubelet.perform(child, "book", {})

    assert verdict(server, run) == ("True", "Succeeded")
    assert server.get("wfr", child)["status"]["revisionName"] == named


@pytest.mark.usefixtures("operator")
def test_a_child_workflow_that_is_not_there_is_told_and_mended(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    late = f"late-{next(_numbers)}"
    name = flow(server, call(late))

    def ready() -> tuple[str, str]:
        row = condition(server, "wfl", name, "Ready")
        return row.get("status", ""), row.get("reason", "")

    await_value(lambda: ready() == ("False", "WorkflowNotFound"), "it is told")
    run = start(server, name)
    apply(server, "Workflow", late, pay_spec())
    await_value(lambda: ready()[0] == "True", "it is Ready")
    child = child_of(server, run)
    kubelet.perform(child, "charge", {"id": "r-1"})
    kubelet.perform(child, "book", {})
    assert verdict(server, run) == ("True", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_a_child_does_not_wait_for_the_place_of_its_own_parent(
    server: ApiServer, kubelet: Kubelet, pay: str
) -> None:
    again = f"again-{next(_numbers)}"
    deeper = {"input": {"n": "{{ trigger.body.n - 1 }}"}, "when": "{{ trigger.body.n > 0 }}"}
    last = {"id": "act", "action": "act", "onError": "Continue"}
    calls = {"id": "next", "workflow": again, "onError": "Continue", **deeper}
    apply(server, "Workflow", again, {"steps": [calls, last], "concurrency": {"max": 1}})
    run = start(server, again)
    child = child_of(server, run, "next")
    assert verdict(server, child) == ("False", "ConcurrencyDeadlock")
    said = condition(server, "wfr", child, "Succeeded")["message"]
    assert said == (
        f"at most 1 run goes on at once; now: {run}; they wait for this run, and it for them"
    )
    kubelet.perform(run, "act", {})
    assert verdict(server, run) == ("True", "CompletedWithErrors"), "it went on, with its place"
    assert jobs(server, child) == []
