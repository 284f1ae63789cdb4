"""`approve` and `reject`: say what was decided about which step, and how to follow the run."""

from __future__ import annotations

from workflow_do.api.approval import Decision
from workflow_do.cli import exits, look, show
from workflow_do.cli.options import Cluster
from workflow_do.sdk.deciding import Asked, Said, decide

__all__ = ["Decision", "Said", "say"]


def say(cluster: Cluster, run: str, said: Said) -> None:
    """Decide, and say what that means now."""
    asked = decide(cluster.client, cluster.namespace, run, said)
    show.console().print(look.clean(decided_line(run, asked, said.decision)), soft_wrap=True)
    exits.tell(f"follow it with: kubectl workflow watch {run} -n {cluster.namespace}")


def decided_line(run: str, asked: Asked, decision: Decision) -> str:
    """What was decided, and what is still missing."""
    if decision is Decision.REJECT:
        return f"run {run}: step {asked.name} rejected; it ends as failed"
    missing = asked.unit.approvals_required - len(asked.unit.approved_by) - 1
    rest = f"; {missing} more to come" if missing > 0 else "; it goes on"
    return f"run {run}: step {asked.name} approved{rest}"
