"""WorkflowRun objects for tests, as the API server gives them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
BODY = {"email": "user@example.com", "name": "Alex"}
MESSAGE = "step syncToCrm: the program ended with exit code 3; its last line: CRM answered 503"


def at(second: int) -> str:
    """A moment of the test's day: second 0 is 12:00:00."""
    return f"2026-01-02T12:{second // 60:02}:{second % 60:02}Z"


def unit(state: str, begin: int | None = None, end: int | None = None, **more: Any) -> Object:
    """A unit's status, without its id and action."""
    status: Object = {"state": state, "tries": 0 if begin is None else 1}
    if begin is not None:
        status["startTime"] = at(begin)
    if end is not None:
        status["completionTime"] = at(end)
    return {**status, **more}


def condition(type_: str, status: str, reason: str, message: str = "") -> Object:
    """As the operator writes it."""
    said = {"type": type_, "status": status, "reason": reason, "message": message}
    return {**said, "lastTransitionTime": at(0)}


PENDING = unit("Pending")
CREATED = unit("Succeeded", 1, 3, output={"userId": "u-17", "created": True})


def onboarding(
    *steps: Object,
    reason: str = "Running",
    succeeded: str = "Unknown",
    message: str = "",
    handler: Object | None = None,
    end: int | None = None,
    **status: Any,
) -> Object:
    """A run of the onboarding example; `end` set: it is completed."""
    named = zip(
        ("createUser", "syncToCrm", "sendWelcome"),
        ("create-user-db", "add-user-to-crm", "send-welcome-email"),
        strict=True,
    )
    given = [*steps, *[PENDING] * (3 - len(steps))]
    merged = [
        {"id": id_, "action": action, **step}
        for (id_, action), step in zip(named, given, strict=True)
    ]
    done = sum(step["state"] == "Succeeded" for step in given)
    conditions = [
        condition("Succeeded", succeeded, reason, message),
        condition("Completed", "False" if end is None else "True", reason),
    ]
    whole = {
        "conditions": conditions,
        "startTime": at(0),
        "revisionName": "new-user-onboarding-flow-5d4f",
        "progress": f"{done}/3",
        "steps": merged,
        **status,
    }
    if end is not None:
        whole["completionTime"] = at(end)
    if handler is not None:
        whole["onFailure"] = {"action": "notify-devops-team", **handler}
    return run_object(whole)


def run_object(status: Object | None, name: str = "new-user-onboarding-flow-x7k2p") -> Object:
    """A WorkflowRun with that status; None: the operator has not seen it yet."""
    obj: Object = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": "7b7f4c1e",
            "resourceVersion": "41",
            "creationTimestamp": at(0),
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {
            "workflowName": "new-user-onboarding-flow",
            "trigger": {"type": "api", "body": BODY},
        },
    }
    return obj if status is None else {**obj, "status": status}


def failed(**more: Any) -> Object:
    """The second step failed, the handler has run, all is over."""
    broken = unit("Failed", 3, 6, reason="ExitCode", exitCode=3, message=MESSAGE, tries=2)
    return onboarding(
        CREATED,
        broken,
        reason="ExitCode",
        succeeded="False",
        message=MESSAGE,
        handler=unit("Succeeded", 6, 7, output={"sent": True}),
        end=8,
        currentStep="syncToCrm",
        **more,
    )


def undone(undo: Object, reason: str = "Compensating", **more: Any) -> Object:
    """As `failed`, and the first step has an undo; it goes on unless the undo has ended."""
    obj = failed(**more)
    obj["status"]["steps"][0]["compensation"] = {"action": "delete-user-db", **undo}
    conditions = obj["status"]["conditions"]
    if "completionTime" in undo:
        good = undo["state"] == "Succeeded"
        said = "1 of 1 undone" if good else f"could not be undone: createUser ({undo['reason']})"
        why = "Compensated" if good else "CompensationFailed"
        conditions.append(condition("Compensated", str(good), why, said))
    else:
        del obj["status"]["onFailure"], obj["status"]["completionTime"]
        conditions[:] = [
            condition("Succeeded", "Unknown", reason, MESSAGE),
            condition("Completed", "False", reason),
            condition("Compensated", "Unknown", "Compensating", "0 of 1 undone"),
        ]
    return obj


UNDOING = unit("Running", 6)
UNDONE = unit("Succeeded", 6, 7, output={"deleted": True})
NOT_UNDONE = unit(
    "Failed", 6, 7, reason="ExitCode", exitCode=4, message="the database is read-only"
)


def items_undone() -> Object:
    """Three of four items were done, of which one is undone, and another is being undone."""
    deleted = {"compensation": unit("Succeeded", 9, 10)}
    items = [
        unit("Succeeded", 1, 3),
        {**unit("Succeeded", 1, 4), "compensation": unit("Running", 11)},
        {**unit("Unknown", 2, 5, reason="NodeLost"), **deleted},
        unit("Failed", 2, 6, reason="ExitCode", exitCode=1),
    ]
    each = unit("Failed", 1, 6, reason="ExitCode", exitCode=1, message="item 3: no", items=items)
    return onboarding(each, reason="Compensating", message="createUser[3]: no")


def succeeded() -> Object:
    """All three steps, the second after a retry."""
    return onboarding(
        CREATED,
        unit("Succeeded", 3, 75, tries=3, output={"contact": "c-9"}),
        unit("Succeeded", 75, 76),
        reason="Succeeded",
        succeeded="True",
        end=77,
    )


LOG = "".join(f"line {n}\n" for n in range(1, 10)) + "  POST /contacts\n\x1b[31m503\x1b[0m\tdown\n"


def between_tries(reason: str = "Retrying") -> Object:
    """The second step has failed once, and its second attempt is due at second 9."""
    waits = unit(
        "Retrying",
        3,
        reason="ExitCode",
        exitCode=3,
        attempts=1,
        retryTime=at(9),
        message="the program ended with exit code 3",
        logsTail=LOG,
    )
    return onboarding(CREATED, waits, reason=reason, message="step syncToCrm: Retrying (ExitCode)")


def failed_with_log() -> Object:
    """As `failed`, with the end of the failed step's log, after two free tries."""
    obj = failed()
    obj["status"]["steps"][1] |= {"logsTail": LOG, "tries": 4, "attempts": 2}
    return obj


def cancelled() -> Object:
    """Stopped in its second step."""
    stopped = unit("Unknown", 3, 6, reason="Cancelled", message="the run was cancelled")
    message = "step syncToCrm: the run was cancelled"
    obj = onboarding(
        CREATED, stopped, reason="Cancelled", succeeded="False", message=message, end=6
    )
    obj["spec"]["desiredState"] = "Cancelled"
    return obj


def retried() -> Object:
    """A retry of `failed`, on its way: the first step taken over."""
    over = unit("Succeeded", end=1, output={"userId": "u-17"}, takenOver=True)
    obj = onboarding(over, unit("Running", 1))
    obj["spec"]["retryOf"] = {"runName": "new-user-onboarding-flow-q4w8z", "runUID": "u-0"}
    return obj
