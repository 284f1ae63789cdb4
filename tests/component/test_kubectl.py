"""What kubectl shows of our kinds and does with them: status, columns, short names, waiting."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from component.server import ApiServer
from component.test_crds import KINDS, SAMPLES, Object, run

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

SINCE = "2026-01-31T08:00:00Z"
LONG = "x" * 32 * 1024
"""metav1.Condition allows messages of 32 KiB."""


def condition(type_: str, status: str, reason: str, message: str = "") -> Object:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": SINCE,
        "observedGeneration": 1,
    }


RUN_STATUS = {
    "observedGeneration": 1,
    "revisionName": "flow-1",
    "startTime": SINCE,
    "completionTime": "2026-01-31T08:01:05.123456Z",
    "duration": "1m5s",
    "progress": "1/2",
    "currentStep": "sync",
    "conditions": [
        condition("Succeeded", "False", "ExitCode", "step sync: the program ended with 3"),
        condition("Completed", "True", "ExitCode"),
    ],
    "steps": [
        {
            "id": "create",
            "action": "act",
            "state": "Succeeded",
            "tries": 1,
            "seq": 1,
            "jobName": "j",
            "jobUID": "u",
            "imageID": "sha256:abc",
            "inputHash": "h",
            "output": {"userId": "u-17", "deep": [{"a": None}, 1.5]},
        },
        {"id": "sync", "action": "act", "state": "Failed", "exitCode": 3, "message": LONG},
    ],
    "onFailure": {"action": "notify", "state": "Succeeded", "tries": 1},
}


@pytest.fixture(scope="module")
def shown(server: ApiServer) -> ApiServer:
    """The server with one object named `shown` of each kind, the operator's word on each."""
    for kind, sample in SAMPLES.items():
        server.kubectl("create", "-f", "-", input=sample("shown"))
        ready = [condition("Ready", "False", "InvalidSchema", "inputSchema: the place")]
        status = RUN_STATUS if kind == "WorkflowRun" else {"conditions": ready}
        if kind not in ("WorkflowRevision", "WorkflowApproval"):
            write_status(server, kind, "shown", status)
    return server


def write_status(server: ApiServer, kind: str, name: str, status: Object) -> None:
    """By JSON Patch, as the operator does: a merge patch would drop the nulls in an output."""
    change = json.dumps([{"op": "add", "path": "/status", "value": status}])
    server.kubectl("patch", KINDS[kind], name, "--subresource=status", "--type=json", "-p", change)


def table(server: ApiServer, *arguments: str) -> list[dict[str, str]]:
    """What `kubectl get` shows, by column; the columns are found by where their names stand."""
    head, *rows = server.kubectl("get", *arguments).splitlines()
    starts = [at for at in range(len(head)) if head[at] != " " and head[max(0, at - 1)] in " "]
    starts = sorted({0, *starts})
    cuts = list(zip(starts, [*starts[1:], None], strict=True))
    names = [head[a:b].strip() for a, b in cuts]
    return [dict(zip(names, [row[a:b].strip() for a, b in cuts], strict=True)) for row in rows]


def test_the_status_is_kept_whole(shown: ApiServer) -> None:
    assert shown.get(KINDS["WorkflowRun"], "shown")["status"] == RUN_STATUS


def test_only_the_status_subresource_writes_the_status(shown: ApiServer) -> None:
    change = json.dumps({"status": {"progress": "9/9"}})
    shown.kubectl("patch", KINDS["WorkflowRun"], "shown", "--type=merge", "-p", change)

    assert shown.get(KINDS["WorkflowRun"], "shown")["status"]["progress"] == "1/2"


def test_writing_the_status_leaves_generation_and_spec(shown: ApiServer) -> None:
    found = shown.get(KINDS["WorkflowRun"], "shown")

    assert found["metadata"]["generation"] == 1
    assert found["spec"] == run("shown")["spec"]


def test_a_state_of_a_newer_operator_can_be_written(server: ApiServer) -> None:
    server.kubectl("create", "-f", "-", input=run("newer"))
    newer = copy.deepcopy(RUN_STATUS)
    newer["steps"][0]["state"] = "Skipped"  # type: ignore[index]

    write_status(server, "WorkflowRun", "newer", newer)

    assert server.get(KINDS["WorkflowRun"], "newer")["status"] == newer


