"""The run that every fault is tried on, and how it ends when nothing disturbs it.

Five steps that hand a number on; the third fails at first and is retried, the last one fails for
good, so what was done is undone, past one undo that fails, and the onFailure handler runs. What a
run left behind is reduced to what must not depend on
any fault: no times, no uids, no names made of uids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from support.autokubelet import Outcome, Try

Raw = dict[str, Any]
API: Final = "workflow.do/v1alpha1"

ACTIONS: Final[Mapping[str, Raw]] = {
    "work": {
        "image": "example.com/work:1",
        "compensate": {"action": "unwork", "input": {"n": "{{ output.n }}"}},
    },
    "unwork": {"image": "example.com/unwork:1"},
    "shaky": {
        "image": "example.com/shaky:1",
        "retry": {"maxAttempts": 2, "initialDelaySeconds": 1},
    },
    "tell": {"image": "example.com/tell:1"},
}

_OUTCOMES: Final = {
    ("do", "one", 1): Outcome({"n": 1}),
    ("do", "two", 1): Outcome({"n": 2}),
    ("do", "three", 1): Outcome(exit_code=3),
    ("do", "three", 2): Outcome({"n": 3}),
    ("do", "four", 1): Outcome({"n": 4}),
    ("do", "five", 1): Outcome(exit_code=5),
    ("undo", "two", 1): Outcome(exit_code=9),
    ("onFailure", "", 1): Outcome({"told": True}),
}

JOBS: Final = (
    "do/five/1",
    "do/four/1",
    "do/one/1",
    "do/three/1",
    "do/three/2",
    "do/two/1",
    "onFailure//1",
    "undo/four/1",
    "undo/one/1",
    "undo/three/1",
    "undo/two/1",
)
"""`role/step/try` of every Job of a run."""

UNITS: Final = (
    ("one", "Succeeded", 1),
    ("undo one", "Succeeded", 1),
    ("two", "Succeeded", 1),
    ("undo two", "Failed", 1),
    ("three", "Succeeded", 2),
    ("undo three", "Succeeded", 1),
    ("four", "Succeeded", 1),
    ("undo four", "Succeeded", 1),
    ("five", "Failed", 1),
    ("onFailure", "Succeeded", 1),
)
"""Unit, state and tries at the end."""

_PASSING: Final = frozenset(
    {
        "startTime",
        "completionTime",
        "lastTransitionTime",
        "duration",
        "jobName",
        "jobUID",
        "revisionName",
        "retryTime",
    }
)


async def outcome(of: Try) -> Outcome:
    """How a try ends; a try that should never be is a success, so that it shows."""
    return _OUTCOMES.get((of.role, of.step, of.number), Outcome({"n": 0}))


def workflow(name: str) -> Raw:
    """The Workflow, under a name of its own so that every run makes a revision of its own."""
    steps = [{"id": "one", "action": "work", "input": {"n": "{{ trigger.body.n }}"}}]
    for id_, before, action in (
        ("two", "one", "work"),
        ("three", "two", "shaky"),
        ("four", "three", "work"),
        ("five", "four", "work"),
    ):
        given = {"n": f"{{{{ steps.{before}.output.n }}}}"}
        undo = {"compensate": {"action": "unwork"}} if action == "shaky" else {}
        steps.append({"id": id_, "action": action, "input": given, **undo})
    text = "{{ failure.step }} ended as {{ failure.reason }}"
    handler = {"action": "tell", "input": {"text": text}}
    return _object("Workflow", name, {"steps": steps, "onFailure": handler})


def action(name: str) -> Raw:
    """An Action of the scenario."""
    return _object("Action", name, ACTIONS[name])


def run(name: str) -> Raw:
    """A run of the Workflow of the same name."""
    return _object("WorkflowRun", name, {"workflowName": name, "trigger": {"body": {"n": 0}}})


def completed(run_: Raw) -> bool:
    """Whether a run has ended for good."""
    return condition(run_, "Completed").get("status") == "True"


def condition(raw: Raw, type_: str) -> Raw:
    """A condition of an object; empty where it has none of that type."""
    rows = (raw.get("status") or {}).get("conditions") or ()
    return next((row for row in rows if row["type"] == type_), {})


def verdict(run_: Raw) -> tuple[str, str]:
    """Status and reason of Succeeded."""
    found = condition(run_, "Succeeded")
    return str(found.get("status")), str(found.get("reason"))


def units(run_: Raw) -> tuple[tuple[str, str, int], ...]:
    """Unit, state and tries of every record in the status."""
    status = run_["status"]
    rows = []
    for step in status["steps"]:
        rows += [(step["id"], step), (f"undo {step['id']}", step.get("compensation"))]
    rows.append(("onFailure", status.get("onFailure")))
    return tuple((name, row["state"], row["tries"]) for name, row in rows if row)


def essence(run_: Raw) -> Any:
    """The status without what differs from run to run."""
    return _reduce(run_["status"], run_["metadata"]["name"])


def _reduce(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {k: _reduce(v, name) for k, v in sorted(value.items()) if k not in _PASSING}
    if isinstance(value, list):
        return [_reduce(item, name) for item in value]
    return value.replace(name, "RUN") if isinstance(value, str) else value


def differences(expected: Any, found: Any, place: str = "status") -> list[str]:
    """Where two essences differ, one line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = sorted(expected.keys() | found.keys())
        pairs = [(f"{place}.{k}", expected.get(k), found.get(k)) for k in keys]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [
            (f"{place}[{i}]", a, b) for i, (a, b) in enumerate(zip(expected, found, strict=True))
        ]
    else:
        return [] if expected == found else [f"{place}: {found!r} instead of {expected!r}"]
    return [line for at, a, b in pairs for line in differences(a, b, at)]


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Raw:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
