"""Nodes that are drained, deleted, out of service or silent, simulated on a whole cluster.

Every run is started, then all nodes are struck at once; each test looks at what became of its own.
For every node that is struck there is another one later, where a second try ends well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from component.server import COLD_BUILD_SECONDS, ApiServer, program, tool
from support.audit import jobs_created
from support.bench import condition, record, step, verdict, workflow
from support.kubelet import await_value
from support.operator import operating
from support.plane import define
from support.simulated import Raw, SimulatedNode, action
from workflow_do.api import names

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(COLD_BUILD_SECONDS + 600)]
CLUSTER = f"wdo-nodes-{os.getpid()}"
NAMESPACE = "struck"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
DEADLINE, GRACE, SLACK = 130, 1, 30
"""The deadline of a try, its grace, and what the kubelet is allowed after both, in seconds."""
SHOWS = 60
"""Seconds after a Pod should have ended, when its node shows as lost."""


@dataclass(frozen=True, slots=True)
class Case:
    """What befalls the node of a program, and what must become of the step."""

    fault: str
    does: str
    safety: str
    state: str
    reason: str | None
    tries: int
    attempts: int

    @property
    def name(self) -> str:
        """Of the run, the Workflow and the Action."""
        return f"{self.fault}-{self.does}-{self.safety.lower()}"


def unknown(fault: str, does: str, reason: str) -> Case:
    """Nobody knows what it did, so it is not tried again."""
    return Case(fault, does, "NotIdempotent", "Unknown", reason, 1, 1)


def again(fault: str, does: str) -> Case:
    """It may have begun, but is safe to do twice: tried again, and charged for."""
    return Case(fault, does, "Idempotent", "Succeeded", None, 2, 2)


def free(fault: str) -> Case:
    """It surely never began: tried again, free of charge."""
    return Case(fault, "waits", "NotIdempotent", "Succeeded", None, 2, 1)


CASES = [
    unknown("drained", "works", "Evicted"),
    again("drained", "works"),
    free("drained"),
    unknown("deleted", "works", "NodeLost"),
    again("deleted", "works"),
    unknown("deleted", "waits", "NodeLost"),
    unknown("out-of-service", "works", "NodeLost"),
    again("out-of-service", "works"),
    unknown("out-of-service", "waits", "NodeLost"),
    unknown("silent", "works", "NodeLost"),
    again("silent", "works"),
    unknown("silent", "waits", "NodeLost"),
    unknown("silent-and-back", "works", "Evicted"),
    again("silent-and-back", "works"),
    free("silent-and-back"),
]
FAULTS = tuple(dict.fromkeys(case.fault for case in CASES))


class Field:
    """A cluster with simulated nodes, the operator outside of it, and a run for each case."""

    def __init__(self, server: ApiServer, audit_log: Path, folder: Path) -> None:
        self.server = server
        self.audit_log = audit_log
        self.nodes: dict[str, SimulatedNode] = {}
        self._folder = folder

    def add_nodes(self, stack: ExitStack, generation: int) -> None:
        """A node for each fault; the newest is the one that is struck."""
        for fault in FAULTS:
            node = SimulatedNode(self.server, f"{fault}-{generation}", fault, self._folder)
            stack.callback(node.close)
            node.start()
            self.nodes[fault] = node

    def begin(self) -> None:
        """Start every run, and return when the container of each is where it should be."""
        for case in CASES:
            spec = {
                "retry": {"maxAttempts": 2, "initialDelaySeconds": 1},
                "retrySafety": case.safety,
                "activeDeadlineSeconds": DEADLINE,
                "startDeadlineSeconds": DEADLINE,
                "terminationGracePeriodSeconds": GRACE,
            }
            run = {
                "apiVersion": "workflow.do/v1alpha1",
                "kind": "WorkflowRun",
                "metadata": {"name": case.name},
                "spec": {"workflowName": case.name, "trigger": {"type": "api"}},
            }
            made = [action(case.name, case.does, case.fault, **spec), workflow(case.name, it(case))]
            items = {"apiVersion": "v1", "kind": "List", "items": [*made, run]}
            self.server.kubectl("apply", "-f", "-", input=items)
        for case in CASES:
            state = "running" if case.does == "works" else "waiting"
            await_value(lambda c=case, s=state: s in self.container(c), case.name, 30)

    def strike(self) -> None:
        """Everything at once."""
        for fault in ("out-of-service", "silent", "silent-and-back"):
            self.nodes[fault].fall_silent()
        self.server.kubectl("delete", "node", self.nodes["deleted"].name)
        self.server.kubectl("taint", "node", self.nodes["out-of-service"].name, OUT_OF_SERVICE)
        drain = ("--force", "--ignore-daemonsets", "--timeout=50s")
        self.server.kubectl("drain", self.nodes["drained"].name, *drain)

    def run(self, case: Case) -> Raw:
        """The run of a case as it stands."""
        found: Raw = self.server.get(f"workflowruns.workflow.do/{case.name}")
        return found

    def step(self, case: Case) -> Raw:
        """What is on record of its step."""
        return record(self.run(case), "it")

    def finish(self, case: Case, seconds: float) -> Raw:
        """The run once it is completed."""
        found: Raw = await_value(
            lambda: completed(self.run(case)), f"{case.name} is completed", seconds
        )
        return found

    def pod(self, case: Case) -> Raw:
        """The Pod of its first try."""
        first = f"{names.LABEL_RUN}={case.name},{names.LABEL_TRY}=1"
        rows = self.server.get("pods", "-l", first)["items"]
        return rows[0] if rows else {}

    def container(self, case: Case) -> Raw:
        """The state of that Pod's container."""
        rows = self.pod(case).get("status", {}).get("containerStatuses") or [{}]
        state: Raw = rows[0].get("state", {})
        return state


