"""What a Workflow is to a step that starts a run of it: what it takes, gives, and is wrong with it.

Each is read once, however many steps start it. One that leads back to itself is cut where it does:
there its outputs are known by name only. Knows no run and no cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow_do.api.names import MAX_CHILD_WORKFLOWS
from workflow_do.engine.check.finding import Finding, Severity
from workflow_do.engine.check.reader import read_schema
from workflow_do.engine.check.shape import ANY, Shape, record
from workflow_do.engine.uses import endless_steps, reach

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a Workflow: the body it takes, the outputs it gives, its faults."""

    taken: Shape
    given: Shape
    faults: tuple[Finding, ...] = ()


Read = Callable[[str, Raw, "Children"], Told]


class Children:
    """The Workflows that steps may start (raw specs by name); `read` checks one of them, but for
    the `root`, which is being checked.
    """

    def __init__(self, workflows: Mapping[str, Raw], root: str, read: Read) -> None:
        self.names = tuple(workflows)
        self._workflows = workflows
        self._read = read
        self._told = {root: by_name(workflows[root])}

    def find(self, name: str) -> Told | None:
        """What is known of that Workflow; None where it is not there."""
        raw = self._workflows.get(name)
        if raw is None:
            return None
        if name not in self._told:
            self._told[name] = by_name(raw)
            self._told[name] = self._read(name, raw, self)
        return self._told[name]


def by_name(raw: Raw) -> Told:
    """What a raw Workflow spec says without being checked: its bodySchema, its outputs' names."""
    trigger, outputs = raw.get("trigger"), raw.get("outputs")
    schema = trigger.get("bodySchema", True) if isinstance(trigger, Mapping) else True
    names = outputs if isinstance(outputs, Mapping) else {}
    return Told(read_schema(schema), record({str(name): ANY for name in names}))


def family_findings(name: str, family: Mapping[str, Raw]) -> Iterator[Finding]:
    """What is wrong with a Workflow together with those that its runs may come to, by name."""
    for at in endless_steps(name, family):
        message = "its runs always come back to this Workflow, until they are nested too deep"
        cure = "give a step on the way a `when`"
        yield Finding(f"steps[{at}].workflow", Severity.WARNING, message, cure)
    many = len(reach(family[name], family))
    if many > MAX_CHILD_WORKFLOWS:
        message = f"its runs may come to {many} Workflows, and {MAX_CHILD_WORKFLOWS} is the most"
        cure = "start some of them by other means"
        yield Finding("steps", Severity.ERROR, message, cure)
