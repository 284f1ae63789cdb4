"""Parents and children for the tests of steps that start runs of other Workflows."""

from __future__ import annotations

from typing import Any

from support.world import Raw, World, action, step, workflow

UNDOABLE = action("do-it", compensate={"action": "undo-it", "input": {}})
ACTIONS = (action("plain"), UNDOABLE, action("undo-it"))
PAY = workflow(
    step("charge", n="{{ trigger.body.n }}"),
    named="pay",
    outputs={"receipt": "{{ steps.charge.output.id }}"},
)


def call(id_: str = "pay", name: str = "pay", **more: Any) -> Raw:
    return {"id": id_, "workflow": name, "input": {"n": 5}, **more}


def new(*steps: Raw, children: tuple[Raw, ...] = (PAY,), body: Any = None, **spec: Any) -> World:
    """A parent that has not been looked at yet."""
    w = World(workflow(*steps, **spec), *ACTIONS, body=body)
    w.workflows = {child["metadata"]["name"]: child for child in children}
    return w


def world(*steps: Raw, **spec: Any) -> World:
    """A parent whose first step, if it starts a child, has."""
    w = new(*steps, **spec)
    w.settle()
    return w


def key_of(job: Raw) -> str:
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "WORKFLOW_IDEMPOTENCY_KEY"))


def made_but_not_named() -> World:
    """The operator was killed between the POST of the child and the write of its uid."""
    w = new(call())
    while not w.started:
        planned = w.plan()
        for effect in planned.effects:
            w.do(effect)
        if not planned.effects:
            w.write(planned)
    return w
