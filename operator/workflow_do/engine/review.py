"""What is answered when somebody applies a Workflow or an Action, where the API server asks first.

By the same checks as the condition Ready: errors refuse the object, warnings are told. Decides one
thing more: what is not there is no reason to refuse a Workflow that uses it, for both may be
applied in any order. Total, whatever the object holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workflow_do.api import names
from workflow_do.engine.check import Finding, check_action, check_workflow, errors, tell
from workflow_do.engine.facts import Raw, spec_of
from workflow_do.engine.freezing import NOTHING
from workflow_do.engine.uses import child_names, used_names

_MAX_WARNINGS: Final = 10
_WARNING_CHARS: Final = 250
"""What a client shows of a warning, by the rules of the API (admission webhooks, "Response")."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an object may be stored; `message`: why not; `warnings` are shown to whoever asks."""

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()


def review(
    kind: str, raw: Raw, actions: Mapping[str, Raw], workflows: Mapping[str, Raw] = NOTHING
) -> Answer:
    """The answer about an object of a kind, given the raw Actions that it uses, and the other raw
    Workflows that its runs may come to, by name.
    """
    name = str((raw.get("metadata") or {}).get("name", ""))
    if kind == names.ACTION.kind:
        return _answer(check_action(name, spec_of(raw)))
    if kind != names.WORKFLOW.kind:
        return Answer(True)
    specs = {action: spec_of(found) for action, found in actions.items()}
    others = {other: spec_of(found) for other, found in workflows.items()}
    findings = check_workflow(name, spec_of(raw), specs, complete=False, workflows=others)
    missing = sorted(used_names(spec_of(raw), specs) - specs.keys())
    absent = sorted(child_names(spec_of(raw)) - {name, *others})
    notes = [f"there is no Action `{action}` yet" for action in missing]
    return _answer(findings, (*notes, *(f"there is no Workflow `{n}` yet" for n in absent)))


def _answer(findings: tuple[Finding, ...], notes: tuple[str, ...] = ()) -> Answer:
    stops = errors(findings)
    told = [str(f).removeprefix("warning: ") for f in findings if f not in stops]
    warnings = [text[:_WARNING_CHARS] for text in [*told, *notes]]
    more = len(warnings) - _MAX_WARNINGS
    if more > 0:
        warnings = [*warnings[:_MAX_WARNINGS], f"and {more} more"]
    return Answer(not stops, tell(stops), tuple(warnings))
