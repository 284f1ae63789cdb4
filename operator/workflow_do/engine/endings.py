"""What the end of a container means before and beside the Pod's phase. Judges nothing.

A kubelet that evicts a Pod, or shuts down, reports the end of the container first; that it was the
cause shows only with the phase, about a second later. So an end that the program may not have
chosen waits for the phase; a good one does not, for the sake of every undisturbed step.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from workflow_do.engine.facts import PodFact

_PHASE: Final = timedelta(seconds=10)
"""After the end of a container, how long its Pod's phase may take; it takes about a second."""
_SKEW: Final = timedelta(seconds=2)
"""Nodes and API server have clocks of their own, and write whole seconds."""
_BY_KUBELET: Final = frozenset({"Evicted", "Terminated", "Preempting"})
"""Pod reasons of an eviction for want of resources, a node's shutdown, a critical Pod's arrival."""


def phase_due(pod: PodFact) -> datetime | None:
    """Until when to wait for the phase of a Pod whose container ended badly; None: no need. That
    it was to make way after its end explains nothing.
    """
    finished = pod.container.finished
    told = pod.final or evicted(pod) is not None or pod.deletion is not None
    if pod.container.exit_code == 0 or told or finished is None:
        return None
    return finished + _PHASE


def evicted(pod: PodFact) -> str | None:
    """Why a Pod was evicted; None where it was not, or only after its container had ended."""
    if pod.reason in _BY_KUBELET:
        return pod.disrupted or pod.message or pod.reason
    if not pod.disrupted:
        return None
    finished, asked = pod.container.finished, pod.disrupted_at
    if finished is not None and asked is not None and finished + _SKEW < asked:
        return None
    return pod.disrupted


def stranded(pod: PodFact) -> bool:
    """Whether a Pod was left behind by its Job, is on no node, and would end at once on one."""
    return pod.orphan and not pod.bound and pod.deadline is not None and pod.deadline <= 1
