"""Which Actions and other Workflows a Workflow uses, by name, from raw specs alone.

Total, whatever the specs hold: they are asked for before anything is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def action_names(workflow_spec: Raw) -> frozenset[str]:
    """The names of the Actions that a raw Workflow spec names; total, whatever it holds."""
    steps = _mappings(workflow_spec.get("steps"))
    finals = _mappings(workflow_spec.get("finally"))
    undos = (s.get("compensate") for s in steps)
    return _named_by([*steps, *finals, workflow_spec.get("onFailure"), *undos])


def used_names(workflow_spec: Raw, actions: Mapping[str, Raw]) -> frozenset[str]:
    """The names of all Actions that a raw Workflow spec uses: those that it names, and those that
    the Actions of its steps (raw specs by name) name to undo them.

    These only where the step does not say otherwise. Total, whatever the specs hold.
    """
    steps = (s for s in _mappings(workflow_spec.get("steps")) if s.get("compensate") is None)
    of_steps = (actions.get(name) for name in _named_by(list(steps)))
    undo = (named_to_undo(spec) for spec in of_steps if spec is not None)
    return action_names(workflow_spec).union(*undo)


def child_names(workflow_spec: Raw) -> frozenset[str]:
    """The names of the Workflows that the steps of a raw Workflow spec start runs of."""
    found = (s.get("workflow") for s in _mappings(workflow_spec.get("steps")))
    return frozenset(name for name in found if isinstance(name, str))


def reach(workflow_spec: Raw, workflows: Mapping[str, Raw]) -> frozenset[str]:
    """The names of all Workflows that runs of this one may start, by way of others, too.

    `workflows`: raw specs by name; one that is not among them leads no further. A Workflow that
    comes back to itself is one of them.
    """
    found, new = frozenset[str](), child_names(workflow_spec)
    while new:
        found |= new
        below = (child_names(workflows[name]) for name in new if name in workflows)
        new = frozenset[str]().union(*below) - found
    return found


def endless_steps(name: str, workflows: Mapping[str, Raw]) -> list[int]:
    """The places of the steps of a Workflow by which its runs come back to it whatever happens:
    nothing on the way has a `when`, or a list that may be empty.
    """

    def always(spec: Raw) -> dict[int, str]:
        steps = enumerate(_mappings(spec.get("steps")))
        sure = ((i, s) for i, s in steps if s.get("when") is None and s.get("forEach") is None)
        return {i: s["workflow"] for i, s in sure if isinstance(s.get("workflow"), str)}

    found = []
    for at, first in always(workflows[name]).items():
        seen, new = set[str](), {first}
        while new:
            seen |= new
            specs = (workflows[n] for n in new if n in workflows and n != name)
            new = {child for spec in specs for child in always(spec).values()} - seen
        found += [at] if name in seen else []
    return found


def named_to_undo(action_spec: Raw) -> frozenset[str]:
    """The name of the Action that a raw Action spec names to undo it, if any."""
    return _named_by([action_spec.get("compensate")])


def _mappings(value: Any) -> list[Raw]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _named_by(users: list[Any]) -> frozenset[str]:
    found = (u.get("action") for u in users if isinstance(u, Mapping))
    return frozenset(name for name in found if isinstance(name, str))
