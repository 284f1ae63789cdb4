"""More work than Jobs may be live, on a real API server: the operator as a process, the test plays
the nodes of two namespaces.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from component.test_runtime import API, condition, jobs
from support.kubelet import Kubelet, await_value
from support.operator import OperatorProcess, noise, operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

LIMIT, TOTAL = 3, 8
WAITS = f"step one: Pending; waits for its turn: at most {LIMIT} Jobs are live at once"
LIMITED = {"WORKFLOW_DO_MAX_LIVE_JOBS": str(LIMIT), "WORKFLOW_DO_LEASE_NAME": "operator-of-both"}
_numbers = itertools.count(1)


@dataclass
class Side:
    """A namespace, its nodes, and its runs."""

    server: ApiServer
    kubelet: Kubelet
    runs: list[str] = field(default_factory=list)

    def start(self, count: int = 1, flow: str = "one") -> list[str]:
        """Start so many runs at once; their names."""
        names = [f"{flow}-{next(_numbers)}" for _ in range(count)]
        runs = [_object("WorkflowRun", name, workflowName=flow, trigger={}) for name in names]
        bundle = {"apiVersion": "v1", "kind": "List", "items": runs}
        self.server.kubectl("create", "-f", "-", input=bundle)
        self.runs += names
        return names

    def live(self) -> list[str]:
        """Runs with a Job whose program may run, in the order in which they were started."""
        begun, ended = set(), set()
        for row in self.server.get("jobs,pods")["items"]:
            run = row["metadata"]["labels"]["workflow.do/run"]
            begun.add(run)
            if row["status"].get("phase") in ("Succeeded", "Failed"):
                ended.add(run)
        return [run for run in self.runs if run in begun - ended]

    def finish(self, run: str) -> None:
        """The Pod of the run's one step runs and ends."""
        self.kubelet.perform(run, "one", {})

    def waits(self, run: str) -> bool:
        """Whether the run is in line, and says so."""
        found = condition(self.server, "wfr", run, "Succeeded")
        return (found.get("reason"), found.get("message")) == ("Queued", WAITS)

    def succeeded(self) -> int:
        rows = self.server.get("wfr")["items"]
        found = [c for row in rows for c in row.get("status", {}).get("conditions", ())]
        return sum(c["type"] == "Succeeded" and c["status"] == "True" for c in found)


def _object(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


DEFINITIONS = [
    _object("Action", "act", image="example.com/x:1"),
    _object("Action", "undoable", image="example.com/x:1", compensate={"action": "act"}),
    _object("Workflow", "one", steps=[{"id": "one", "action": "act"}]),
    _object(
        "Workflow",
        "undone",
        steps=[{"id": "one", "action": "undoable"}, {"id": "two", "action": "act"}],
    ),
]


@pytest.fixture
def sides(api_server: ApiServer) -> Iterator[tuple[Side, Side]]:
    """Two namespaces, each with a Workflow `one` of one step, and one that has to undo it."""
    made = []
    for _ in range(2):
        name = f"crowd-{uuid.uuid4().hex[:10]}"
        api_server.kubectl("create", "namespace", name)
        server = api_server.within(name)
        bundle = {"apiVersion": "v1", "kind": "List", "items": DEFINITIONS}
        server.kubectl("apply", "-f", "-", input=bundle)
        made.append(Side(server, Kubelet(str(server.kubeconfig), name)))
    yield made[0], made[1]
    for side in made:
        api_server.kubectl("delete", "namespace", side.server.namespace, "--wait=false")


@pytest.fixture
def limited(sides: tuple[Side, Side], tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator of both, with a limit. It must make no noise."""
    both = ",".join(side.server.namespace for side in sides)
    with operating(sides[0].server.kubeconfig, both, tmp_path / "log", LIMITED) as process:
        yield process
    assert noise(process) == []


def gauge(process: OperatorProcess, name: str) -> float:
    rows = process.ask("metrics").splitlines()
    return float(next(row for row in rows if row.startswith(f"workflow_do_{name} ")).split()[1])


def test_namespaces_take_turns_and_a_restart_forgets_nobody(
    sides: tuple[Side, Side], limited: OperatorProcess
) -> None:
    crowd, other = sides
    crowd.start(6)
    await_value(lambda: len(crowd.live()) == LIMIT, "as many as may are live")
    await_value(
        lambda: all(map(crowd.waits, set(crowd.runs) - set(crowd.live()))), "all others wait"
    )
    pair = other.start(2)
    await_value(lambda: all(map(other.waits, pair)), "the others wait, too")
    assert (gauge(limited, "live_jobs"), gauge(limited, "waiting_jobs")) == (LIMIT, 5)
    assert (len(crowd.live()), other.live()) == (LIMIT, [])

    ended = 0

    def end_one(side: Side) -> None:
        """One ends, and one that waits takes its place, if there is any."""
        nonlocal ended
        side.finish(side.live()[0])
        ended += 1
        left = min(LIMIT, TOTAL - ended)
        await_value(lambda: len(crowd.live()) + len(other.live()) == left, f"{left} are live")

    end_one(crowd)
    end_one(crowd)
    assert len(other.live()) == 1, "the second place that was free is the other namespace's"
    limited.kill()
    crowd.finish(crowd.live()[0])
    ended += 1
    limited.start()
    await_value(lambda: len(crowd.live()) + len(other.live()) == LIMIT, "nobody is forgotten")
    while ended < TOTAL:
        end_one(crowd if crowd.live() else other)
    await_value(lambda: crowd.succeeded() + other.succeeded() == TOTAL, "all have succeeded")
    assert (gauge(limited, "live_jobs"), gauge(limited, "waiting_jobs")) == (0, 0)


def test_an_undo_stands_behind_nobody(sides: tuple[Side, Side], limited: OperatorProcess) -> None:
    crowd, other = sides
    [failing] = other.start(flow="undone")
    other.finish(failing)
    other.kubelet.await_pod(failing, "two")
    crowd.start(4)
    await_value(lambda: sum(map(crowd.waits, crowd.runs)) == 2, "the crowd waits")
    other.kubelet.perform(failing, "two", exit_code=1)
    await_value(lambda: len(crowd.live()) == LIMIT, "the place of the step that failed is taken")
    other.kubelet.await_pod(failing, "one", role="undo")
    assert jobs(other.server, failing) == ["do/one/1", "do/two/1", "undo/one/1"]
    assert len(crowd.live()) == LIMIT, "and nobody had to end for it"
