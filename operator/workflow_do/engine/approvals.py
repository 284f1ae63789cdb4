"""Which decisions of people count for a step that waits for approval, and what they come to.

The API server has checked who made an approval; this module decides whether it is about this step
of this run, in time, and the first of its maker. What counted is written into the step's record
and counts from then on, whatever becomes of the object. Knows no clock and no cluster.
"""

from __future__ import annotations

from workflow_do.api.run import RunStatus, StepState


def awaits_approval(status: RunStatus) -> bool:
    """Whether a step waits for people to decide: only then do their decisions matter."""
    return any(s.state is StepState.RUNNING and s.approvals is not None for s in status.steps)
