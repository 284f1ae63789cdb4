"""Pause, resume, cancel and retry on a whole cluster, by the command line; and real logs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from support.bench import Bench, Raw, action, condition, record, step, verdict, workflow

CLI = Path(sys.executable).parent / "kubectl-workflow"
GATED = (
    "print('begun', flush=True)\n"
    "end = time.time() + 90\n"
    "while not os.path.exists('/tmp/go') and time.time() < end: time.sleep(0.05)\n"
    "out({'n': 1})"
)
MENDED = [
    {
        "name": "MENDED",
        "valueFrom": {"configMapKeyRef": {"name": "mended", "key": "yes", "optional": True}},
    }
]
SLEEP = "print('begun', flush=True)\ntime.sleep(60)"
TELL = {"action": "tell", "input": {"log": "{{ failure.logsTail }}"}}


def kubectl_workflow(
    bench: Bench, *arguments: str, code: int = 0, limit: float = 60
) -> subprocess.CompletedProcess[str]:
    """The command line as its users call it."""
    done = subprocess.run(
        [CLI, *arguments, "-n", bench.namespace],
        env=bench.cluster.env,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def until_begun(bench: Bench, run: str, step_id: str) -> None:
    """The step's program runs, and has said so."""

    def begun() -> bool:
        done = kubectl_workflow(bench, "logs", run, step_id)
        return "begun" in done.stdout

    bench.until(f"{step_id} of {run} has begun", begun, 40)


def let_go(bench: Bench, run: str, step_id: str) -> None:
    """The step's gated program may end."""
    labels = f"workflow.do/run={run},workflow.do/step={step_id}"
    pod = bench.kubectl("get", "pods", "-l", labels, "-o", "name").strip()
    bench.kubectl("exec", pod, "-c", "action", "--", "touch", "/tmp/go")


def key_of(bench: Bench, run: Raw, step_id: str) -> str:
    """The idempotency key that the newest Job of a step hands to its program."""
    name = record(run, step_id)["jobName"]
    [job] = [j for j in bench.jobs(run) if j["metadata"]["name"] == name]
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "WORKFLOW_IDEMPOTENCY_KEY"))


def steps_of(jobs: list[Raw]) -> list[str]:
    """Which step each Job is of; the role where it is of none."""
    labels = [j["metadata"]["labels"] for j in jobs]
    return sorted(of.get("workflow.do/step") or of["workflow.do/role"] for of in labels)


def test_a_paused_run_holds_the_next_step_and_resume_lets_it_go(bench: Bench) -> None:
    flow = workflow("paused", step("one", "gated"), step("two", "quick"))
    bench.apply(action("gated", GATED), action("quick", "out({})"), flow)
    run = bench.start("paused")
    until_begun(bench, run, "one")
    said = kubectl_workflow(bench, "pause", run).stdout
    assert said == f"run {run} paused: one goes on to its end, nothing new starts\n"
    let_go(bench, run, "one")

    def one_ended() -> bool:
        return record(bench.run(run), "one")["state"] == "Succeeded"

    bench.until("the running step ends", one_ended, 30)
    held = bench.run(run)
    assert condition(held, "Paused")["status"] == "True"
    assert verdict(held) == ("Unknown", "Paused")
    # It would have been made within milliseconds of the end of the one before.
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert steps_of(bench.jobs(held)) == ["one"]
        time.sleep(0.5)
    kubectl_workflow(bench, "resume", run)
    done = bench.finish(run)
    assert verdict(done) == ("True", "Succeeded")
    assert steps_of(bench.jobs(done)) == ["one", "two"]
    assert done["status"]["pausedSeconds"] >= 3
    assert condition(done, "Paused") == {}


def test_cancel_stops_the_program_within_its_grace_and_no_handler_runs(bench: Bench) -> None:
    flow = workflow("stopped", step("one", "slow"), step("two", "slow"), onFailure=TELL)
    bench.apply(action("slow", SLEEP), action("tell", "out(given)"), flow)
    run = bench.start("stopped")
    until_begun(bench, run, "one")
    asked = time.monotonic()
    said = kubectl_workflow(bench, "cancel", run).stdout
    assert said == (
        f"run {run} cancelled: one is being stopped; no handler runs, and there is no way back\n"
    )
    done = bench.finish(run)
    # A second until the shortened deadline is seen, the grace of 2 s, and how slow machines are.
    assert time.monotonic() - asked < 12
    assert verdict(done) == ("False", "Cancelled")
    one = record(done, "one")
    assert (one["state"], one["reason"]) == ("Unknown", "Cancelled")
    assert record(done, "two")["state"] == "Pending"
    assert "onFailure" not in done["status"]
    assert steps_of(bench.jobs(done)) == ["one"]
    assert kubectl_workflow(bench, "cancel", run).stdout.startswith(f"run {run} cancelled already")
    refused = kubectl_workflow(bench, "resume", run, code=2).stderr
    assert "has ended as Cancelled: it cannot be resumed any more" in refused


