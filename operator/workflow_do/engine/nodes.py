"""What a Pod tells of its node: that it does not answer, is gone, or never began the container.

From the Pod alone, so that the operator needs no right to read Nodes. Judges nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from workflow_do.engine.definition import ActionDef
from workflow_do.engine.facts import PodFact
from workflow_do.engine.memo import once_by

NO_ANSWER: Final = "the node does not answer"
_KUBELET_SLACK: Final = timedelta(seconds=30)
"""After deadline and grace, how long the kubelet gets to end a container by itself."""
_NO_NEWS: Final = timedelta(seconds=60)
"""After the time by which a Pod that is deleted should be gone."""
_DEFAULT_GRACE: Final = 30


def given_up(pod: PodFact) -> bool:
    """Whether Kubernetes ended the Pod in the name of a node that is gone, or out of service.

    A kubelet reports a phase that is final only once it has ended the container, and why if it
    refused the Pod; so a bound Pod of such a phase of which neither is told had none to ask. What
    was last seen of it may be long past: a container that waited then may have run since.
    """
    over = pod.final and pod.reason in ("", "NodeLost")
    return over and pod.bound and pod.container.state != "terminated"


def never_was(pod: PodFact) -> bool:
    """Whether the kubelet ended a Pod whose container it had never begun: to be on the safe side
    it reports one that cannot be found, but of one that had run it knows the id, or the past.
    """
    return pod.container.reason == "ContainerStatusUnknown" and pod.container.traceless


def lost_at(pod: PodFact) -> datetime | None:
    """When it shows that the node does not answer: its kubelet should have ended the Pod."""
    return pod.deletion + _NO_NEWS if pod.deletion is not None else None


def surely_over(action: ActionDef, pod: PodFact) -> datetime | None:
    """When the container cannot run any more: the kubelet enforces the deadline alone."""
    if pod.started is None:
        return None
    grace = action.spec.termination_grace_period_seconds
    grace = _DEFAULT_GRACE if grace is None else grace
    # A stop shortens the deadline that is shown; when the node hears of it nobody knows.
    seconds = max(pod.deadline or 0, action.spec.active_deadline_seconds) + grace
    return pod.started + timedelta(seconds=seconds) + _KUBELET_SLACK


@once_by
def runs_until(action: ActionDef, pod: PodFact) -> datetime | None:
    """Until when there is nothing to say of a container: it runs, and nothing is told of its node.
    None: look closer.
    """
    doubt = pod.container.state != "running" or pod.deletion is not None or given_up(pod)
    return None if doubt else surely_over(action, pod)


def over_at(pod: PodFact) -> datetime | None:
    """When a Pod that is being deleted cannot run any more, by what it says itself: nobody knows
    its Action any more. None: it does not say, or its deadline was shortened to stop it.
    """
    if pod.deletion is None or pod.deadline is None or pod.deadline <= 1:
        return None
    begun = pod.started or pod.deletion
    return begun + timedelta(seconds=pod.deadline + pod.grace) + _KUBELET_SLACK


def never_acknowledged(action: ActionDef, pod: PodFact) -> datetime | None:
    """When a Pod that its node has never spoken of is given up.

    A node that comes back starts what it finds, but nothing that is being deleted; so only then is
    there an end: what it had begun unheard before that is over when its time is.
    """
    if pod.deletion is None:
        return None
    return pod.deletion + timedelta(seconds=action.spec.active_deadline_seconds) + _KUBELET_SLACK
