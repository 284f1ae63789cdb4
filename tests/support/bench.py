"""A workbench in one namespace of a real cluster: apply, start, wait, read.

Every wait is `kubectl wait` or a watch with a deadline, so that a promise ("within 30 s") is the
deadline of the wait and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hack.deploy import Cluster, image_prefix

Raw = dict[str, Any]
API = "workflow.do/v1alpha1"


def action(name: str, program: str = "", **spec: Any) -> Raw:
    """An Action that runs a Python program; `out(x)` writes its output, `given` is its input."""
    prelude = (
        "import json, os, signal, sys, time\n"
        "given = json.loads(os.environ['ACTION_INPUT'])\n"
        "def raw(text): open(os.environ['ACTION_OUTPUT'], 'w').write(text)\n"
        "def out(value): raw(json.dumps(value))\n"
    )
    base = {
        "image": f"{image_prefix()}/onboarding:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", prelude + program],
        "terminationGracePeriodSeconds": 2,
    }
    return {
        "apiVersion": API,
        "kind": "Action",
        "metadata": {"name": name},
        "spec": base | spec,
    }


def workflow(name: str, *steps: Raw, **spec: Any) -> Raw:
    """A Workflow."""
    return {
        "apiVersion": API,
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"steps": list(steps), **spec},
    }


def step(id_: str, action_: str, **input_: Any) -> Raw:
    """A step."""
    return {"id": id_, "action": action_, "input": input_}


@dataclass(frozen=True, slots=True)
class Bench:
    """One namespace."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *args: str, limit: float = 120, stdin: str | None = None) -> str:
        """`kubectl -n NAMESPACE ARGS`."""
        return self.cluster.kubectl("-n", self.namespace, *args, limit=limit, stdin=stdin)

    def apply(self, *objects: Raw) -> None:
        """Apply objects, all at once."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(bundle))

    def start(self, flow: str, body: Any = None, name: str | None = None) -> str:
        """Create a run with `kubectl create`; its name."""
        meta = {"name": name} if name else {"generateName": f"{flow}-"}
        run = {
            "apiVersion": API,
            "kind": "WorkflowRun",
            "metadata": meta,
            "spec": {"workflowName": flow, "trigger": {"type": "api", "body": body}},
        }
        text = self.kubectl("create", "-f", "-", "-o", "name", stdin=json.dumps(run))
        return text.strip().partition("/")[2]

    def finish(self, run: str, seconds: int = 60) -> Raw:
        """The run once it is Completed, within the time."""
        self.kubectl(
            "wait",
            "--for=condition=Completed",
            f"workflowruns.workflow.do/{run}",
            f"--timeout={seconds}s",
            limit=seconds + 15,
        )
        return self.run(run)

    def get(self, what: str) -> Raw:
        """An object, or a list of them."""
        found: Raw = json.loads(self.kubectl("get", what, "-o", "json"))
        return found

    def run(self, name: str) -> Raw:
        """A run as it stands."""
        return self.get(f"workflowruns.workflow.do/{name}")

    def jobs(self, run: Raw) -> list[Raw]:
        """The Jobs of a run."""
        label = f"workflow.do/run-uid={run['metadata']['uid']}"
        rows = json.loads(self.kubectl("get", "jobs", "-l", label, "-o", "json"))
        found: list[Raw] = rows["items"]
        return found

    def until(self, what: str, look: Callable[[], Any], seconds: float) -> Any:
        """The first truthy look; AssertionError with what was awaited when the time is over."""
        end = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.2)


def condition(run: Raw, type_: str) -> Raw:
    """A condition of an object."""
    rows = run.get("status", {}).get("conditions", ())
    return next((c for c in rows if c["type"] == type_), {})


def verdict(run: Raw) -> tuple[str, str]:
    """Status and reason of Succeeded."""
    found = condition(run, "Succeeded")
    return found.get("status", ""), found.get("reason", "")


def record(run: Raw, step_id: str) -> Raw:
    """A step's record in the status."""
    return next(s for s in run["status"]["steps"] if s["id"] == step_id)
