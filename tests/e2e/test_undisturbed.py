"""What must not disturb a run: edits, deletions, odd names, a killed operator."""

from __future__ import annotations

import random
import time

from support.bench import Bench, action, record, step, verdict, workflow
from support.operator_process import creates_of_jobs, kill_operator

SLOW = action("slow", "time.sleep(2)\nout({'n': given.get('n', 0) + 1})")
THREE = workflow(
    "three",
    step("one", "slow", n=1),
    step("two", "slow", n="{{ steps.one.output.n }}"),
    step("three", "slow", n="{{ steps.two.output.n }}"),
)


def running(bench: Bench, name: str, step_id: str) -> bool:
    """Whether a step has been started."""
    steps = bench.run(name).get("status", {}).get("steps", ())
    return any(s["id"] == step_id and s["state"] == "Running" for s in steps)


def test_a_workflow_and_an_action_edited_and_deleted_in_mid_run(bench: Bench) -> None:
    bench.apply(SLOW, THREE)
    name = bench.start("three")
    bench.until("the first step runs", lambda: running(bench, name, "one"), 20)
    bench.apply(action("slow", "sys.exit(9)"), workflow("three", step("other", "slow")))
    bench.until("the second step runs", lambda: running(bench, name, "two"), 20)
    bench.kubectl("delete", "workflows.workflow.do/three", "actions.workflow.do/slow")
    run = bench.finish(name)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert record(run, "three")["output"] == {"n": 4}


def test_a_new_run_sees_the_edit_and_gets_a_new_revision(bench: Bench) -> None:
    quick = action("quick", "out({'v': 1})")
    bench.apply(quick, workflow("flow", step("it", "quick")))
    first = bench.finish(bench.start("flow"))
    bench.apply(action("quick", "out({'v': 2})"))
    second = bench.finish(bench.start("flow"))
    assert record(first, "it")["output"] == {"v": 1}
    assert record(second, "it")["output"] == {"v": 2}
    assert first["status"]["revisionName"] != second["status"]["revisionName"]
    revisions = bench.get("workflowrevisions.workflow.do")["items"]
    assert sorted(r["spec"]["revision"] for r in revisions) == [1, 2]


def test_the_same_run_name_after_a_delete(bench: Bench) -> None:
    bench.apply(SLOW, workflow("flow", step("it", "slow")))
    uids = set()
    for _ in range(2):
        bench.start("flow", name="again")
        run = bench.finish("again")
        assert verdict(run) == ("True", "Succeeded"), run["status"]
        uids.add(run["metadata"]["uid"])
        assert len(bench.jobs(run)) == 1
        bench.kubectl("delete", "workflowruns.workflow.do/again")
    assert len(uids) == 2


def test_a_run_name_of_63_characters(bench: Bench) -> None:
    bench.apply(SLOW, workflow("flow", step("it", "slow")))
    name = "r" + "-9" * 31
    assert len(name) == 63
    bench.start("flow", name=name)
    run = bench.finish(name)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    pods = bench.get("pods")["items"]
    assert [p["metadata"]["labels"]["workflow.do/run"] for p in pods] == [name]


def test_ids_that_differ_only_in_case(bench: Bench) -> None:
    bench.apply(SLOW, workflow("flow", step("createUser", "slow", n=1), step("createuser", "slow")))
    run = bench.finish(bench.start("flow"))
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert record(run, "createUser")["output"] == {"n": 2}
    assert record(run, "createuser")["output"] == {"n": 1}
    assert len(bench.jobs(run)) == 2


def test_objects_applied_in_the_wrong_order_still_run(bench: Bench) -> None:
    name = bench.start("flow")
    bench.apply(workflow("flow", step("it", "quick")))
    bench.apply(action("quick", "out({})"))
    run = bench.finish(name, 30)
    assert verdict(run) == ("True", "Succeeded"), run["status"]


def test_a_namespace_deleted_in_mid_run_is_gone_within_90_seconds(bench: Bench) -> None:
    bench.apply(SLOW, THREE)
    name = bench.start("three")
    bench.until("the first step runs", lambda: running(bench, name, "one"), 20)
    bench.cluster.kubectl("delete", "namespace", bench.namespace, "--timeout=90s", limit=100)
    assert bench.namespace not in bench.cluster.kubectl("get", "namespaces", "-o", "name")
    bench.cluster.kubectl("create", "namespace", bench.namespace)


def test_ten_runs_with_one_kill_of_the_operator_each(bench: Bench) -> None:
    """kill -9 at a random moment, the Pod replaced at once: same end, one Job per step.

    Two runs at a time, begun one after the other, so that a kill meets them at different steps.
    """
    bench.apply(action("slow", "time.sleep(1)\nout({'n': given.get('n', 0) + 1})"), THREE)
    seed = random.SystemRandom().randrange(1_000_000)
    moments = random.Random(seed)
    print(f"seed {seed}")
    runs = []
    for _ in range(5):
        pair = []
        for _ in range(2):
            pair.append(bench.start("three"))
            time.sleep(moments.uniform(0, 2))
        kill_operator(bench.cluster)
        runs += [bench.finish(name, 60) for name in pair]
    for run in runs:
        assert verdict(run) == ("True", "Succeeded"), run["status"]
        assert [s["output"] for s in run["status"]["steps"]] == [{"n": 2}, {"n": 3}, {"n": 4}]
        assert sorted(j["metadata"]["labels"]["workflow.do/step"] for j in bench.jobs(run)) == [
            "one",
            "three",
            "two",
        ]
    made = creates_of_jobs(bench.cluster, bench.namespace)
    assert sorted(made) == sorted(s["jobName"] for r in runs for s in r["status"]["steps"])
