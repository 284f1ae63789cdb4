"""Whether approvals can be believed: an attempt, as a dry run, to make one in another's name.

Trying is better than reading the admission policy: it tells of the policy, its binding, its mode
and its scope at once, and of any other policy that does as much. Decides what the answer means.
"""

from __future__ import annotations

from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.approval import Decision
from workflow_do.engine.facts import Guard, Run
from workflow_do.runtime.api import APPROVALS, Api, NotFound, Refused, Unavailable

NOBODY: Final = "workflow.do:nobody"
"""A name that no user has."""
_DENIALS: Final = ("denied request", "denied the request")
"""How the API server begins to tell what a policy, or a webhook, refused."""


async def try_forgery(api: Api, run: Run) -> Guard:
    """What came of it. Raises Unavailable where that cannot be told."""
    try:
        await api.try_to_create(APPROVALS, run.namespace, _forged(run))
    except NotFound as error:
        raise Unavailable(str(error)) from error
    except Refused as error:
        if any(words in error.message for words in _DENIALS):
            return Guard()
        if "NamespaceTerminating" in error.causes:
            raise Unavailable(error.message) from error
        return Guard(f"it cannot be seen whether approvals are protected: {error.message}")
    return Guard(
        "an approval in another's name would be let through: install the admission policy "
        "(value approvals.createPolicy of the chart)"
    )


def _forged(run: Run) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.APPROVAL.kind,
        "metadata": {"name": "forged", "namespace": run.namespace},
        "spec": {
            "workflowName": run.spec.workflow_name,
            "runName": run.name,
            "runUID": run.uid,
            "step": "forged",
            "decision": Decision.APPROVE.value,
            "approver": NOBODY,
        },
    }
