"""What fits the state of a run: told before it is sent, as the operator would decide it."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import World, action, step, workflow
from unit.cli import runs
from workflow_do.api.reasons import Reason
from workflow_do.api.run import DesiredState
from workflow_do.cli.control import answer_line, taken_over_line
from workflow_do.engine.facts import Run as Fact
from workflow_do.engine.facts import parse_run as parse_fact
from workflow_do.engine.pinning import pin_retry
from workflow_do.engine.problem import Problem
from workflow_do.sdk.control import retry_manifest, why_no_retry
from workflow_do.sdk.run import Run, parse_run

NAME = "new-user-onboarding-flow-x7k2p"


def world(*codes: int) -> World:
    """A run of two steps, of which those with a code have ended."""
    w = World(workflow(step("a"), step("b")), action("do-it"), body={"n": 1})
    w.reconcile()
    for code in codes:
        w.ends("{}", code=code)
        w.reconcile()
    return w


def _claimed() -> World:
    w = world(1)
    w.meta("annotations")["workflow.do/retried-by"] = "somebody"
    return w


def _never_begun() -> World:
    w = World(None)
    w.reconcile()
    w.tick(30)
    w.reconcile()
    return w


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(lambda: world(1), None, id="failed"),
        pytest.param(lambda: world(0, 1), None, id="failed-later"),
        pytest.param(lambda: world(0), "has not ended", id="live"),
        pytest.param(lambda: world(0, 0), "succeeded: there is nothing to retry", id="succeeded"),
        pytest.param(_claimed, "was retried before", id="retried"),
        pytest.param(_never_begun, "never began", id="never-begun"),
    ],
)
def test_what_is_refused_here_is_what_the_operator_refuses(made: Any, said: str | None) -> None:
    w = made()
    here = why_no_retry(parse_run(w.run))
    manifest = retry_manifest(parse_run(w.run), name="run-2")
    manifest["metadata"]["uid"] = "uid-run-2"
    new, original = parse_fact(manifest), parse_fact(w.run)
    assert isinstance(new, Fact)
    assert isinstance(original, Fact)
    revision = w.revisions.get(original.status.revision_name or "")
    there = pin_retry(new, original, revision, revision)
    refused = isinstance(there, Problem) and there.reason is Reason.RETRY_REFUSED
    assert (here is not None) is refused
    assert said is None or (here or "").startswith(said)


def test_the_manifest_of_a_retry() -> None:
    original = parse_run(runs.failed())
    assert retry_manifest(original) == {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {
            "generateName": "new-user-onboarding-flow-",
            "namespace": "shop",
            "labels": {"workflow.do/workflow": "new-user-onboarding-flow"},
        },
        "spec": {
            "workflowName": "new-user-onboarding-flow",
            "retryOf": {"runName": NAME, "runUID": "7b7f4c1e"},
            "trigger": {"type": "api", "body": runs.BODY},
        },
    }
    named = retry_manifest(original, name="r2", revision="rev")
    assert named["metadata"]["name"] == "r2"
    assert named["spec"]["revisionName"] == "rev"


LIVE = runs.onboarding(runs.CREATED, runs.unit("Running", 3))
BETWEEN = runs.onboarding(runs.CREATED)
HANDLING = runs.onboarding(
    runs.CREATED, runs.unit("Failed", 3, 6), reason="Finishing", handler=runs.unit("Running", 6)
)
PAUSED, RUNNING, CANCELLED = DesiredState.PAUSED, DesiredState.RUNNING, DesiredState.CANCELLED


@pytest.mark.parametrize(
    ("obj", "wanted", "news", "said"),
    [
        pytest.param(
            LIVE,
            PAUSED,
            True,
            "paused: syncToCrm goes on to its end, nothing new starts",
            id="pause-live",
        ),
        pytest.param(
            BETWEEN, PAUSED, True, "paused: nothing starts until it is resumed", id="pause-between"
        ),
        pytest.param(
            BETWEEN,
            PAUSED,
            False,
            "paused already: nothing starts until it is resumed",
            id="pause-again",
        ),
        pytest.param(
            runs.between_tries("Paused"),
            RUNNING,
            True,
            "resumed: it goes on with syncToCrm",
            id="resume",
        ),
        pytest.param(
            LIVE,
            RUNNING,
            False,
            "not paused: syncToCrm runs, and what follows will start",
            id="resume-what-runs",
        ),
        pytest.param(
            LIVE,
            CANCELLED,
            True,
            "cancelled: syncToCrm is being stopped; no handler runs, and there is no way back",
            id="cancel-live",
        ),
        pytest.param(
            BETWEEN,
            CANCELLED,
            True,
            "cancelled: nothing of it runs, so it ends now; no handler runs",
            id="cancel-between",
        ),
        pytest.param(
            HANDLING,
            CANCELLED,
            True,
            "cancelled: onFailure goes on to its end, then the run ends",
            id="cancel-handler",
        ),
        pytest.param(
            runs.cancelled(), CANCELLED, False, "cancelled already: it has ended", id="cancel-again"
        ),
    ],
)
def test_one_line_says_what_happens_now(
    obj: runs.Object, wanted: DesiredState, news: bool, said: str
) -> None:
    assert answer_line(parse_run(obj), wanted, news) == f"run {NAME} {said}"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param(
            parse_run(runs.failed()), "createUser taken over; syncToCrm, sendWelcome to run", id="1"
        ),
        pytest.param(
            parse_run(runs.onboarding(runs.unit("Failed", 1, 2))),
            "no step had succeeded, so every step runs",
            id="none",
        ),
    ],
)
def test_what_is_taken_over(run: Run, said: str) -> None:
    assert taken_over_line(run) == f"retry of {NAME}: {said}"
    if "taken over" in said:
        assert "where the Action and the input are the same" in taken_over_line(
            run, another_revision=True
        )


def test_a_long_list_of_steps_is_cut_and_says_so() -> None:
    steps = [{"id": f"s{i}", "action": "a", "state": "Succeeded"} for i in range(9)]
    run = parse_run(runs.run_object({"steps": steps}))
    assert "s0, s1, s2, s3, s4 and 4 more taken over; nothing to run" in taken_over_line(run)
