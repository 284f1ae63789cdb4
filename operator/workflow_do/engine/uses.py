"""Which Actions a Workflow uses, by name, from raw specs alone.

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


def named_to_undo(action_spec: Raw) -> frozenset[str]:
    """The name of the Action that a raw Action spec names to undo it, if any."""
    return _named_by([action_spec.get("compensate")])


def _mappings(value: Any) -> list[Raw]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _named_by(users: list[Any]) -> frozenset[str]:
    found = (u.get("action") for u in users if isinstance(u, Mapping))
    return frozenset(name for name in found if isinstance(name, str))
