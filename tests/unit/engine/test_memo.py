"""What is remembered of frozen objects: each once, and no longer than they live."""

from __future__ import annotations

import gc
import weakref

from workflow_do.api.run import StepStatus
from workflow_do.engine.memo import once, once_by


def test_it_is_computed_once_for_each_object_and_apart_for_those_that_are_alike() -> None:
    asked: list[str] = []

    @once
    def shout(step: StepStatus) -> str:
        asked.append(step.id)
        return step.id.upper()

    first, alike = StepStatus(id="a"), StepStatus(id="a")
    assert [shout(first), shout(first), shout(alike)] == ["A", "A", "A"]
    assert asked == ["a", "a"]
    assert shout(first.model_copy(update={"id": "b"})) == "B"


def test_nothing_is_kept_of_an_object_that_is_gone() -> None:
    """Objects come and go by the thousand, often to the same place in memory."""

    @once
    def name(step: StepStatus) -> str:
        return step.id

    for at in range(10_000):
        assert name(StepStatus(id=str(at))) == str(at)
    step = StepStatus(id="last")
    name(step)
    gone = weakref.ref(step)
    del step
    gc.collect()
    assert gone() is None


def test_of_two_objects_it_is_computed_again_where_another_asks() -> None:
    asked: list[str] = []

    @once_by
    def joined(by: StepStatus, of: StepStatus) -> str:
        asked.append(by.id + of.id)
        return by.id + of.id

    a, b, of = StepStatus(id="a"), StepStatus(id="b"), StepStatus(id="x")
    assert [joined(a, of), joined(a, of), joined(b, of), joined(a, of)] == ["ax", "ax", "bx", "ax"]
    assert asked == ["ax", "bx", "ax"]