def it(case: Case) -> Raw:
    """The one step."""
    return step("it", case.name)


def completed(run: Raw) -> Raw | None:
    """The run, if it is."""
    return run if condition(run, "Completed").get("status") == "True" else None


def moment(text: Any) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(str(text))


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """The cluster after the strike."""
    folder = tmp_path_factory.mktemp("nodes")
    kubeconfig = folder / "kubeconfig"
    create = ("create", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)
    try:
        tool(*create, seconds=COLD_BUILD_SECONDS)
        server = ApiServer(kubeconfig, program("kubectl"), NAMESPACE)
        define(server)
        server.kubectl("create", "namespace", NAMESPACE)
        audit_log = Path(tool("path", "--name", CLUSTER, "audit-log"))
        made = Field(server, audit_log, folder)
        log = folder / "operator.log"
        with ExitStack() as stack, operating(kubeconfig, NAMESPACE, log) as operator:
            made.add_nodes(stack, 1)
            made.begin()
            made.strike()
            struck = dict(made.nodes)
            made.add_nodes(stack, 2)
            made.nodes = struck
            yield made
            assert operator.runs()
    finally:
        tool("delete", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)


@pytest.mark.parametrize("does", ["works", "waits"])
def test_a_silent_node_shows_60_seconds_after_its_pod_should_have_ended(
    field: Field, does: str
) -> None:
    """And there is no verdict then, and no other try: its program may still run."""
    case = unknown("silent", does, "NodeLost")
    asked = await_value(
        lambda: field.pod(case)["metadata"].get("deletionTimestamp"), "its Pod is deleted", 100
    )
    await_value(
        lambda: field.step(case).get("reason") == "NodeLost", f"{case.name}: NodeLost", SHOWS + 60
    )
    late = (datetime.now(UTC) - moment(asked)).total_seconds() - SHOWS
    print(f"{case.name}: NodeLost shows {late:.1f} s after the {SHOWS}")
    assert 0 <= late < 10
    found = field.step(case)
    assert (found["state"], found["tries"]) == ("Running", 1)


def test_a_node_that_comes_back_in_time_tells_what_became_of_its_pods(field: Field) -> None:
    cases = [case for case in CASES if case.fault == "silent-and-back"]
    for case in cases:
        what = f"{case.name}: NodeLost"
        await_value(lambda c=case: field.step(c).get("reason") == "NodeLost", what, SHOWS + 120)
    node = field.nodes["silent-and-back"]
    # Another try on it would be evicted as well, until it is seen that the node answers again.
    field.server.kubectl("cordon", node.name)
    node.come_back()
    for case in cases:
        assert_ended(field, case, 30)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.fault != "silent-and-back"], ids=lambda c: c.name
)
def test_what_becomes_of_a_step_whose_node_is_struck(field: Field, case: Case) -> None:
    assert_ended(field, case, DEADLINE + GRACE + SLACK + 60)


@pytest.mark.parametrize("case", [c for c in CASES if c.fault == "silent"], ids=lambda c: c.name)
def test_a_silent_node_is_given_its_whole_time_before_the_verdict(field: Field, case: Case) -> None:
    """The Pod itself is still there: its start, and what may have run until when."""
    run = field.finish(case, DEADLINE + GRACE + SLACK + 60)
    began = moment(field.pod(case)["status"]["startTime"])
    jobs = field.server.get("jobs", "-l", f"{names.LABEL_RUN}={case.name}")["items"]
    later = [moment(job["metadata"]["creationTimestamp"]) for job in jobs]
    judged = max(later) if case.tries > 1 else moment(run["status"]["completionTime"])
    given = (judged - began).total_seconds()
    print(f"{case.name}: judged {given:.0f} s after it began")
    assert given >= DEADLINE + GRACE + SLACK
    assert len(jobs) == case.tries


def test_no_job_was_made_twice(field: Field) -> None:
    for case in CASES:
        field.finish(case, DEADLINE + GRACE + SLACK + 60)
    made = jobs_created(field.audit_log)
    assert set(made.values()) == {1}
    assert len(made) == sum(case.tries for case in CASES)


def assert_ended(field: Field, case: Case, seconds: float) -> None:
    """The run ended as the case says."""
    run = field.finish(case, seconds)
    found = record(run, "it")
    assert (found["state"], found.get("reason")) == (case.state, case.reason), found
    assert (found["tries"], found["attempts"]) == (case.tries, case.attempts)
    good = case.state == "Succeeded"
    assert verdict(run) == (("True", "Succeeded") if good else ("False", case.reason))
