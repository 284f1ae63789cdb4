"""The runtime in this process against a real API server: lost answers, silent streams."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from component.server import ApiServer
from support.faults import Fault, Faults, faulty
from support.kubelet import Kubelet
from workflow_do.api import names
from workflow_do.api.conditions import Condition
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus
from workflow_do.engine import identity
from workflow_do.engine.effects import CreateJob, ExpirePod, SuspendJob
from workflow_do.engine.facts import Observed, Run, parse_run
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.problem import Problem
from workflow_do.runtime.api import EVENTS, JOBS, RUNS, Api, Refused, Unavailable
from workflow_do.runtime.config import Settings
from workflow_do.runtime.connection import connect
from workflow_do.runtime.execute import Executor, JobGone, RunGone
from workflow_do.runtime.observe import Observer
from workflow_do.runtime.operator import Operator
from workflow_do.runtime.status import StatusWriter, Written
from workflow_do.runtime.store import RunKey, Store, key_of

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
_numbers = itertools.count(1)
UNIT = Unit(Role.DO, "one")


@dataclass
class Stage:
    """One run on the API server, unknown to any operator, and the parts that act on it."""

    server: ApiServer
    api: Api
    store: Store
    key: RunKey
    run: Run

    def look(self) -> Observed:
        nothing = Problem(Reason.WORKFLOW_NOT_FOUND, "not looked for")
        return Observed(run=self.run, definition=nothing)

    def job(self, **more: Any) -> CreateJob:
        """The effect of starting the first try."""
        name = identity.job_name(self.run.name, self.run.uid, UNIT, 1)
        labels = identity.labels("flow", self.run.name, self.run.uid, UNIT, 1)
        owner = {
            "apiVersion": names.API_VERSION,
            "kind": names.RUN.kind,
            "name": self.run.name,
            "uid": self.run.uid,
            "controller": True,
        }
        container = {"name": names.CONTAINER, "image": "example.com/x:1"}
        pod = {"restartPolicy": "Never", "containers": [container], **more}
        meta = {"name": name, "labels": labels, "ownerReferences": [owner]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"backoffLimit": 0, "template": template}
        return CreateJob(
            name, {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}
        )

    async def jobs(self) -> list[str]:
        found = await self.api.list_all(JOBS, self.key.namespace)
        return [
            job["metadata"]["name"]
            for job in found.items
            if job["metadata"]["labels"].get(names.LABEL_RUN_UID) == self.key.uid
        ]


def on_stage(
    server: ApiServer, work: Callable[[Stage], Awaitable[Any]], faults: Faults | None = None
) -> Any:
    async def test() -> Any:
        link = connect({"KUBECONFIG": str(server.kubeconfig)})
        async with faulty(link, faults or (lambda _, __: Fault.NONE)) as api, asyncio.timeout(50):
            raw = await api.create(
                RUNS,
                server.namespace,
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.RUN.kind,
                    "metadata": {"name": f"fault-{next(_numbers)}"},
                    "spec": {"workflowName": "flow", "trigger": {}},
                },
            )
            store, run = Store(), parse_run(raw)
            assert isinstance(run, Run)
            store.see_run(raw)
            return await work(Stage(server, api, store, key_of(raw), run))

    return asyncio.run(test())


def first_posts_of_jobs(*fates: Fault) -> Faults:
    """These fates for the first POSTs of Jobs; all else is answered."""
    left = list(fates)

    def fate(method: str, path: str) -> Fault:
        return left.pop(0) if left and method == "POST" and path.endswith("/jobs") else Fault.NONE

    return fate


@pytest.mark.parametrize(
    "fates",
    [
        (Fault.LOST_ANSWER,),
        (Fault.LOST_REQUEST,),
        (Fault.ERROR,),
        (Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.ERROR),
    ],
    ids=lambda fates: "+".join(fate.name for fate in fates).lower(),
)
def test_a_job_whose_answer_is_lost_is_made_once(
    server: ApiServer, fates: tuple[Fault, ...]
) -> None:
    async def work(stage: Stage) -> None:
        executor = Executor(stage.api, stage.store)
        seen = await executor.execute(stage.key, (stage.job(),), stage.look())
        assert [job.name for job in seen.jobs] == await stage.jobs()
        assert len(seen.jobs) == 1
        assert seen.refusals == {}

    on_stage(server, work, first_posts_of_jobs(*fates))


def test_an_answer_that_stays_unknown_is_left_to_the_queue(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        record = stage.store.record(stage.key.uid)
        assert record is not None
        record.looked = True
        executor = Executor(stage.api, stage.store)
        with pytest.raises(Unavailable):
            await executor.execute(stage.key, (stage.job(),), stage.look())
        assert not record.looked, "next time the API server is asked what is there"
        assert not record.vouched, "and its Events what was there"
        assert await stage.jobs() == []

    on_stage(server, work, first_posts_of_jobs(*[Fault.LOST_REQUEST] * 100))


def test_a_job_that_was_made_unheard_and_is_gone_is_not_made_again(server: ApiServer) -> None:
    """Nobody heard the answer; before the POST is repeated, the Job has come and gone."""

    async def work(stage: Stage) -> None:
        record = stage.store.record(stage.key.uid)
        assert record is not None
        record.vouched = True
        effect = stage.job()
        await stage.api.create(EVENTS, stage.key.namespace, spoken_of(effect.name, stage.key))
        with pytest.raises(JobGone):
            await Executor(stage.api, stage.store).execute(stage.key, (effect,), stage.look())
        assert await stage.jobs() == []
        assert not record.vouched, "the next plan asks, and counts it as begun"
        observer = Observer(stage.api, stage.store)
        seen = await observer.with_past(stage.look(), frozenset({effect.name, "never-was"}))
        assert seen.past["never-was"] is None
        past = seen.past[effect.name]
        assert past is not None
        assert past.uid == "past-1"

    on_stage(server, work, first_posts_of_jobs(Fault.LOST_REQUEST))


def spoken_of(job: str, key: RunKey) -> dict[str, Any]:
    """The Job controller's Event about a Job that is gone."""
    return {
        "metadata": {"name": f"{job}.1", "namespace": key.namespace},
        "involvedObject": {
            "kind": "Job",
            "name": job,
            "namespace": key.namespace,
            "uid": "past-1",
        },
        "reason": "SuccessfulCreate",
        "message": f"Created pod: {job}-x",
        "firstTimestamp": "2026-01-31T08:00:00Z",
    }


