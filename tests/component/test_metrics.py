"""What /metrics tells of an operator that has run workflows on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from component.server import ApiServer
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
API = "workflow.do/v1alpha1"


@pytest.fixture
def operator(server: ApiServer, tmp_path: Path) -> Iterator[OperatorProcess]:
    """A running operator of the module's namespace."""
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log") as process:
        yield process


def scrape(operator: OperatorProcess) -> dict[tuple[str, ...], float]:
    """Every sample: its name and the values of its labels, by their names → its value."""
    families = text_string_to_metric_families(operator.ask("metrics"))
    return {
        (sample.name.removeprefix("workflow_do_"), *_values(sample.labels)): sample.value
        for family in families
        for sample in family.samples
    }


def _values(labels: dict[str, str]) -> list[str]:
    return [labels[name] for name in sorted(labels)]


def start(server: ApiServer, name: str) -> None:
    spec = {"workflowName": "flow", "trigger": {"type": "api"}}
    body = {"apiVersion": API, "kind": "WorkflowRun", "metadata": {"name": name}, "spec": spec}
    server.kubectl("create", "-f", "-", input=body)


def finish(server: ApiServer, name: str) -> None:
    run = f"workflowruns.workflow.do/{name}"
    server.kubectl("wait", "--for=condition=Completed", run, "--timeout=20s")


def test_the_numbers_of_two_runs(server: ApiServer, operator: OperatorProcess) -> None:
    steps = [{"id": id_, "action": "work"} for id_ in ("one", "two", "three")]
    for kind, name, spec in (
        ("Action", "work", {"image": "example.com/x:1"}),
        ("Workflow", "flow", {"steps": steps}),
    ):
        meta = {"name": name}
        body = {"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec}
        server.kubectl("apply", "-f", "-", input=body)
    kubelet = Kubelet(str(server.kubeconfig), server.namespace)
    start(server, "good")
    for id_ in ("one", "two", "three"):
        kubelet.perform("good", id_)
    finish(server, "good")
    start(server, "bad")
    kubelet.perform("bad", "one")
    kubelet.perform("bad", "two", exit_code=3)
    finish(server, "bad")
    await_value(lambda: scrape(operator).get(("queue_depth",)) == 0, "an empty queue")
    found = scrape(operator)
    assert found["leader",] == 1
    assert (found["runs_total", "Succeeded"], found["runs_total", "ExitCode"]) == (1, 1)
    assert (found["steps_total", "Succeeded"], found["steps_total", "Failed"]) == (4, 1)
    assert found["api_requests_total", "201", "POST"] >= 5
    assert found["api_requests_total", "200", "PATCH"] >= 5
    assert found["loop_lag_seconds_count",] > 0
    assert 0 < found["process_resident_memory_bytes",] < 500e6
    # Two Jobs followed a container's end in the first run, one in the second.
    parts = {p: found["next_job_seconds_sum", p] for p in ("queue", "decide", "api", "whole")}
    assert {found["next_job_seconds_count", part] for part in parts} == {3}
    assert parts["whole"] == pytest.approx(parts["queue"] + parts["decide"] + parts["api"])
    assert 0 < parts["whole"] < 3