def test_a_cancelled_run_can_be_retried(bench: Bench) -> None:
    flow = workflow("again", step("one", "quick"), step("two", "gated"))
    bench.apply(action("quick", "out({'n': 7})"), action("gated", GATED), flow)
    run = bench.start("again")
    until_begun(bench, run, "two")
    kubectl_workflow(bench, "cancel", run)
    bench.finish(run)
    kubectl_workflow(bench, "retry", run, "--name", "again-2")
    until_begun(bench, "again-2", "two")
    let_go(bench, "again-2", "two")
    kubectl_workflow(bench, "watch", "again-2")
    again = bench.run("again-2")
    assert record(again, "one")["takenOver"] is True
    assert steps_of(bench.jobs(again)) == ["two"]


def test_a_retried_run_takes_over_what_succeeded(bench: Bench) -> None:
    """The step's Job is not made again, and the failed one gets the same key as before."""
    fickle = "out({}) if 'MENDED' in os.environ else sys.exit(9)"
    flow = workflow(
        "retried",
        step("one", "quick", n="{{ trigger.body.n }}"),
        step("two", "fickle", n="{{ steps.one.output.n }}"),
        step("three", "quick", n=3),
    )
    bench.apply(
        action("quick", "out({'n': given['n']})"), action("fickle", fickle, env=MENDED), flow
    )
    failed = bench.finish(bench.start("retried", {"n": 5}))
    assert verdict(failed) == ("False", "ExitCode")
    bench.kubectl("create", "configmap", "mended", "--from-literal=yes=1")
    name = failed["metadata"]["name"]
    done = kubectl_workflow(bench, "retry", name, "--name", "retried-2", "--watch")
    assert f"retry of {name}: one taken over; two, three to run" in done.stderr
    again = bench.run("retried-2")
    assert verdict(again) == ("True", "Succeeded")
    assert again["status"]["progress"] == "3/3"
    assert record(again, "one")["output"] == {"n": 5}
    assert steps_of(bench.jobs(again)) == ["three", "two"]
    assert key_of(bench, again, "two") == key_of(bench, failed, "two")
    assert key_of(bench, again, "three") != key_of(bench, again, "two")
    refused = kubectl_workflow(bench, "retry", name, code=2).stderr
    assert "was retried before, by retried-2" in refused
    refused = kubectl_workflow(bench, "retry", "retried-2", code=2).stderr
    assert "succeeded: there is nothing to retry" in refused


def test_the_third_try_succeeds(bench: Bench) -> None:
    program = "n = int(os.environ['WORKFLOW_ATTEMPT'])\nout({'n': n}) if n == 3 else sys.exit(5)"
    retry = {"maxAttempts": 3, "initialDelaySeconds": 1}
    bench.apply(action("third", program, retry=retry), workflow("third", step("it", "third")))
    done = bench.finish(bench.start("third"))
    it = record(done, "it")
    assert verdict(done) == ("True", "Succeeded"), done["status"]
    assert (it["state"], it["attempts"], it["tries"], it["output"]) == ("Succeeded", 3, 3, {"n": 3})
    assert steps_of(bench.jobs(done)) == ["it", "it", "it"]
    shown = kubectl_workflow(bench, "get", done["metadata"]["name"]).stdout
    assert "after 3 tries" in shown
    logs = kubectl_workflow(bench, "logs", done["metadata"]["name"])
    assert (logs.stdout, logs.stderr) == ("", "")


def test_the_end_of_the_log_reaches_the_handler_and_the_command_line(bench: Bench) -> None:
    program = "print('first word')\nprint('last word', file=sys.stderr)\nsys.exit(4)"
    flow = workflow("telling", step("it", "loud"), onFailure=TELL)
    bench.apply(action("loud", program), action("tell", "out(given)"), flow)
    done = bench.finish(bench.start("telling"))
    assert set(record(done, "it")["logsTail"].splitlines()) == {"first word", "last word"}
    told: dict[str, Any] = done["status"]["onFailure"]["output"]
    assert told == {"log": record(done, "it")["logsTail"]}
    name = done["metadata"]["name"]
    logs = kubectl_workflow(bench, "logs", name, "it").stdout
    assert sorted(logs.splitlines()) == ["first word", "last word"]
    shown = kubectl_workflow(bench, "get", name).stdout
    assert "last word" in shown


def test_logs_are_followed_as_they_are_written(bench: Bench) -> None:
    flow = workflow("told", step("one", "gated"), step("two", "speaks"))
    speaks = action("speaks", "print('second')\nout({})")
    bench.apply(action("gated", GATED), speaks, flow)
    run = bench.start("told")
    command = [CLI, "logs", run, "-f", "--timeout", "150", "-n", bench.namespace]
    process = subprocess.Popen(
        command, env=bench.cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    guard = threading.Timer(160, process.kill)
    guard.start()
    try:
        assert process.stdout.readline() == "[one] begun\n"
        assert record(bench.run(run), "one")["state"] == "Running"
        let_go(bench, run, "one")
        rest, told = process.communicate(timeout=120)
    finally:
        guard.cancel()
        process.kill()
    assert (process.returncode, rest, told) == (0, "[two] second\n", "")
    assert verdict(bench.finish(run)) == ("True", "Succeeded")
