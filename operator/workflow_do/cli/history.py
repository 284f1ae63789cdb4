"""`history`, `diff` and `rollback`: the revisions of a Workflow, and which of them is in force.

Decides what is said, and that a rollback touches no Action of another Workflow unasked. What a
rollback is, the SDK decides.
"""

from __future__ import annotations

from collections import Counter

from workflow_do.api import names
from workflow_do.cli import exits, look, show
from workflow_do.cli.options import Cluster
from workflow_do.cli.revisions import LIVE, difference, history_table
from workflow_do.sdk.client import RUNS, Selection
from workflow_do.sdk.errors import Forbidden, NotFound, WorkflowDoError, WrongState
from workflow_do.sdk.revisions import (
    Change,
    History,
    Revision,
    fetch_history,
    plan_rollback,
    write_change,
)


def print_history(cluster: Cluster, workflow: str, output: str) -> None:
    """The revisions of a Workflow, the newest first; or as data, the oldest first."""
    history = fetch_history(cluster.client, cluster.namespace, workflow)
    if output != "table":
        kind = {"apiVersion": names.API_VERSION, "kind": names.REVISION.kind}
        items = [{**kind, **revision.raw} for revision in history.revisions]
        whole = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}
        show.data(whole, output, names.REVISION)
        return
    show.console().print(history_table(history, _runs(cluster, workflow), show.now()))
    if not history.revisions:
        exits.tell("no run has used it yet: a revision is made when the first one does")


def _runs(cluster: Cluster, workflow: str) -> Counter[str]:
    """How many runs are there of each revision; none where they may not be read."""
    try:
        items, _ = cluster.client.list_all(Selection(RUNS, cluster.namespace))
    except Forbidden:
        return Counter()
    mine = (i for i in items if (i.get("spec") or {}).get("workflowName") == workflow)
    return Counter(str((i.get("status") or {}).get("revisionName") or "") for i in mine)


def print_difference(
    cluster: Cluster, workflow: str, first: str | None, second: str | None
) -> None:
    """What differs between two revisions; by default from the one before to what is live."""
    history = fetch_history(cluster.client, cluster.namespace, workflow)
    before = _named(history, first) if first else history.before()
    lines = difference(before, _named(history, second or LIVE))
    target = show.console()
    for line in lines:
        target.print(line, style=_style(line), soft_wrap=True)
    if not lines:
        exits.tell("no difference")


def _named(history: History, wanted: str) -> Revision:
    if wanted != LIVE:
        return history.find(wanted)
    if history.live is None:
        raise NotFound(f'Workflow "{history.workflow}" is gone; name two revisions')
    return history.live


def _style(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def rollback(
    cluster: Cluster, workflow: str, to: str | None, *, shared: bool, dry_run: bool
) -> None:
    """Put a revision back into force: its Workflow and its Actions."""
    client = cluster.client
    history = fetch_history(client, cluster.namespace, workflow)
    revision = history.find(to) if to else history.before()
    changes = plan_rollback(client, history, revision)
    if not changes:
        exits.tell(f"nothing to do: revision {revision.number} is what is in force")
        return
    _require_unshared(changes, shared)
    for change in changes:
        how = "changes" if change.version else "is made anew"
        show.console().print(f"{change.kind.kind} {look.clean(change.name)} {how}", soft_wrap=True)
    if dry_run:
        exits.tell("nothing was written (--dry-run)")
        return
    _write(cluster, changes)
    show.console().print(
        f"workflow {workflow} is back at revision {revision.number} ({revision.name})",
        soft_wrap=True,
    )
    exits.tell("live runs go on as they began; what applies it from Git may take this back")


def _require_unshared(changes: list[Change], shared: bool) -> None:
    common = [change for change in changes if change.shared_by]
    if shared or not common:
        return
    told = "; ".join(f"{c.name} (used by {', '.join(c.shared_by[:3])})" for c in common[:5])
    raise WrongState(
        f"nothing was written: Actions of other Workflows would change: {told}; allow it with "
        "--shared-actions, or apply the Workflow with other Actions"
    )


def _write(cluster: Cluster, changes: list[Change]) -> None:
    """One object after the other; a failure says what was written before it."""
    for at, change in enumerate(changes):
        try:
            write_change(cluster.client, cluster.namespace, change)
        except WorkflowDoError:
            done = ", ".join(f"{c.kind.kind} {c.name}" for c in changes[:at]) or "nothing"
            exits.tell(f"not finished; written so far: {done}. The same command finishes it")
            raise
