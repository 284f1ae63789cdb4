"""What the cluster itself refuses or takes away: admission, quota, eviction."""

from __future__ import annotations

import json

import pytest

from support.bench import Bench, Raw, action, record, step, verdict, workflow

TELL = {"action": "tell", "input": {"reason": "{{ failure.reason }}"}}


def running_pod(bench: Bench, run: str) -> str:
    """The name of the run's Pod once it runs."""

    def look() -> str:
        rows = bench.get("pods")["items"]
        names = [
            p["metadata"]["name"]
            for p in rows
            if p["metadata"]["labels"].get("workflow.do/run") == run
            and p["status"]["phase"] == "Running"
        ]
        return names[0] if names else ""

    return str(bench.until("the Pod runs", look, 30))


def limits(memory: str) -> Raw:
    """A LimitRange on the memory of a container."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "memory"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": memory}}]},
    }


def test_a_pod_that_admission_refuses_ends_the_step_at_once(bench: Bench) -> None:
    large = action("large", resources={"limits": {"memory": "1Gi"}}, startDeadlineSeconds=300)
    bench.apply(
        limits("512Mi"),
        large,
        action("tell", "out(given)"),
        workflow("flow", step("it", "large"), onFailure=TELL),
    )
    run = bench.finish(bench.start("flow"), 30)
    it = record(run, "it")
    assert (it["state"], it["reason"]) == ("NotStarted", "AdmissionDenied")
    assert "maximum memory usage" in it["message"]
    assert run["status"]["onFailure"]["output"] == {"reason": "AdmissionDenied"}


def quota(pods: int) -> Raw:
    """A ResourceQuota on Pods."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "pods"},
        "spec": {"hard": {"pods": str(pods)}},
    }


def test_a_pod_for_which_there_is_no_quota_is_shown_and_given_up_at_the_start_deadline(
    bench: Bench,
) -> None:
    bench.apply(
        quota(0), action("work", startDeadlineSeconds=8), workflow("flow", step("it", "work"))
    )
    name = bench.start("flow")

    def shown() -> bool:
        steps = bench.run(name).get("status", {}).get("steps", ())
        return any(s.get("reason") == "QuotaExceeded" for s in steps)

    bench.until("the reason QuotaExceeded", shown, 30)
    run = bench.finish(name, 60)
    it = record(run, "it")
    assert (it["state"], it["reason"]) == ("NotStarted", "QuotaExceeded")
    bench.apply(quota(5))
    (job,) = bench.jobs(run)
    assert job["spec"]["suspend"] is True


SAFETY = [
    pytest.param("NotIdempotent", "Unknown", 1, id="not-idempotent"),
    pytest.param("Idempotent", "Succeeded", 2, id="idempotent"),
]


@pytest.mark.parametrize(("safety", "state", "tries"), SAFETY)
def test_an_evicted_program_is_tried_again_only_if_that_is_safe(
    safety: str, state: str, tries: int, bench: Bench
) -> None:
    """The program traps TERM and ends with 0: still not a success."""
    trap = "signal.signal(signal.SIGTERM, lambda *_: (out({}), sys.exit(0)))\n"
    program = trap + "time.sleep(60 if os.environ['WORKFLOW_ATTEMPT'] == '1' else 0)\nout({})"
    retry = {"maxAttempts": 2, "initialDelaySeconds": 1}
    bench.apply(
        action("work", program, retry=retry, retrySafety=safety),
        workflow("flow", step("it", "work")),
    )
    name = bench.start("flow")
    pod = running_pod(bench, name)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": bench.namespace},
    }
    path = f"/api/v1/namespaces/{bench.namespace}/pods/{pod}/eviction"
    bench.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    run = bench.finish(name, 60)
    it = record(run, "it")
    assert (it["state"], it["tries"]) == (state, tries)
    if state == "Unknown":
        assert it["reason"] == "Evicted"
        assert verdict(run) == ("False", "Evicted")
