"""The size budgets against a real store: what is within them is never refused for its size."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from component.server import ApiServer
from support.world import action, step, workflow
from unit.engine.test_budget import worst
from workflow_do.api import names
from workflow_do.api.run import RunStatus
from workflow_do.engine import budget
from workflow_do.engine.facts import Pinning, Run, parse_run
from workflow_do.engine.inputs import check_trigger
from workflow_do.engine.pinning import pin
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size
from workflow_do.runtime.api import REVISIONS, RUNS, Api, Conflict, Refused
from workflow_do.runtime.connection import connect
from workflow_do.runtime.status import StatusWriter, Written
from workflow_do.runtime.store import Store, key_of

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
_numbers = itertools.count(1)


def on_server(server: ApiServer, work: Callable[[Api], Awaitable[Any]]) -> Any:
    async def test() -> Any:
        link = connect({"KUBECONFIG": str(server.kubeconfig)})
        async with Api(link.server, link.session(limit=0)) as api, asyncio.timeout(50):
            return await work(api)

    return asyncio.run(test())


def run_of(body: Any) -> dict[str, Any]:
    meta = {"name": f"size-{next(_numbers)}"}
    spec = {"workflowName": "flow", "trigger": {"body": body}}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN.kind,
        "metadata": meta,
        "spec": spec,
    }


def parsed(raw: dict[str, Any]) -> Run:
    run = parse_run(raw)
    assert isinstance(run, Run)
    return run


def largest_trigger(char: str) -> str:
    """As much text as a trigger may hold; one more is refused by the engine."""
    frame = stored_size(parsed(run_of("")).spec.trigger.model_dump(mode="json"))
    return char * ((names.MAX_TRIGGER_BYTES - frame) // (stored_size(char) - 2))


def pinning(*steps: dict[str, Any]) -> Pinning | Problem:
    flow = workflow(*steps)
    run = parsed({**run_of(None), "metadata": {"name": "r", "namespace": "n"}})
    return pin(run, flow, {"do-it": action("do-it")}, [])


@pytest.mark.parametrize("char", ["x", "<", "行", '"'])
def test_the_worst_status_beside_the_largest_trigger_is_written(
    server: ApiServer, char: str
) -> None:
    """500 steps, 128 KiB of outputs, messages and logs without end: no write is refused."""
    small = pinning(step("one"))
    assert isinstance(small, Pinning)

    async def work(api: Api) -> None:
        store = Store()
        writer = StatusWriter(api, store)
        raw = await api.create(RUNS, server.namespace, run_of(largest_trigger(char)))
        assert check_trigger(small.definition, parsed(raw)) is None
        full = budget.fit(worst(char))
        begun = full.model_copy(update={"steps": full.steps[:250], "on_failure": None})
        for status in (RunStatus(progress="0/500"), begun, full):
            store.see_run(raw)
            assert await writer.write(key_of(raw), parsed(raw), status) is Written.DONE
            raw = await api.get(RUNS, server.namespace, raw["metadata"]["name"])
            assert parsed(raw).status == status
        await api.merge_patch(
            RUNS,
            server.namespace,
            raw["metadata"]["name"],
            {"metadata": {"annotations": {names.ANNOTATION_JOBS_DELETED: "x" * 100}}},
        )

    on_server(server, work)


def wide_step(at: int, keys: int) -> dict[str, Any]:
    return step(f"s{at}", **{f"k{n}": "<v" for n in range(keys)})


def test_the_largest_revision_is_stored(server: ApiServer) -> None:
    """With as many names of fields as can be, because who manages them is stored, too."""
    tries = (pinning(*(wide_step(at, keys) for at in range(500))) for keys in range(200, 0, -5))
    found = next(p for p in tries if isinstance(p, Pinning))
    assert found.manifest is not None
    assert stored_size(found.manifest) > 0.9 * names.MAX_REVISION_BYTES
    manifest = found.manifest
    manifest["metadata"]["namespace"] = server.namespace

    on_server(server, lambda api: api.create(REVISIONS, server.namespace, manifest))


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_what_the_store_does_not_take_is_a_definite_no(server: ApiServer) -> None:
    """The API server says 500, which would be asked again for ever."""

    async def work(api: Api) -> None:
        for size in (1_600_000, 2_500_000):
            with pytest.raises(Refused) as told:
                await api.create(RUNS, server.namespace, run_of("x" * size))
            assert told.value.code == 413

    on_server(server, work)


def test_a_deletion_is_of_what_was_meant(server: ApiServer) -> None:
    async def work(api: Api) -> None:
        raw = await api.create(RUNS, server.namespace, run_of(None))
        name, uid = raw["metadata"]["name"], raw["metadata"]["uid"]
        for wrong in ({"uid": "another"}, {"uid": uid, "version": 1}):
            with pytest.raises(Conflict):
                await api.delete(RUNS, server.namespace, name, **wrong)
        await api.delete(RUNS, server.namespace, name, uid=uid)
        assert await api.find(RUNS, server.namespace, name) is None
        with pytest.raises(ValueError, match="selector"):
            await api.delete_all(RUNS, server.namespace, "")

    on_server(server, work)