def test_a_definite_no_is_a_refusal(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        effect = stage.job(serviceAccountName="Not a name")
        seen = await Executor(stage.api, stage.store).execute(stage.key, (effect,), stage.look())
        refusal = seen.refusals[effect.name]
        assert refusal.reason is Reason.JOB_REJECTED
        assert "HTTP 422" in refusal.message
        assert "serviceAccountName" in refusal.message

    on_stage(server, work)


@pytest.mark.parametrize("change", ["another owner", "another try"])
def test_a_job_of_another_identity_is_not_adopted(server: ApiServer, change: str) -> None:
    async def work(stage: Stage) -> None:
        theirs, ours = stage.job(), stage.job()
        if change == "another owner":
            theirs.manifest["metadata"]["ownerReferences"] = []
        else:
            theirs.manifest["metadata"]["labels"][names.LABEL_TRY] = "2"
        await stage.api.create(JOBS, stage.key.namespace, theirs.manifest)
        seen = await Executor(stage.api, stage.store).execute(stage.key, (ours,), stage.look())
        assert seen.refusals[ours.name].reason is Reason.NAME_CONFLICT
        assert seen.jobs == ()

    on_stage(server, work)


def test_a_namespace_that_is_going_says_nothing_about_the_action(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        name = f"{server.namespace}-going"
        server.kubectl("create", "namespace", name)
        body = '{"spec": {"finalizers": ["kubernetes"]}, "metadata": {"finalizers": ["x.test/x"]}}'
        server.kubectl("patch", "namespace", name, "--type=merge", "-p", body)
        server.kubectl("delete", "namespace", name, "--wait=false")
        key = RunKey(name, stage.key.name, stage.key.uid)
        with pytest.raises(RunGone):
            await Executor(stage.api, stage.store).execute(key, (stage.job(),), stage.look())
        release = '{"metadata": {"finalizers": null}}'
        server.kubectl("patch", "namespace", name, "--type=merge", "-p", release)

    on_stage(server, work)


def test_stopping_what_is_gone_is_fine(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        executor = Executor(stage.api, stage.store)
        effects = (SuspendJob("nowhere"), ExpirePod("nowhere"))
        seen = await executor.execute(stage.key, effects, stage.look())
        assert (seen.jobs, seen.pods) == ((), ())

    on_stage(server, work)


def test_stopping_twice_is_fine(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        executor, effect = Executor(stage.api, stage.store), stage.job()
        seen = await executor.execute(stage.key, (effect,), stage.look())
        for _ in range(2):
            seen = await executor.execute(stage.key, (SuspendJob(effect.name),), seen)
        assert [job.suspend for job in seen.jobs] == [True]

    on_stage(server, work)


def test_a_stale_status_is_refused_and_the_run_looked_at_again(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        writer = StatusWriter(stage.api, stage.store)
        record = stage.store.record(stage.key.uid)
        assert record is not None
        record.looked = True
        server.kubectl("label", "wfr", stage.key.name, "x=y")
        new = RunStatus(progress="0/1")
        assert await writer.write(stage.key, stage.run, new) is Written.STALE
        assert not record.looked
        fresh = parse_run(await stage.api.get(RUNS, stage.key.namespace, stage.key.name))
        assert isinstance(fresh, Run)
        assert await writer.write(stage.key, fresh, new) is Written.DONE
        assert isinstance(record.run, Run)
        assert record.run.status.progress == "0/1"
        assert await writer.write(stage.key, record.run, new) is Written.SAME
        assert await writer.write(stage.key, record.run, RunStatus(progress="1/1")) is Written.DONE

    on_stage(server, work)


def test_a_status_that_lacks_a_default_is_written_whole(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        bare = '{"status": {"progress": "0/1"}}'
        server.kubectl(
            "patch", "wfr", stage.key.name, "--subresource=status", "--type=merge", "-p", bare
        )
        raw = await stage.api.get(RUNS, stage.key.namespace, stage.key.name)
        run = parse_run(raw)
        assert "steps" not in raw["status"]
        assert isinstance(run, Run)
        step = {"id": "one", "action": "a"}
        new = RunStatus.model_validate({"progress": "1/1", "steps": [step]})
        assert await StatusWriter(stage.api, stage.store).write(stage.key, run, new) is Written.DONE

    on_stage(server, work)


def test_where_there_is_nothing_to_say_nothing_is_written(server: ApiServer) -> None:
    """A run that is being deleted before it began would else be written over and over again."""

    async def work(stage: Stage) -> None:
        writer = StatusWriter(stage.api, stage.store)
        assert await writer.write(stage.key, stage.run, RunStatus()) is Written.SAME
        raw = await stage.api.get(RUNS, stage.key.namespace, stage.key.name)
        assert raw["metadata"]["resourceVersion"] == stage.run.resource_version

    on_stage(server, work)


def test_a_status_that_is_invalid_is_an_error(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        twice = {"type": "Completed", "status": "False", "reason": "Running"}
        row = Condition.model_validate({**twice, "lastTransitionTime": "2026-01-31T08:00:00Z"})
        new = RunStatus(conditions=(row, row))
        with pytest.raises(Refused):
            await StatusWriter(stage.api, stage.store).write(stage.key, stage.run, new)

    on_stage(server, work)


def test_a_run_that_is_gone_is_dropped(server: ApiServer) -> None:
    async def work(stage: Stage) -> None:
        server.kubectl("delete", "wfr", stage.key.name)
        writer = StatusWriter(stage.api, stage.store)
        new = RunStatus(progress="0/1")
        assert await writer.write(stage.key, stage.run, new) is Written.GONE
        assert stage.store.record(stage.key.uid) is None

    on_stage(server, work)


def define(server: ApiServer) -> None:
    """A Workflow of one step."""
    for kind, name, spec in (
        ("Action", "silent", {"image": "example.com/x:1"}),
        ("Workflow", "flow", {"steps": [{"id": "one", "action": "silent"}]}),
    ):
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}}
        server.kubectl("apply", "-f", "-", input={**body, "spec": spec})


def test_a_404_that_somebody_in_between_gave_is_not_the_end_of_a_run(server: ApiServer) -> None:
    """Nothing else brings the run back: no watch, and no comparison with the API server."""

    async def work(stage: Stage) -> None:
        define(server)
        operator = Operator(stage.api, Settings(namespaces=(server.namespace,)))
        operator.run_seen(await stage.api.get(RUNS, stage.key.namespace, stage.key.name))
        task = asyncio.create_task(operator.run(resync_seconds=600))
        while True:
            if await stage.jobs():
                break
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait((task,))

    on_stage(server, work, first_posts_of_jobs(Fault.NOT_FOUND))


def test_with_every_stream_silent_a_run_still_comes_to_its_end(server: ApiServer) -> None:
    """No watch at all: only the comparison with the API server brings news."""
    kubelet = Kubelet(str(server.kubeconfig), server.namespace)

    async def work(stage: Stage) -> None:
        define(server)
        operator = Operator(stage.api, Settings(namespaces=(server.namespace,)))
        task = asyncio.create_task(operator.run(resync_seconds=1))
        pod = await asyncio.to_thread(kubelet.await_pod, stage.key.name, "one")
        await asyncio.to_thread(kubelet.start, pod)
        await asyncio.to_thread(kubelet.end, pod, {})
        while True:
            raw = await stage.api.get(RUNS, stage.key.namespace, stage.key.name)
            rows = raw.get("status", {}).get("conditions", [])
            if any(row["type"] == "Completed" and row["status"] == "True" for row in rows):
                break
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait((task,))

    on_stage(server, work)
