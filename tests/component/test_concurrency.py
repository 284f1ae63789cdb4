"""Runs that share places, on a real API server: the operator as a process, the test plays nodes."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import API, apply, condition, jobs, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess
from workflow_do.api.concurrency import ConcurrencyPolicy
from workflow_do.engine.admission import Wish
from workflow_do.engine.facts import Run, parse_run
from workflow_do.runtime.admission import Admissions
from workflow_do.runtime.api import Api
from workflow_do.runtime.connection import connect
from workflow_do.runtime.store import Store

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
_numbers = itertools.count(1)


def define(server: ApiServer, **concurrency: Any) -> str:
    """A Workflow of one step with that `concurrency`; its name."""
    name = f"few-{next(_numbers)}"
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    steps = [{"id": "one", "action": "act"}]
    apply(server, "Workflow", name, {"steps": steps, "concurrency": concurrency})
    return name


def start(server: ApiServer, flow: str, body: Any = None) -> str:
    """Start a run; its name."""
    name = f"{flow}-{next(_numbers)}"
    spec = {"workflowName": flow, "trigger": {"body": body}}
    run = {"apiVersion": API, "kind": "WorkflowRun", "metadata": {"name": name}, "spec": spec}
    server.kubectl("create", "-f", "-", input=run)
    return name


def queued(server: ApiServer, run: str) -> str:
    """What the run says once it waits for a place."""

    def look() -> str | None:
        found = condition(server, "wfr", run, "Succeeded")
        return found["message"] if found.get("reason") == "Queued" else None

    return str(await_value(look, f"{run} is queued"))


def leases(server: ApiServer, flow: str) -> list[dict[str, Any]]:
    """The Leases of a Workflow's groups."""
    found: list[dict[str, Any]] = server.get("leases", "-l", f"workflow.do/workflow={flow}")[
        "items"
    ]
    return found


def one_after_the_other(server: ApiServer, kubelet: Kubelet, first: str, second: str) -> None:
    """The second has no Job before the first has ended."""
    pod = kubelet.await_pod(first, "one")
    assert jobs(server, second) == []
    kubelet.start(pod)
    kubelet.end(pod, {})
    kubelet.perform(second, "one", {})
    assert verdict(server, second) == ("True", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_one_after_the_other_the_oldest_first(server: ApiServer, kubelet: Kubelet) -> None:
    flow = define(server)
    first = start(server, flow)
    pod = kubelet.await_pod(first, "one")
    second = start(server, flow)
    assert queued(server, second) == f"at most 1 run goes on at once; now: {first}"
    third = start(server, flow)
    queued(server, third)
    [lease] = leases(server, flow)
    assert lease["spec"]["holderIdentity"] == first
    kubelet.start(pod)
    kubelet.end(pod, {})
    assert verdict(server, first) == ("True", "Succeeded")
    one_after_the_other(server, kubelet, second, third)
    await_value(lambda: leases(server, flow) == [], "nobody holds a place any more")


@pytest.mark.usefixtures("operator")
def test_only_runs_of_one_key_share_places(server: ApiServer, kubelet: Kubelet) -> None:
    flow = define(server, key="{{ trigger.body.customer }}")
    first = start(server, flow, {"customer": "a"})
    kubelet.await_pod(first, "one")
    again = start(server, flow, {"customer": "a"})
    assert "with the key 'a'" in queued(server, again)
    other = start(server, flow, {"customer": "b"})
    kubelet.await_pod(other, "one")
    broken = start(server, flow, {})
    assert verdict(server, broken) == ("False", "InvalidTemplate")


@pytest.mark.usefixtures("operator")
def test_forbid_refuses_what_has_no_room(server: ApiServer, kubelet: Kubelet) -> None:
    flow = define(server, policy="Forbid")
    first = start(server, flow)
    kubelet.await_pod(first, "one")
    second = start(server, flow)
    assert verdict(server, second) == ("False", "ConcurrencyForbidden")
    assert first in condition(server, "wfr", second, "Succeeded")["message"]
    assert jobs(server, second) == []


@pytest.mark.usefixtures("operator")
def test_replace_cancels_the_older_one(server: ApiServer, kubelet: Kubelet) -> None:
    flow = define(server, policy="Replace")
    first = start(server, flow)
    pod = kubelet.await_pod(first, "one")
    kubelet.start(pod)
    second = start(server, flow)
    queued(server, second)
    assert server.get("wfr", first)["spec"]["desiredState"] == "Cancelled"
    assert jobs(server, second) == [], "not before the other has ended"
    kubelet.end(pod, exit_code=143)
    kubelet.settle(pod, failed=True, reason="DeadlineExceeded")
    assert verdict(server, first) == ("False", "Cancelled")
    kubelet.perform(second, "one", {})
    assert verdict(server, second) == ("True", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_one_that_is_cancelled_while_it_waits_leaves_the_line(
    server: ApiServer, kubelet: Kubelet
) -> None:
    flow = define(server)
    first = start(server, flow)
    kubelet.await_pod(first, "one")
    second, third = start(server, flow), start(server, flow)
    queued(server, second)
    queued(server, third)
    patch = json.dumps({"spec": {"desiredState": "Cancelled"}})
    server.kubectl("patch", "wfr", second, "--type=merge", "-p", patch)
    assert verdict(server, second) == ("False", "Cancelled")
    server.kubectl("delete", "wfr", first)
    kubelet.perform(third, "one", {})
    assert verdict(server, third) == ("True", "Succeeded")


def test_killed_or_without_its_lease_a_holder_keeps_its_place(
    server: ApiServer, kubelet: Kubelet, operator: OperatorProcess
) -> None:
    flow = define(server)
    first = start(server, flow)
    pod = kubelet.await_pod(first, "one")
    second = start(server, flow)
    queued(server, second)
    operator.stop(signal.SIGKILL)
    [lease] = leases(server, flow)
    server.kubectl("delete", "lease", lease["metadata"]["name"])
    operator.start()
    third = start(server, flow)
    queued(server, third)
    assert jobs(server, second) == []
    kubelet.start(pod)
    kubelet.end(pod, {})
    one_after_the_other(server, kubelet, second, third)


def test_two_operators_that_decide_at_once_give_no_place_twice(server: ApiServer) -> None:
    """Neither knows anything of the other but the Lease."""
    flow, most = f"few-{next(_numbers)}", 3
    runs = [_run(server, start(server, flow)) for _ in range(16)]
    wish = Wish("", ConcurrencyPolicy.QUEUE, most)

    async def decide() -> list[str]:
        link = connect({"KUBECONFIG": str(server.kubeconfig)})
        async with Api(link.server, link.session(limit=0)) as api:
            both = [Admissions(api, Store(), lambda _key: None) for _ in range(2)]
            works = [asyncio.create_task(one.queue.run()) for one in both]
            for at, run in enumerate(runs):
                both[at % 2].ask(run, wish)
            for _ in range(100):
                standings = [both[at % 2].ask(run, wish) for at, run in enumerate(runs)]
                if all(s.behind or s.granted for s in standings):
                    break
                await asyncio.sleep(0.1)
            for work in works:
                work.cancel()
            return [r.name for r, s in zip(runs, standings, strict=True) if s.granted]

    granted = asyncio.run(decide())
    assert len(granted) == most
    [lease] = leases(server, flow)
    held = json.loads(lease["metadata"]["annotations"]["workflow.do/holders"])
    assert sorted(h["run"] for h in held) == sorted(granted)


def _run(server: ApiServer, name: str) -> Run:
    found = parse_run(server.get("wfr", name))
    assert isinstance(found, Run)
    return found
