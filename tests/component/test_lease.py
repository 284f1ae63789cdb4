"""Two operators over one namespace: who goes on when the other is killed, stopped or frozen.

Times are counted from the event to the Pod of the next step, which comes after its Job: an upper
bound of the time to the operator's next POST.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, jobs, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
KILLED_SECONDS = 8
STOPPED_SECONDS = 2


class Pair:
    """Two operators; the first leads to begin with."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.leader, self.other = (
            OperatorProcess(
                server.kubeconfig, server.namespace, folder / f"{pod}.log", {"POD_NAME": pod}
            )
            for pod in ("first", "second")
        )

    def start(self) -> None:
        self.leader.start()
        self.other.start(ready=False)
        self.other.await_role("standby")

    def close(self) -> None:
        """End both; cleanly, so that the next pair need not wait for this one's lease."""
        for process in (self.other, self.leader):
            if process.runs():
                process.stop(seconds=5)

    def lease(self) -> dict[str, Any]:
        """The Lease that both compete for."""
        found = self.server.within("default").get("lease", f"operator-of-{self.server.namespace}")
        spec: dict[str, Any] = found["spec"]
        return spec


@pytest.fixture
def pair(server: ApiServer, tmp_path: Path) -> Iterator[Pair]:
    """Two operators that run, and a Workflow `flow` of two steps."""
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    steps = [{"id": "one", "action": "act"}, {"id": "two", "action": "act"}]
    apply(server, "Workflow", "flow", {"steps": steps})
    made = Pair(server, tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_the_other_stands_by_and_says_who_leads(pair: Pair) -> None:
    assert pair.leader.ask("readyz") == "leading\n"
    assert pair.lease()["holderIdentity"].startswith("first_")
    assert pair.other.ask("readyz") == f"standby; {pair.lease()['holderIdentity']} leads\n"
    assert pair.leader.healthy()
    assert pair.other.healthy()
    assert "standing by" in pair.other.text()
    assert "running" not in pair.other.text(), "it watches nothing"


@pytest.mark.parametrize("turn", range(3))
def test_after_a_kill_the_other_goes_on_within_8_seconds(
    server: ApiServer, kubelet: Kubelet, pair: Pair, turn: int
) -> None:
    run = start(server, "flow")
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    pair.leader.kill()
    killed = time.monotonic()
    kubelet.end(pod, {})
    kubelet.await_pod(run, "two", timeout=KILLED_SECONDS)
    took = time.monotonic() - killed
    print(f"next Job {took:.2f} s after the kill")
    assert took <= KILLED_SECONDS
    assert pair.lease()["holderIdentity"].startswith("second_")
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert jobs(server, run) == ["do/one/1", "do/two/1"]


@pytest.mark.parametrize("turn", range(3))
def test_after_a_clean_stop_the_other_goes_on_within_2_seconds(
    server: ApiServer, kubelet: Kubelet, pair: Pair, turn: int
) -> None:
    run = start(server, "flow")
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    stopped = time.monotonic()
    pair.leader.terminate()
    kubelet.end(pod, {})
    kubelet.await_pod(run, "two", timeout=STOPPED_SECONDS)
    took = time.monotonic() - stopped
    print(f"next Job {took:.2f} s after the stop")
    assert took <= STOPPED_SECONDS
    assert pair.leader.wait() == 0
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert jobs(server, run) == ["do/one/1", "do/two/1"]


def test_one_that_stands_by_stops_at_once_and_leaves_the_lease_alone(pair: Pair) -> None:
    before = pair.lease()
    assert pair.other.stop() == 0
    assert pair.lease()["holderIdentity"] == before["holderIdentity"]
    assert pair.leader.ask("readyz") == "leading\n"


def test_a_leader_frozen_past_its_lease_and_woken_does_no_harm(
    server: ApiServer, kubelet: Kubelet, pair: Pair
) -> None:
    """What it would do from old news is visible: the Jobs it would make again are gone by then."""
    runs = [start(server, "flow") for _ in range(10)]
    pods = [kubelet.await_pod(run, "one") for run in runs]
    for pod in pods:
        kubelet.start(pod)
    pair.leader.freeze()
    for pod in pods:
        kubelet.end(pod, {})  # it will hear of this when it wakes
    pair.other.await_role("leading", 10)
    for run in runs:
        kubelet.perform(run, "two", {})
    assert [verdict(server, run) for run in runs] == [("True", "Succeeded")] * len(runs)
    server.kubectl("delete", "jobs", "-l", "workflow.do/step=two", "--wait=true")
    before = [server.get("wfr", run)["metadata"]["resourceVersion"] for run in runs]

    pair.leader.thaw()
    assert pair.leader.wait() == 1
    assert "has lost the lease" in pair.leader.text()
    assert [jobs(server, run) for run in runs] == [["do/one/1"]] * len(runs)
    assert [server.get("wfr", run)["metadata"]["resourceVersion"] for run in runs] == before
    assert pair.other.ask("readyz") == "leading\n"


def test_the_next_life_of_the_same_container_goes_on_at_once(
    server: ApiServer, kubelet: Kubelet, pair: Pair
) -> None:
    """As with one replica: the kubelet starts the container again under the Pod's name."""
    pair.other.stop()
    run = start(server, "flow")
    pod = kubelet.await_pod(run, "one")
    kubelet.start(pod)
    pair.leader.kill()
    kubelet.end(pod, {})
    pair.leader.start()
    assert "standing by" not in pair.leader.text(), "it did not wait for its own lease to run out"
    kubelet.perform(run, "two", {})
    assert verdict(server, run) == ("True", "Succeeded")
    assert jobs(server, run) == ["do/one/1", "do/two/1"]


def test_a_lease_deleted_by_hand_is_made_again(server: ApiServer, pair: Pair) -> None:
    name = f"operator-of-{server.namespace}"
    server.within("default").kubectl("delete", "lease", name)
    assert pair.leader.wait() == 1
    await_value(lambda: pair.other.ask("readyz") == "leading\n", "the other leads", 10)
