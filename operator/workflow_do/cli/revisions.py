"""Revisions as text: the table of a Workflow's history, and the difference of two of them.

Decides in which words a change is told. Pure: revisions in, rich renderables and lines out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from difflib import unified_diff
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from workflow_do.cli import look
from workflow_do.sdk.revisions import History, Revision
from workflow_do.sdk.yamltext import dump_yaml

_MAX_CHANGES: Final = 4
LIVE: Final = "live"


def history_table(history: History, runs: Counter[str], now: datetime) -> Table:
    """A row for each revision, the newest first; `runs`: how many runs are there, by revision."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for head in ("REVISION", "NAME", "AGE", "RUNS", "CHANGE"):
        table.add_column(head, no_wrap=head in ("REVISION", "AGE", "RUNS"), overflow="fold")
    current = history.current
    before: Revision | None = None
    rows = []
    for revision in history.revisions:
        mark = " (current)" if revision is current else ""
        age = (now - revision.created).total_seconds() if revision.created else None
        rows.append(
            (
                f"{revision.number}{mark}",
                look.clean(revision.name),
                look.duration(age) if age is not None else "",
                str(runs[revision.name]),
                look.clean(change_of(before, revision)),
            )
        )
        before = revision
    if history.live is not None and current is None:
        rows.append(("- (current)", LIVE, "", "0", look.clean(change_of(before, history.live))))
    for row in reversed(rows):
        table.add_row(*(Text(cell) for cell in row))
    return table


def change_of(before: Revision | None, after: Revision) -> str:
    """What is new in a revision, in a few words."""
    if before is None:
        return "the first that is kept"
    found = [*_steps(before, after), *_actions(before, after), *_rest(before, after)]
    found += [*_children(before, after)]
    more = len(found) - _MAX_CHANGES
    said = ", ".join(found[:_MAX_CHANGES]) + (f" and {more} more" if more > 0 else "")
    return said or "nothing"


def _steps(before: Revision, after: Revision) -> Iterator[str]:
    old, new = _by_id(before.workflow), _by_id(after.workflow)
    yield from (f"+step {id_}" for id_ in new if id_ not in old)
    yield from (f"-step {id_}" for id_ in old if id_ not in new)
    yield from (f"step {id_}" for id_ in new if id_ in old and new[id_] != old[id_])
    kept = [id_ for id_ in new if id_ in old]
    if kept != [id_ for id_ in old if id_ in new]:
        yield "order of steps"


def _by_id(workflow: Mapping[str, Any]) -> dict[str, Any]:
    return {str(step.get("id")): step for step in workflow.get("steps") or ()}


def _actions(before: Revision, after: Revision) -> Iterator[str]:
    for name in sorted(before.actions.keys() | after.actions.keys()):
        old, new = before.actions.get(name), after.actions.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield f"{'+' if old is None else '-'}action {name}"
        elif old.get("image") != new.get("image"):
            yield f"action {name}: {new.get('image')}"
        else:
            yield f"action {name}"


def _children(before: Revision, after: Revision) -> Iterator[str]:
    """Other Workflows of which runs may be started, and that have changed."""
    kept = (name for name in sorted(after.children) if name in before.children)
    yield from (f"workflow {n}" for n in kept if before.children[n] != after.children[n])


def _rest(before: Revision, after: Revision) -> Iterator[str]:
    old, new = before.workflow, after.workflow
    keys = sorted((old.keys() | new.keys()) - {"steps"})
    yield from (key for key in keys if old.get(key) != new.get(key))


def difference(before: Revision, after: Revision) -> list[str]:
    """A unified diff of what they freeze, as YAML; empty where they are equal."""
    rows = (dump_yaml(_sorted(r.content)).splitlines() for r in (before, after))
    old, new = rows
    lines = unified_diff(old, new, _title(before), _title(after), lineterm="")
    return ["".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in li) for li in lines]


def _title(revision: Revision) -> str:
    return f"{revision.name} ({revision.number or LIVE})"


def _sorted(content: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in their order, so that how a file was written is no difference; lists as they are."""
    return {key: _value(content[key]) for key in sorted(content)}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _sorted(value)
    return [_value(item) for item in value] if isinstance(value, list) else value
