"""What is computed of a frozen object is remembered for as long as the object lives.

A plan asks the same of hundreds of records of which one has changed. Nobody can tell whether an
answer was remembered: the objects never change, and two that are alike are told apart.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
B = TypeVar("B")
V = TypeVar("V")


def once(compute: Callable[[T], V]) -> Callable[[T], V]:
    """The function, called once for each object; its objects must be frozen."""
    known: dict[int, tuple[weakref.ref[T], V]] = {}

    @wraps(compute)
    def told(of: T) -> V:
        key = id(of)
        found = known.get(key)
        if found is not None and found[0]() is of:
            return found[1]
        value = compute(of)
        known[key] = (weakref.ref(of, lambda _: known.pop(key, None)), value)
        return value

    return told


def once_by(compute: Callable[[B, T], V]) -> Callable[[B, T], V]:
    """The same of two objects, of which the second is always asked about by the same first one:
    what was told by the last is remembered.
    """
    known: dict[int, tuple[weakref.ref[T], B, V]] = {}

    @wraps(compute)
    def told(by: B, of: T) -> V:
        key = id(of)
        found = known.get(key)
        if found is not None and found[1] is by and found[0]() is of:
            return found[2]
        value = compute(by, of)
        known[key] = (weakref.ref(of, lambda _: known.pop(key, None)), by, value)
        return value

    return told
