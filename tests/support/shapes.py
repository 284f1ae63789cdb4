"""Whether a value is one of those that a shape of the checker speaks of."""

from __future__ import annotations

from typing import Any

from workflow_do.engine.check.fit import misfit
from workflow_do.engine.check.shape import Openness, Shape, kind_of


def holds(shape: Shape, value: Any) -> bool:
    """Whether the shape allows the value, all the way down."""
    if kind_of(value) not in shape.kinds:
        return False
    if isinstance(value, dict):
        named = all(holds(f.shape, value[n]) for n, f in shape.fields.items() if n in value)
        closed = shape.openness is not Openness.CLOSED or value.keys() <= shape.fields.keys()
        needed = all(n in value for n, f in shape.fields.items() if f.required)
        return named and closed and needed
    if isinstance(value, list):
        inside = shape.items is None or all(holds(shape.items, item) for item in value)
        return inside and (shape.elements is None or len(shape.elements) == len(value))
    return misfit(value, shape) is None
