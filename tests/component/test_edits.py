"""R12: a Workflow and its Action are edited over and over while runs are under way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from component.server import ApiServer
from faults.scenario import API, completed, verdict
from support.autokubelet import AutoKubelet, Outcome, Try
from support.calls import Calls, calling
from support.operator import operating
from workflow_do.api import names
from workflow_do.runtime.api import ACTIONS, JOBS, REVISIONS, RUNS, WORKFLOWS
from workflow_do.runtime.connection import connect

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
EDITS, RUNS_IN_ALL = 100, 20
STEPS = ("one", "two", "three")
Raw = dict[str, Any]


def spec_of_action(version: int) -> Raw:
    """An Action whose image tells its version."""
    return {"image": f"example.com/work:{version}"}


def spec_of_workflow(version: int) -> Raw:
    """A Workflow that hands its version to every step; every other one has a step less."""
    steps = [{"id": s, "action": "work", "input": {"version": version}} for s in STEPS]
    return {"steps": steps[: 3 - version % 2]}


async def outcome(_: Try) -> Outcome:
    """A step takes longer than a few edits."""
    return Outcome({}, seconds=0.5)


async def edit_under_load(api: Calls, namespace: str) -> list[str]:
    """A hundred edits, by turns of the Workflow and of the Action, and a run now and then."""
    for version in range(1, EDITS + 1):
        if version % 2:
            change, resource, name = spec_of_workflow(version), WORKFLOWS, "edited"
        else:
            change, resource, name = spec_of_action(version), ACTIONS, "work"
        await api.merge_patch(resource, namespace, name, {"spec": change})
        if version % (EDITS // RUNS_IN_ALL) == 0:
            await api.create(RUNS, namespace, run(version))
        await asyncio.sleep(0.05)
    return [run(n)["metadata"]["name"] for n in range(5, EDITS + 1, EDITS // RUNS_IN_ALL)]


def run(number: int) -> Raw:
    """A run that begins between two edits."""
    spec = {"workflowName": "edited", "trigger": {"type": "api"}}
    meta = {"name": f"run-{number}"}
    return {"apiVersion": API, "kind": "WorkflowRun", "metadata": meta, "spec": spec}


async def finish(api: Calls, namespace: str, name: str) -> Raw:
    """The run, once it is completed."""
    async with asyncio.timeout(60):
        while True:
            raw = await api.get(RUNS, namespace, name)
            if completed(raw):
                return raw
            await asyncio.sleep(0.2)


def seen_by(job: Raw) -> tuple[str, int]:
    """The image of a Job, and the version that its program is given."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (given,) = [row["value"] for row in container["env"] if row["name"] == "ACTION_INPUT"]
    return container["image"], json.loads(given)["version"]


def pinned(revision: Raw) -> tuple[int, tuple[str, int]]:
    """How many steps a revision has, and what each of its Jobs must see."""
    flow, actions = revision["spec"]["workflow"], revision["spec"]["actions"]
    image = actions["work"]["image"]
    return len(flow["steps"]), (image, flow["steps"][0]["input"]["version"])


async def play(server: ApiServer) -> tuple[list[Raw], list[Raw], list[Raw]]:
    """The runs, the Jobs and the revisions that the edits leave behind."""
    namespace, link = server.namespace, connect({"KUBECONFIG": str(server.kubeconfig)})
    async with calling(server.kubeconfig) as api:
        meta = {"apiVersion": API, "metadata": {"name": "work"}}
        await api.create(ACTIONS, namespace, {**meta, "kind": "Action", "spec": spec_of_action(0)})
        meta = {"apiVersion": API, "metadata": {"name": "edited"}}
        flow = {**meta, "kind": "Workflow", "spec": spec_of_workflow(0)}
        await api.create(WORKFLOWS, namespace, flow)
        kubelet = asyncio.create_task(AutoKubelet(link, api, outcome, namespace).run())
        try:
            begun = await edit_under_load(api, namespace)
            runs = [await finish(api, namespace, name) for name in begun]
        finally:
            kubelet.cancel()
            await asyncio.wait((kubelet,))
        jobs = await api.list_all(JOBS, namespace)
        revisions = await api.list_all(REVISIONS, namespace)
        return runs, list(jobs.items), list(revisions.items)


def test_a_hundred_edits_touch_no_live_run(server: ApiServer, tmp_path: Path) -> None:
    """Each run is of one revision to its end: its steps, their input and their image."""
    with operating(server.kubeconfig, server.namespace, tmp_path / "operator.log"):
        runs, jobs, revisions = asyncio.run(play(server))
    assert [verdict(run) for run in runs] == [("True", "Succeeded")] * RUNS_IN_ALL
    by_name = {raw["metadata"]["name"]: raw for raw in revisions}
    used = {run["status"]["revisionName"] for run in runs}
    assert len(used) >= RUNS_IN_ALL // 2, "the edits and the runs hardly met"
    for run in runs:
        steps, expected = pinned(by_name[run["status"]["revisionName"]])
        uid = run["metadata"]["uid"]
        mine = [job for job in jobs if job["metadata"]["labels"][names.LABEL_RUN_UID] == uid]
        assert [seen_by(job) for job in mine] == [expected] * steps
        assert [step["state"] for step in run["status"]["steps"]] == ["Succeeded"] * steps
