"""What the programs of a run gave, as a whole: from the run, or from a ConfigMap that it names.

Decides whether what a ConfigMap holds is what the run says it was, and how much is read at most.
Reads an output that is in the run from there, so most of this asks nothing of the API server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api.run import OutputRef
from workflow_do.engine.held import is_it, parse_held
from workflow_do.sdk.client import CONFIGMAPS, Client
from workflow_do.sdk.errors import NotFound, OutputUnavailable
from workflow_do.sdk.run import Run, Unit

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all ConfigMaps that one call reads; the operator keeps no more for one run."""


@dataclass(slots=True)
class Reader:
    """Reads outputs of one run; together at most `most` bytes from ConfigMaps."""

    client: Client
    run: Run
    most: int = MOST_BYTES

    def output(self, unit: Unit) -> Any:
        """The object that it gave, a list of them where it has items; None where it gave none.

        Raises OutputUnavailable, Forbidden where the ConfigMap may not be read.
        """
        if unit.items:
            return [self.output(item) for item in unit.items]
        return self._held(unit.output_ref) if unit.output_ref else unit.output

    def _held(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        ref = OutputRef(name=raw["name"], size=raw["size"], sha256=raw["sha256"])
        place = f"ConfigMap {ref.name} in namespace {self.run.namespace}"
        self.most -= ref.size
        if self.most < 0:
            raise OutputUnavailable(
                f"the outputs of run {self.run.name} are larger than what is read at once: read "
                f"them one by one, or {place} by yourself"
            )
        try:
            held = parse_held(self.client.get(CONFIGMAPS, self.run.namespace, ref.name))
        except NotFound:
            raise OutputUnavailable(f"the output is lost: {place} is gone") from None
        if held.value is None or not is_it(held, ref):
            raise OutputUnavailable(f"the output is lost: {place} holds something else by now")
        return held.value


def unit_named(run: Run, step: str) -> Unit:
    """A step, or an Action of `finally`, by its id. Raises NotFound."""
    known = {unit.id: unit for unit in (*run.steps.values(), *run.finals)}
    if step not in known:
        there = f"it has {', '.join(known)}" if known else "it has none yet"
        raise NotFound(f'run {run.name} has no step "{step}"; {there}')
    return known[step]


def item_of(unit: Unit, at: int) -> Unit:
    """One item of a step with forEach. Raises NotFound."""
    if not 0 <= at < len(unit.items):
        has = f"items 0 to {len(unit.items) - 1}" if unit.items else "no items"
        raise NotFound(f"step {unit.id} has no item {at}; it has {has}")
    return unit.items[at]