@pytest.mark.parametrize(
    ("kind", "wide", "expected"),
    [
        pytest.param(
            "Action",
            False,
            {"NAME": "shown", "READY": "False", "REASON": "InvalidSchema"},
            id="actions",
        ),
        pytest.param(
            "Action",
            True,
            {
                "NAME": "shown",
                "READY": "False",
                "REASON": "InvalidSchema",
                "IMAGE": "example.com/a:1",
                "MESSAGE": "inputSchema: the place",
            },
            id="actions, wide",
        ),
        pytest.param(
            "Workflow",
            False,
            {"NAME": "shown", "READY": "False", "REASON": "InvalidSchema"},
            id="workflows",
        ),
        pytest.param(
            "WorkflowRevision",
            False,
            {"NAME": "shown", "WORKFLOW": "flow", "REVISION": "1"},
            id="revisions",
        ),
        pytest.param(
            "WorkflowApproval",
            False,
            {
                "NAME": "shown",
                "RUN": "run",
                "STEP": "approve",
                "DECISION": "Approve",
                "APPROVER": "sam@example.com",
            },
            id="approvals",
        ),
        pytest.param(
            "WorkflowRun",
            False,
            {
                "NAME": "shown",
                "WORKFLOW": "flow",
                "STATUS": "ExitCode",
                "PROGRESS": "1/2",
                "STEP": "sync",
            },
            id="runs",
        ),
        pytest.param(
            "WorkflowRun",
            True,
            {
                "NAME": "shown",
                "WORKFLOW": "flow",
                "STATUS": "ExitCode",
                "PROGRESS": "1/2",
                "STEP": "sync",
                "REVISION": "flow-1",
                "DURATION": "1m5s",
                "MESSAGE": "step sync: the program ended with 3",
            },
            id="runs, wide",
        ),
    ],
)
def test_columns(shown: ApiServer, kind: str, wide: bool, expected: dict[str, str]) -> None:
    [row] = table(shown, KINDS[kind], "shown", *(["-o", "wide"] if wide else []))

    assert row.pop("AGE")
    assert row == expected


@pytest.mark.parametrize(
    ("short", "kind"),
    [("act", "Action"), ("wfl", "Workflow"), ("wfv", "WorkflowRevision"), ("wfr", "WorkflowRun")],
)
def test_short_names(shown: ApiServer, short: str, kind: str) -> None:
    assert shown.get(short, "shown")["kind"] == kind


def test_the_category_lists_every_kind(shown: ApiServer) -> None:
    listed = shown.kubectl("get", "do", "-o", "name").split()

    assert {f"{kind.lower()}.workflow.do/shown" for kind in KINDS} <= set(listed)


def test_runs_are_found_by_their_workflow(shown: ApiServer) -> None:
    shown.kubectl("create", "-f", "-", input=run("elsewhere", workflowName="other"))

    found = shown.get(KINDS["WorkflowRun"], "--field-selector=spec.workflowName=other")

    assert [item["metadata"]["name"] for item in found["items"]] == ["elsewhere"]


@pytest.mark.parametrize(
    ("given", "done"),
    [
        pytest.param("condition=Completed", True, id="ended, well or not"),
        pytest.param("condition=Succeeded=False", True, id="failed"),
        pytest.param("jsonpath={.status.currentStep}=sync", True, id="at a step"),
        pytest.param("condition=Succeeded", False, id="succeeded"),
    ],
)
def test_waiting_for_a_run(shown: ApiServer, given: str, done: bool) -> None:
    seconds = "20s" if done else "1s"
    waited = shown.run("wait", "wfr/shown", f"--for={given}", f"--timeout={seconds}")

    assert (waited.returncode == 0) is done, waited.stderr


def test_a_second_condition_of_one_type_is_refused(shown: ApiServer) -> None:
    twice: list[Any] = [condition("Ready", "True", "Ready"), condition("Ready", "False", "Ready")]
    change = json.dumps({"status": {"conditions": twice}})
    refusal = shown.refused(
        "patch", KINDS["Action"], "shown", "--subresource=status", "--type=merge", "-p", change
    )

    assert "Duplicate value" in refusal
