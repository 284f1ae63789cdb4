"""The place of the benchmark: a cluster of its own with the operator, a client and fake nodes.

Brings it up, runs the client in its Pod and cleans up after each measurement. Decides nothing
about what is measured.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack import deploy
from hack.bench import audit, objects
from hack.bench.objects import CLIENT, NAMESPACE
from hack.bench.process import Process
from hack.deploy import KIND, SYSTEM_NAMESPACE, Cluster, Failed

Raw = dict[str, Any]
HERE = Path(__file__).parent
NODES = 10
_CLEAN_SECONDS = 180
_FEW_EVENTS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """What the client measured, in seconds: in all, its own CPU time, each run, and gaps (of the
    bare way only).
    """

    seconds: float
    cpu: float
    runs: list[float]
    gaps: list[float]


@dataclass
class Site:
    """A cluster that is ready to be measured."""

    cluster: Cluster
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _workflows: set[str] = field(default_factory=set)

    def bare(self, place: str, runs: int, steps: int, seconds: int = 300) -> Timing:
        """Time Jobs chained by the client."""
        return self._client("bare", runs, seconds, steps=steps, job=objects.job_spec(place))

    def ours(self, place: str, runs: int, steps: int, seconds: int = 300) -> Timing:
        """Time WorkflowRuns."""
        self.define(place, steps)
        name = objects.workflow_name(place, steps)
        return self._client("runs", runs, seconds, steps=steps, workflow=name)

    def define(self, action: str, steps: int) -> None:
        """Make the Workflow of so many steps, unless it is there."""
        name = objects.workflow_name(action, steps)
        if name not in self._workflows:
            self.apply(objects.workflow(action, steps))
            ready = f"workflows.workflow.do/{name}"
            self.kubectl("wait", "--for=condition=Ready", ready, "--timeout=30s")
            self._workflows.add(name)

    def tag(self) -> str:
        """A name for what belongs together, new each time."""
        return f"b{next(self._numbers)}"

    def clean(self) -> None:
        """Delete all runs, Jobs and Pods of the measurement before, and see them gone."""
        self.kubectl("delete", "workflowruns.workflow.do", "--all", "--wait=false")
        self.kubectl("delete", "jobs", "--all", "--wait=false", "--cascade=background")
        self.until("Jobs and Pods are gone", lambda: not self.left(), _CLEAN_SECONDS)
        self.until("all Events are written down", self._is_quiet, _CLEAN_SECONDS)

    def _is_quiet(self) -> bool:
        """Whether no Events come any more: controllers write them at a limited rate, long after,
        and whatever is measured next would pay for them.
        """
        log = self.audit_log()
        mark = log.stat().st_size
        time.sleep(1.5)
        return audit.events(log, mark) < _FEW_EVENTS

    def left(self) -> int:
        """How many Jobs and Pods there are, but for the client."""
        rows = self.kubectl("get", "jobs,pods", "-o", "name").split()
        return len([row for row in rows if row != f"pod/{CLIENT}"])

    def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Return once it holds; Failed with what was awaited."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise Failed(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.5)

    def operator(self) -> Process:
        """The operator's process on this machine."""
        where = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/name=workflow-do")
        pods = json.loads(self.cluster.kubectl("get", "pods", *where, "-o", "json"))["items"]
        alive = [p["metadata"] for p in pods if "deletionTimestamp" not in p["metadata"]]
        if len(alive) != 1:
            raise Failed(f"there are {len(alive)} operators, not one")
        return Process.of_pod(alive[0]["uid"])

    def metrics(self) -> str:
        """The operator's metrics, in Prometheus' text format."""
        where = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/name=workflow-do")
        pod = self.cluster.kubectl("get", "pods", *where, "-o", "name").split("/")[-1].strip()
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/{pod}:8080/proxy/metrics"
        return self.cluster.kubectl("get", "--raw", path)

    def audit_log(self) -> Path:
        """The API server's own record of who did what."""
        assert self.cluster.name is not None
        return Path(deploy.run(KIND, "path", "--name", self.cluster.name, "audit-log").strip())

    def kubectl(self, *words: str | Path, stdin: str | None = None, limit: float = 150) -> str:
        """kubectl in the benchmark's namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, stdin=stdin, limit=limit)

    def apply(self, *things: Raw) -> None:
        """Apply objects."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(things)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(bundle))

    def start(self, action: str, runs: int) -> None:
        """Make runs of a single step, and do not wait for them."""
        self.define(action, 1)
        tag = self.tag()
        trigger = {"type": "api", "body": {}}
        spec = {"workflowName": objects.workflow_name(action, 1), "trigger": trigger}
        kind = {"apiVersion": "workflow.do/v1alpha1", "kind": "WorkflowRun"}
        rows = [
            {**kind, "metadata": {"name": f"{tag}-{n}", "namespace": NAMESPACE}, "spec": spec}
            for n in range(runs)
        ]
        bundle = {"apiVersion": "v1", "kind": "List", "items": rows}
        self.kubectl("create", "-f", "-", stdin=json.dumps(bundle))

    def _client(self, way: str, runs: int, seconds: int, **more: Any) -> Timing:
        order = {"way": way, "tag": self.tag(), "namespace": NAMESPACE, "runs": runs}
        words = json.dumps({**order, "seconds": seconds, **more})
        program = ("/opt/workflow-do/bin/python", "/bench/client.py", words)
        said = self.kubectl("exec", CLIENT, "--", *program, limit=seconds + 30)
        found = json.loads(said.splitlines()[-1])
        return Timing(found["seconds"], found["cpu"], found["runs"], found["gaps"])


