"""The end of life on a real API server: the operator as a process, the test plays the kubelet."""

from __future__ import annotations

import itertools
import signal
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import apply, jobs, start, verdict
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess
from workflow_do.api import names

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
_numbers = itertools.count(1)
SOON = 8.0
"""Seconds within which something that is due must have happened."""


@pytest.fixture
def flow(server: ApiServer) -> str:
    """The name for a Workflow of the test's own; its Action is there."""
    apply(server, "Action", "act", {"image": "example.com/x:1"})
    return f"keep-{next(_numbers)}"


def define(server: ApiServer, flow: str, *, text: str = "", **spec: Any) -> None:
    """The Workflow of one step; another `text` is another revision."""
    step = {"id": "one", "action": "act", "input": {"text": text}}
    apply(server, "Workflow", flow, {"steps": [step], **spec})


def finish(server: ApiServer, kubelet: Kubelet, flow: str, *, code: int = 0) -> str:
    """A run from its start to its end; its name."""
    run = start(server, flow)
    kubelet.perform(run, "one", {}, exit_code=code)
    assert verdict(server, run)[0] == ("True" if code == 0 else "False")
    return str(run)


def marked(server: ApiServer, run: str) -> bool:
    notes: dict[str, str] = server.get("wfr", run)["metadata"].get("annotations", {})
    return names.ANNOTATION_JOBS_DELETED in notes


def there(server: ApiServer, kind: str, flow: str) -> list[str]:
    """The names of the runs or revisions of a Workflow, oldest first."""
    found = server.get(kind, "--field-selector", f"spec.workflowName={flow}")["items"]
    found.sort(key=lambda o: (o["metadata"]["creationTimestamp"], o["spec"].get("revision", 0)))
    return [o["metadata"]["name"] for o in found]


def gone(server: ApiServer, run: str) -> bool:
    return server.run("get", "wfr", run).returncode != 0


@pytest.mark.usefixtures("operator")
def test_jobs_and_pods_go_after_their_time_and_the_run_stays(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    define(server, flow, jobRetentionSeconds=3)
    run = finish(server, kubelet, flow)
    assert jobs(server, run) == ["do/one/1"], "not at once"
    before = server.get("wfr", run)
    await_value(lambda: marked(server, run), "its Jobs are deleted", SOON)
    assert jobs(server, run) == []
    await_value(lambda: kubelet.pods(run) == [], "its Pods are collected", 30)
    after = server.get("wfr", run)
    assert after["status"] == before["status"]
    assert after["spec"] == before["spec"]


@pytest.mark.usefixtures("operator")
def test_a_live_run_keeps_its_jobs(server: ApiServer, kubelet: Kubelet, flow: str) -> None:
    define(
        server,
        flow,
        jobRetentionSeconds=0,
        ttlSecondsAfterFinished=0,
        successfulRunsHistoryLimit=0,
        failedRunsHistoryLimit=0,
    )
    live = start(server, flow)
    pod = kubelet.await_pod(live, "one")
    kubelet.start(pod)
    other = start(server, flow)
    kubelet.perform(other, "one", {})
    await_value(lambda: gone(server, other), "the other run goes at once", 30)
    assert jobs(server, live) == ["do/one/1"]
    kubelet.end(pod, {})
    await_value(lambda: gone(server, live), "it goes when it has ended", SOON)
    await_value(lambda: jobs(server, live) == [], "its Jobs are collected", 40)


@pytest.mark.usefixtures("operator")
def test_a_run_goes_after_its_time_whenever_the_workflow_says_so(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    """The live Workflow counts, not the one that the run began with; no new revision is made."""
    define(server, flow)
    run = finish(server, kubelet, flow, code=1)
    define(server, flow, ttlSecondsAfterFinished=2)
    await_value(lambda: gone(server, run), "the run is deleted", SOON)
    again = finish(server, kubelet, flow)
    assert len(there(server, "wfv", flow)) == 1
    await_value(lambda: gone(server, again), "the next one, too", SOON)


@pytest.mark.usefixtures("operator")
def test_the_last_runs_of_each_verdict_are_kept(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    define(server, flow, successfulRunsHistoryLimit=1, failedRunsHistoryLimit=2)
    bad = [finish(server, kubelet, flow, code=1) for _ in range(3)]
    good = [finish(server, kubelet, flow) for _ in range(2)]
    kept = {*bad[-2:], good[-1]}
    await_value(lambda: set(there(server, "wfr", flow)) == kept, "the rest goes", SOON)


@pytest.mark.usefixtures("operator")
def test_revisions_are_pruned_but_never_one_that_is_used(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    policy = {"revisionHistoryLimit": 1, "successfulRunsHistoryLimit": 2}
    define(server, flow, text="a", **policy)
    live = start(server, flow)
    kubelet.await_pod(live, "one")
    [of_live] = there(server, "wfv", flow)
    pinned = []
    for text in "bcd":
        define(server, flow, text=text, **policy)
        run = finish(server, kubelet, flow)
        pinned.append(server.get("wfr", run)["status"]["revisionName"])
    kept = {of_live, *pinned[1:]}
    await_value(lambda: set(there(server, "wfv", flow)) == kept, "only that of `b` goes", SOON)
    kubelet.perform(live, "one", {})
    assert verdict(server, live) == ("True", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_of_a_workflow_that_is_gone_only_named_revisions_stay(
    server: ApiServer, kubelet: Kubelet, flow: str
) -> None:
    define(server, flow)
    run = finish(server, kubelet, flow)
    server.kubectl("delete", "wfl", flow)
    apply(server, "Workflow", "another", {"steps": [{"id": "one", "action": "act"}]})
    other = finish(server, kubelet, "another")
    assert not gone(server, run)
    assert len(there(server, "wfv", flow)) == 1, "the run names it"
    server.kubectl("delete", "wfr", run)
    await_value(lambda: there(server, "wfv", flow) == [], "nobody can use it any more", SOON)
    assert len(there(server, "wfv", "another")) == 1
    assert not gone(server, other)


def test_what_became_due_while_nobody_was_there_is_done_at_the_start_and_once(
    server: ApiServer, kubelet: Kubelet, flow: str, operator: OperatorProcess
) -> None:
    define(server, flow, jobRetentionSeconds=1)
    first = finish(server, kubelet, flow)
    await_value(lambda: marked(server, first), "the first one's Jobs are deleted", SOON)
    second = finish(server, kubelet, flow)
    operator.stop(signal.SIGKILL)
    define(server, flow, text="changed", jobRetentionSeconds=1)
    before = server.get("wfr", first)["metadata"]["resourceVersion"]
    operator.start()
    await_value(lambda: marked(server, second), "so are the second one's", SOON)
    assert jobs(server, second) == []
    assert server.get("wfr", first)["metadata"]["resourceVersion"] == before, "not done again"
    define(server, flow, text="changed", ttlSecondsAfterFinished=1)
    await_value(lambda: there(server, "wfr", flow) == [], "the runs themselves", SOON)


def test_revisions_without_run_and_workflow_are_found_at_the_start(
    server: ApiServer, kubelet: Kubelet, flow: str, operator: OperatorProcess
) -> None:
    define(server, flow)
    run = finish(server, kubelet, flow)
    operator.stop(signal.SIGKILL)
    server.kubectl("delete", "wfl", flow)
    server.kubectl("delete", "wfr", run)
    assert len(there(server, "wfv", flow)) == 1
    operator.start()
    await_value(lambda: there(server, "wfv", flow) == [], "it is pruned", SOON)
