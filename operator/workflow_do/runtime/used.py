"""The Actions that a Workflow uses, wherever they are looked up.

Decides in which order they are asked for: what undoes an Action is known once the Action is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workflow_do.engine.facts import spec_of
from workflow_do.engine.uses import used_names

Raw = Mapping[str, Any]


async def find_used(workflow: Raw, find: Callable[[str], Awaitable[Raw | None]]) -> dict[str, Raw]:
    """The Actions of a raw Workflow by name, those that are there; `find` is given a name."""
    found: dict[str, Raw] = {}
    asked = frozenset[str]()
    while wanted := sorted(used_names(spec_of(workflow), _specs(found)) - asked):
        answers = await asyncio.gather(*map(find, wanted))
        found |= {n: raw for n, raw in zip(wanted, answers, strict=True) if raw is not None}
        asked |= frozenset(wanted)
    return found


def _specs(actions: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name: spec_of(raw) for name, raw in actions.items()}
