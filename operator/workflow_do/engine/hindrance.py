"""Why a Pod's container does not begin, in words of ours. Judges nothing."""

from __future__ import annotations

from typing import Final

from workflow_do.api.reasons import Reason
from workflow_do.engine.facts import PodFact

START: Final = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})
_PULL: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
    }
)
_CONFIG: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})


def cause(pod: PodFact) -> tuple[Reason | None, str]:
    """Why it does not begin, and what Kubernetes says of it."""
    c = pod.container
    if c.state == "waiting" and c.reason in _PULL:
        return Reason.IMAGE_PULL, c.message or c.reason
    if c.state == "waiting" and c.reason in _CONFIG:
        return Reason.CONTAINER_CONFIG, c.message or c.reason
    if c.state == "waiting" and c.reason in START:
        return Reason.START_ERROR, c.message or c.reason
    if pod.unschedulable and not pod.bound:
        return Reason.UNSCHEDULABLE, pod.unschedulable
    return None, ""
