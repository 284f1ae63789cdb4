"""What Events tell of Jobs that may be gone: the only memory that a cluster keeps of them.

Decides where to look, never what it means.
"""

from __future__ import annotations

from workflow_do.engine.facts import PastJob
from workflow_do.engine.inherited import parse_past_job
from workflow_do.runtime.api import EVENTS, Api


async def find_past_job(api: Api, namespace: str, name: str) -> PastJob | None:
    """The newest Job of that name that Events tell of, there or gone. Raises ApiError."""
    fields = f"involvedObject.kind=Job,involvedObject.name={name}"
    found = await api.list_all(EVENTS, namespace, fields=fields)
    return parse_past_job(found.items)
