"""Places: who gets one, who waits, who is refused, who has to go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_do.api.concurrency import ConcurrencyPolicy
from workflow_do.engine.admission import (
    Candidate,
    Holder,
    Standing,
    Wish,
    decide,
    describe,
)

QUEUE, FORBID, REPLACE = (
    ConcurrencyPolicy.QUEUE,
    ConcurrencyPolicy.FORBID,
    ConcurrencyPolicy.REPLACE,
)


def holder(name: str) -> Holder:
    return Holder(f"uid-{name}", name)


def line(*names: str, policy: ConcurrencyPolicy = QUEUE, most: int = 1) -> list[Candidate]:
    """Candidates that came in the order of their names."""
    return [Candidate(holder(n), Wish("", policy, most), (n, n)) for n in names]


def child(name: str, *parents: str, **more: Any) -> Candidate:
    """A candidate for which those runs wait."""
    [alone] = line(name, **more)
    return replace(alone, ancestors=frozenset(holder(p).uid for p in parents))


def told(holders: Sequence[Holder]) -> str:
    return " ".join(h.name for h in holders)


CASES = [
    pytest.param("", line("a"), ("a", "a", "", ""), id="there is room"),
    pytest.param("x", line("a", "b"), ("x", "", "", ""), id="Queue waits"),
    pytest.param("x", line("b", "a", most=2), ("x a", "a", "", ""), id="Queue: the oldest first"),
    pytest.param("", line("c", "a", "b", most=2), ("a b", "a b", "", ""), id="several at once"),
    pytest.param("x", line("a", policy=FORBID), ("x", "", "a", ""), id="Forbid refuses"),
    pytest.param(
        "", line("a", "b", policy=FORBID), ("a", "a", "b", ""), id="Forbid: one of two that come"
    ),
    pytest.param("x", line("a", policy=REPLACE), ("x", "", "", "x"), id="Replace: the one must go"),
    pytest.param(
        "x y", line("a", policy=REPLACE, most=2), ("x y", "", "", "x"), id="Replace: the oldest"
    ),
    pytest.param(
        "x y z",
        line("a", policy=REPLACE, most=2),
        ("x y z", "", "", "x y"),
        id="Replace: as many as the lowered limit asks for",
    ),
    pytest.param(
        "x", line("a", "b", policy=REPLACE), ("x", "", "", "a x"), id="Replace: the newest wins"
    ),
    pytest.param(
        "a x", line("a", most=2), ("a x", "a", "", ""), id="asked again, it has its place already"
    ),
    pytest.param(
        "a x", line("a", "b"), ("a x", "a", "", ""), id="a lowered limit takes nobody's place"
    ),
]


@pytest.mark.parametrize(("before", "candidates", "expected"), CASES)
def test_places(
    before: str, candidates: list[Candidate], expected: tuple[str, str, str, str]
) -> None:
    found = decide([holder(n) for n in before.split()], candidates)
    assert (
        told(found.holders),
        told(found.granted),
        told(found.refused),
        told(found.replaced),
    ) == expected


FAMILIES = [
    pytest.param("p", [child("c", "p")], ("c", ""), id="its parent has the only place"),
    pytest.param("p", [child("c", "o", "p")], ("c", ""), id="so has its parent's parent"),
    pytest.param("p", [child("c", "p", most=2)], ("", ""), id="there is another place"),
    pytest.param("p x", [child("c", "p", most=2)], ("", ""), id="a stranger will end"),
    pytest.param(
        "p q",
        [child("c", "p", most=2), child("d", "q", most=2), *line("e", most=2)],
        ("d", ""),
        id="two families wait for each other: the youngest child gives way",
    ),
    pytest.param("p", [*line("a"), child("c", "p")], ("c", ""), id="behind a stranger"),
    pytest.param("p", [child("c", "p", policy=REPLACE)], ("c", ""), id="Replace: not its parent"),
    pytest.param(
        "x p",
        [child("c", "p", policy=REPLACE, most=2)],
        ("", "", "x"),
        id="Replace: the stranger goes",
    ),
    pytest.param(
        "p",
        [child("c", "p"), *line("e", most=2)],
        ("c", ""),
        id="strangers for whom there is more room do not keep it waiting",
    ),
    pytest.param(
        "p",
        [*line("b", policy=REPLACE), child("c", "p", policy=REPLACE)],
        ("c", "", "p"),
        id="Replace: a child that can never begin is not the newest",
    ),
    pytest.param("p", [child("c", "p"), child("d", "p")], ("c d", ""), id="all of its children"),
    pytest.param("p", [child("c", "p", policy=FORBID)], ("", "c"), id="Forbid: refused as ever"),
    pytest.param("p", [child("c", "o")], ("", ""), id="a child of somebody else waits"),
]


@pytest.mark.parametrize(("before", "candidates", "expected"), FAMILIES)
def test_no_child_waits_for_a_run_that_waits_for_it(
    before: str, candidates: list[Candidate], expected: tuple[str, ...]
) -> None:
    found = decide([holder(n) for n in before.split()], candidates)
    told_of = (told(found.stuck), told(found.refused), told(found.replaced))
    assert told_of == (*expected, *[""] * (3 - len(expected)))
    assert set(found.holders) >= {holder(n) for n in before.split()}


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.sampled_from("ghijkl"), unique=True),
    st.sampled_from((QUEUE, FORBID, REPLACE)),
    st.integers(1, 4),
)
def test_never_more_than_there_are_places(
    before: list[str], names: list[str], policy: ConcurrencyPolicy, most: int
) -> None:
    held = [holder(n) for n in before]
    found = decide(held, line(*names, policy=policy, most=most))
    assert len(found.holders) <= max(most, len(held))
    assert set(held) <= set(found.holders), "nobody loses a place while the run goes on"
    assert set(found.granted) <= set(found.holders)
    assert not set(found.granted) & set(found.refused)


TEXTS = [
    pytest.param(
        Wish("", QUEUE, 1), ("run-1",), "at most 1 run goes on at once; now: run-1", id="one"
    ),
    pytest.param(
        Wish("alex", QUEUE, 3),
        tuple(f"run-{n}" for n in range(7)),
        "at most 3 runs go on at once with the key 'alex'; now: run-0, run-1, run-2, run-3, run-4 "
        "and 2 more",
        id="many, with a key",
    ),
    pytest.param(Wish("", QUEUE, 1), (), "at most 1 run goes on at once", id="not known yet"),
]


@pytest.mark.parametrize(("wish", "behind", "expected"), TEXTS)
def test_what_a_run_that_waits_says(wish: Wish, behind: tuple[str, ...], expected: str) -> None:
    assert describe(wish, Standing(behind=behind)) == expected
