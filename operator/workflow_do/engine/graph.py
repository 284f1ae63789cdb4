"""The order of the steps: which follow which, and which are surely over before another begins.

A step without `needs` follows the step above it, `needs: [trigger]` starts at once; `needs` name
steps above only, so a cycle cannot be written and the order of the list is an order of the graph.
Sets of steps are integers, a bit for each place in the list: 500 steps stay cheap. Decides nothing
about a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workflow_do.api.workflow import Step

TRIGGER: Final = "trigger"


@dataclass(frozen=True, slots=True)
class Graph:
    """`needs[i]` holds the steps that step i follows directly, `ancestors[i]` all before it;
    `places` says where each id stands.
    """

    places: Mapping[str, int]
    ids: tuple[str, ...]
    needs: tuple[int, ...]
    ancestors: tuple[int, ...]

    def before(self, at: int) -> tuple[str, ...]:
        """The ids of the steps that have surely ended when the step at this place begins."""
        return tuple(self.ids[i] for i in bits(self.ancestors[at]))


@dataclass(frozen=True, slots=True)
class GraphFault:
    """Why the steps are in no order: the place, what is wrong there, and the cure."""

    path: str
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.cure}"


def build_graph(steps: Sequence[Step]) -> Graph | GraphFault:
    """The graph of the steps of a Workflow."""
    places: dict[str, int] = {}
    needs: list[int] = []
    ancestors: list[int] = []
    later = {step.id for step in steps}
    for at, step in enumerate(steps):
        if step.id in places:
            why = f"the id {step.id!r} stands twice"
            return GraphFault(f"steps[{at}].id", why, "give each step an id of its own")
        if step.id == TRIGGER:
            why = "`trigger` stands for what started the run"
            return GraphFault(f"steps[{at}].id", why, "choose another")
        direct = _direct(at, step, places, later)
        if isinstance(direct, GraphFault):
            return direct
        places[step.id] = at
        mask = sum(1 << i for i in direct)
        needs.append(mask)
        for i in direct:
            mask |= ancestors[i]
        ancestors.append(mask)
    return Graph(places, tuple(places), tuple(needs), tuple(ancestors))


def bits(mask: int) -> Iterator[int]:
    """The places in a set of steps, in order."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _direct(at: int, step: Step, places: dict[str, int], ids: set[str]) -> set[int] | GraphFault:
    if step.needs is None:
        return {at - 1} if at else set()
    if step.needs == (TRIGGER,):
        return set()
    for i, need in enumerate(step.needs):
        path = f"steps[{at}].needs[{i}]"
        if need == TRIGGER:
            return GraphFault(path, "`trigger` stands alone: every run has one", "leave it out")
        if need not in places:
            why = "does not stand above this one" if need in ids else "is not there"
            cure = "`needs` names steps above this one"
            return GraphFault(path, f"the step {need!r} {why}", cure)
    return {places[need] for need in step.needs}
