"""What a Workflow uses, wherever it is looked up: its Actions, and the Workflows it starts runs of.

Decides in which order it is asked for: what undoes an Action is known once the Action is, what a
Workflow starts once that is. No more Workflows are looked up than a revision may name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workflow_do.api.names import MAX_CHILD_WORKFLOWS
from workflow_do.engine.facts import spec_of
from workflow_do.engine.uses import child_names, used_names

Raw = Mapping[str, Any]
Find = Callable[[str], Awaitable[Raw | None]]


async def find_used(
    workflow: Raw, find: Find, find_workflow: Find
) -> tuple[dict[str, Raw], dict[str, Raw]]:
    """The Actions, and the other Workflows, that runs of a raw Workflow may come to, by name; those
    that are there. `find` is given the name of an Action, `find_workflow` that of a Workflow.
    """
    workflows = await _below(workflow, find_workflow)
    actions: dict[str, Raw] = {}
    for one in (workflow, *workflows.values()):
        actions |= await _actions(one, find, actions)
    return actions, workflows


async def _below(workflow: Raw, find: Find) -> dict[str, Raw]:
    own = str((workflow.get("metadata") or {}).get("name", ""))
    found: dict[str, Raw] = {own: workflow}
    asked, new = {own}, child_names(spec_of(workflow)) - {own}
    while new and len(asked) <= MAX_CHILD_WORKFLOWS + 1:
        wanted = sorted(new)[: MAX_CHILD_WORKFLOWS + 2 - len(asked)]
        answers = await asyncio.gather(*map(find, wanted))
        there = {n: raw for n, raw in zip(wanted, answers, strict=True) if raw is not None}
        found |= there
        asked |= set(wanted)
        new = (new | frozenset().union(*(child_names(spec_of(w)) for w in there.values()))) - asked
    del found[own]
    return found


async def _actions(workflow: Raw, find: Find, known: Mapping[str, Raw]) -> dict[str, Raw]:
    found = dict(known)
    asked = frozenset(known)
    while wanted := sorted(used_names(spec_of(workflow), _specs(found)) - asked):
        answers = await asyncio.gather(*map(find, wanted))
        found |= {n: raw for n, raw in zip(wanted, answers, strict=True) if raw is not None}
        asked |= frozenset(wanted)
    return found


def _specs(actions: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name: spec_of(raw) for name, raw in actions.items()}
