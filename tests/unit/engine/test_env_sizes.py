"""Variables that Linux or the store would refuse are refused before there is a Job."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import World, action, step, workflow

KIB = 1024


def env(*sizes: int) -> list[dict[str, str]]:
    """Variables that grow to so many characters: from 1,024 of the input, and the rest literal."""
    return [
        {"name": f"V{at}", "value": "{{ input.text }}" * (size // KIB) + "y" * (size % KIB)}
        for at, size in enumerate(sizes)
    ]


def record(rows: list[dict[str, str]], char: str = "x", **more: str) -> dict[str, Any]:
    w = World(workflow(step("a", text=char * KIB, **more)), action("do-it", env=rows))
    w.reconcile()
    return w.step("a")


FITS = [
    pytest.param(env(128 * KIB - 4), "x", id="the-longest-string"),
    pytest.param(env(63 * KIB), "$", id="doubled"),
    pytest.param(env(*[100 * KIB] * 5), "x", id="five-long-ones"),
]
TOO_LARGE = [
    pytest.param(env(128 * KIB - 3), "x", "env V0: 131,073 bytes", id="a-byte-too-long"),
    pytest.param(env(64 * KIB), "$", "env V0: 131,076 bytes", id="doubled"),
    pytest.param(env(*[100 * KIB] * 6), "x", "all env together", id="many"),
    pytest.param(env(100 * KIB), "<", "all env together", id="escaped-in-the-store"),
]


@pytest.mark.parametrize(("rows", "char"), FITS)
def test_what_fits_is_started(rows: list[dict[str, str]], char: str) -> None:
    assert record(rows, char)["state"] == "Running"


@pytest.mark.parametrize(("rows", "char", "told"), TOO_LARGE)
def test_what_does_not_fit_names_the_variable_and_the_cure(
    rows: list[dict[str, str]], char: str, told: str
) -> None:
    found = record(rows, char)
    assert (found["state"], found["reason"]) == ("NotStarted", "InputTooLarge")
    assert told in found["message"]
    assert "reference" in found["message"]


def test_the_input_counts_with_the_variables() -> None:
    rows = env(*[100 * KIB] * 5)
    assert record(rows, more="z" * 20 * KIB)["reason"] == "InputTooLarge"