def bring_up(name: str, kubeconfig: Path, tell: Callable[[str], None]) -> Site:
    """The cluster, new or found, with everything in it."""
    deploy.build_images("operator")
    deploy.run(KIND, "build", "kwok", limit=1800)
    deploy.run(KIND, "build", "busybox", limit=300)
    kubeconfig.parent.mkdir(exist_ok=True)
    if name in deploy.run(KIND, "get", "clusters").split():
        tell(f"cluster {name} is there already")
        deploy.run(KIND, "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig)
    else:
        tell(f"cluster {name}")
        create = ("create", "cluster", "--name", name, "--kubeconfig", kubeconfig)
        deploy.run(KIND, *create, limit=600)
    cluster = Cluster(kubeconfig, name)
    cluster.load("operator:dev", "busybox:dev")
    tell("the operator, one of it")
    deploy.install_operator(cluster)
    where = ("deployment/workflow-do", "-n", SYSTEM_NAMESPACE)
    cluster.kubectl("scale", *where, "--replicas=1")
    cluster.kubectl("rollout", "status", *where, "--timeout=90s")
    return _furnish(cluster)


def _furnish(cluster: Cluster) -> Site:
    site = Site(cluster)
    deploy.ensure_namespace(cluster, NAMESPACE)
    site.apply(*map(objects.fake_node, range(NODES)))
    site.apply(*objects.actions())
    site.kubectl("delete", "pod", CLIENT, "--ignore-not-found", "--now")
    site.apply(*objects.client((HERE / "client.py").read_text(encoding="utf-8")))
    site.kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s")
    one = site.operator
    site.until("there is one operator", lambda: _holds(one), 30)
    site.clean()
    return site


def _holds(look: Callable[[], object]) -> bool:
    try:
        look()
    except Failed:
        return False
    return True


@contextmanager
def simulated_nodes(cluster: Cluster, log: Path) -> Iterator[None]:
    """kwok, for as long as the block lasts."""
    program = deploy.run(KIND, "path", "kwok").strip()
    words = [program, f"--kubeconfig={cluster.kubeconfig}", f"--config={HERE / 'stages.yaml'}"]
    words.append("--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake")
    words.append("--node-lease-duration-seconds=40")
    nodes = [objects.fake_node(number)["metadata"]["name"] for number in range(NODES)]
    # Those that the kwok before holds still keep a new one waiting until they run out.
    cluster.kubectl("delete", "leases", "-n", "kube-node-lease", "--ignore-not-found", *nodes)
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env={**os.environ, "HOME": "/"})
        try:
            ready = ("--for=condition=Ready", "nodes", "-l", "type=simulated", "--timeout=60s")
            cluster.kubectl("wait", *ready)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)
