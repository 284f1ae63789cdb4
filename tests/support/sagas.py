"""A run of three steps whose Actions can be undone, for the tests of the pure engine."""

from __future__ import annotations

from typing import Any

from support.world import World, action, step, workflow

Raw = dict[str, Any]
UNDO = {"action": "undo-it", "input": {"n": "{{ output.n }}", "was": "{{ input }}"}}


def undoable(**spec: Any) -> Raw:
    """An Action that can be undone."""
    return action("do-it", **{"compensate": UNDO, **spec})


def three(*actions: Raw, undo: Raw | None = None, **spec: Any) -> World:
    """Three steps a, b, c of one Action that can be undone, and an onFailure."""
    steps = [step("a", k=1), step("b", k=2), step("c", "last", k=3)]
    tell = {"action": "tell", "input": {"undone": "{{ failure.compensated }}"}}
    flow = workflow(*steps, **{"onFailure": tell, **spec})
    known = {a["metadata"]["name"]: a for a in actions}
    for made in (undoable(), action("last"), action("tell"), undo or action("undo-it")):
        known.setdefault(made["metadata"]["name"], made)
    w = World(flow, *known.values())
    w.reconcile()
    return w


def succeed(w: World, *outputs: str) -> None:
    """One Job after the other succeeds."""
    for output in outputs or ("{}",):
        w.ends(output)
        w.reconcile()


def fail(w: World, code: int = 3) -> None:
    """The Job that runs fails."""
    w.ends(code=code)
    w.reconcile()


def undone(w: World, step_id: str) -> Raw:
    """The record of a step's undo; empty where it has none."""
    found: Raw = w.step(step_id).get("compensation", {})
    return found


def condition(w: World, type_: str) -> Raw:
    return next((c for c in w.status["conditions"] if c["type"] == type_), {})


def role_of(w: World) -> tuple[str, str]:
    """Role and step of the newest Job."""
    labels = w.job()["metadata"]["labels"]
    return labels["workflow.do/role"], labels.get("workflow.do/step", "")


def input_of(job: Raw) -> str:
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "ACTION_INPUT"))


def key_of(job: Raw) -> str:
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "WORKFLOW_IDEMPOTENCY_KEY"))
