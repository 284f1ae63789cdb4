"""Everything that can go wrong with a step, on a real cluster: a named reason, and somebody told.

All runs are started at once, in one namespace; each test then looks at its own.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from support.bench import Bench, Raw, action, condition, record, step, verdict, workflow

HANDLER = {
    "action": "tell",
    "input": {
        "step": "{{ failure.step }}",
        "action": "{{ failure.action }}",
        "reason": "{{ failure.reason }}",
        "message": "{{ failure.message }}",
        "exitCode": "{{ failure.exitCode }}",
    },
}
ECHO = action("tell", "out(given)")


@dataclass(frozen=True, slots=True)
class Case:
    """One workflow with one step, and how it must end."""

    name: str
    action: Raw
    state: str
    reason: str
    input: Any = None
    code: int | None = None


def printing(name: str, text: str, **spec: Any) -> Raw:
    """An Action whose output is this text."""
    return action(name, f"raw({text!r})", **spec)


NUMBER = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nout({})\ntime.sleep(60)"
POLITE = "signal.signal(signal.SIGTERM, lambda *_: (out({}), sys.exit(0)))\ntime.sleep(60)"
HUNGRY = "x = bytearray(300_000_000)\nx[:] = b'x' * len(x)\nout({})"

CASES = [
    Case("exit-code", action("exit-code", "sys.exit(7)"), "Failed", "ExitCode", code=7),
    Case(
        "input-missing",
        action("input-missing", inputSchema={"type": "object", "properties": {"all": NUMBER}}),
        "NotStarted",
        "InputInvalid",
        {"all": "{{ trigger.body }}"},
    ),
    Case(
        "input-mistyped",
        action("input-mistyped", inputSchema=NUMBER),
        "NotStarted",
        "InputInvalid",
        {"n": "{{ trigger.body.word }}"},
    ),
    Case(
        "undefined",
        action("undefined"),
        "NotStarted",
        "InvalidTemplate",
        {"n": "{{ trigger.body.nope }}"},
    ),
    Case("bomb", action("bomb"), "NotStarted", "InvalidTemplate", {"n": "{{ 9**(9**8) }}"}),
    Case("not-json", printing("not-json", "hello"), "Unknown", "OutputInvalid", code=0),
    Case("not-object", printing("not-object", "[1]"), "Unknown", "OutputInvalid", code=0),
    Case(
        "misfit",
        printing("misfit", '{"n": "x"}', outputSchema=NUMBER),
        "Unknown",
        "OutputInvalid",
        code=0,
    ),
    Case(
        "4096-bytes",
        action("out-4096", "out({'a': 'x' * (4096 - 9)})"),
        "Unknown",
        "OutputTooLarge",
        code=0,
    ),
    Case(
        "5000-bytes",
        action("out-5000", "out({'a': 'x' * 5000})"),
        "Unknown",
        "OutputTooLarge",
        code=0,
    ),
    Case(
        "no-image",
        action("no-image", image="localhost/workflow-do/none:1", startDeadlineSeconds=12),
        "NotStarted",
        "ImagePull",
    ),
    Case(
        "no-command",
        action("no-command", command=["/no/such/program"]),
        "NotStarted",
        "StartError",
    ),
    Case(
        "no-secret",
        action(
            "no-secret",
            env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}],
            startDeadlineSeconds=12,
        ),
        "NotStarted",
        "ContainerConfig",
    ),
    Case(
        "no-node",
        action("no-node", nodeSelector={"no": "such"}, startDeadlineSeconds=4),
        "NotStarted",
        "Unschedulable",
    ),
    Case(
        "ignores-term",
        action("ignores-term", STUBBORN, activeDeadlineSeconds=3),
        "Unknown",
        "DeadlineExceeded",
    ),
    Case(
        "traps-term",
        action("traps-term", POLITE, activeDeadlineSeconds=3),
        "Unknown",
        "DeadlineExceeded",
    ),
    Case(
        "oom",
        action("oom", HUNGRY, resources={"limits": {"memory": "64Mi"}}),
        "Unknown",
        "OOMKilled",
    ),
]


NEVER_BEGUN = [
    pytest.param("no-such-flow", "WorkflowNotFound", id="no-workflow"),
    pytest.param("no-action", "ActionNotFound", id="no-action"),
    pytest.param("no-root", "WorkflowNotReady", id="undefined-root"),
    pytest.param("no-input", "WorkflowNotReady", id="required-input-missing"),
]
UNUSABLE = (
    workflow("no-action", step("it", "no-such-action"), onFailure={"action": "tell"}),
    workflow("no-root", step("it", "tell", x="{{ nope }}"), onFailure={"action": "tell"}),
    action("takes-n", inputSchema=NUMBER),
    workflow("no-input", step("it", "takes-n"), onFailure={"action": "tell"}),
)


@pytest.fixture(scope="module")
def started(shared: Bench) -> dict[str, str]:
    """Every case started: its name → the run's name."""
    shared.apply(ECHO, *UNUSABLE, *[c.action for c in CASES])
    flows = [
        workflow(
            c.name, step("it", c.action["metadata"]["name"], **(c.input or {})), onFailure=HANDLER
        )
        for c in CASES
    ]
    shared.apply(*flows)
    names = [*(str(p.values[0]) for p in NEVER_BEGUN), *(c.name for c in CASES)]
    return {name: shared.start(name, {"word": "seven"}) for name in names}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_failed_step_has_a_reason_and_somebody_is_told(
    case: Case, shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started[case.name], 120)
    it = record(run, "it")
    assert (it["state"], it["reason"]) == (case.state, case.reason), it
    assert verdict(run) == ("False", case.reason)
    assert condition(run, "Succeeded")["message"].startswith("step it: ")
    told = run["status"]["onFailure"]
    assert told["state"] == "Succeeded", told
    assert told["output"]["step"] == "it"
    assert told["output"]["action"] == case.action["metadata"]["name"]
    assert told["output"]["reason"] == case.reason
    assert told["output"]["message"]
    if case.code is not None:
        assert told["output"]["exitCode"] == case.code
    begun = case.reason not in ("InputInvalid", "InvalidTemplate")
    assert len(shared.jobs(run)) == (2 if begun else 1)


def test_a_missing_image_shows_on_the_run_within_30_seconds(shared: Bench) -> None:
    shared.apply(action("slow-pull", image="localhost/workflow-do/none:2"))
    shared.apply(workflow("slow-pull", step("it", "slow-pull")))
    name = shared.start("slow-pull")

    def shown() -> bool:
        status = shared.run(name).get("status", {})
        return [s.get("reason") for s in status.get("steps", ())] == ["ImagePull"]

    shared.until("the reason ImagePull on the running step", shown, 30)
    assert verdict(shared.run(name))[0] == "Unknown"


def test_an_output_of_4095_bytes_is_taken_whole(shared: Bench) -> None:
    shared.apply(action("out-4095", "out({'a': 'x' * (4095 - 9)})"))
    shared.apply(workflow("out-4095", step("it", "out-4095")))
    run = shared.finish(shared.start("out-4095"))
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert record(run, "it")["output"] == {"a": "x" * 4086}


@pytest.mark.parametrize(("flow", "reason"), NEVER_BEGUN)
def test_a_run_without_a_usable_definition_waits_20_seconds_and_ends(
    flow: str, reason: str, shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started[flow], 60)
    assert verdict(run) == ("False", reason), run["status"]
    assert shared.jobs(run) == []
    assert "onFailure" not in run["status"]
    assert run["status"]["duration"] in ("20s", "21s", "22s")


def test_what_a_caller_gave_arrives_verbatim(shared: Bench) -> None:
    """The kubelet expands `$(NAME)`: a caller must not read the Action's secrets that way."""
    shared.kubectl("create", "secret", "generic", "db", "--from-literal=password=hunter2")
    secret = {"secretKeyRef": {"name": "db", "key": "password"}}
    shared.apply(
        action(
            "verbatim",
            "out({'given': given, 'env': os.environ['COPY'], "
            "'known': os.environ['DB_PASSWORD'] == 'hunter2'})",
            env=[
                {"name": "DB_PASSWORD", "valueFrom": secret},
                {"name": "COPY", "value": "{{ input.text }}"},
            ],
        ),
        workflow("verbatim", step("it", "verbatim", text="{{ trigger.body.text }}")),
    )
    run = shared.finish(shared.start("verbatim", {"text": TEXT}))
    output = record(run, "it")["output"]
    assert output == {"given": {"text": TEXT}, "env": TEXT, "known": True}


TEXT = "$(DB_PASSWORD) $$ $$(DB_PASSWORD) ${DB_PASSWORD} {{ 7*7 }} '\"\n; id é😀"


def test_it_does_so_through_items_undo_finally_and_outputs(shared: Bench) -> None:
    """By way of two items, a large output that stands in a ConfigMap, and a run that fails."""
    large = "out = lambda v: print('::output::' + json.dumps(v), flush=True)\n"
    undo = {"action": "agrees", "input": {"text": "{{ output.text }}", "was": "{{ input.text }}"}}
    known = base64.b64encode(json.dumps([TEXT, f"{TEXT}2"]).encode()).decode()
    agrees = (
        f"import base64; known = json.loads(base64.b64decode('{known}'))\n"
        "sys.exit(0 if given['text'] == given['was'] and given['text'] in known else 3)"
    )
    program = (
        "import json, os; texts = json.load(open(os.environ['ACTION_INPUT_FILE']))['texts']\n"
        "given = json.dumps({'first': texts[0], 'last': texts[-1]})\n"
        "open(os.environ['ACTION_OUTPUT'], 'w').write(given)"
    )
    picks = action("picks", command=["python3", "-c", program])
    shared.apply(
        action("repeats", "out({'text': given['text']})"),
        action("agrees", agrees),
        action("undoable", "out(given)", compensate=undo),
        action(
            "expands",
            large + "out({'texts': given['texts'] * 300})",
            output={"source": "Logs"},
        ),
        picks,
        action("breaks", "print(given['text'], file=sys.stderr); sys.exit(3)"),
        workflow(
            "through",
            {
                **step("each", "undoable", text="{{ item }}"),
                "forEach": {"items": "{{ trigger.body }}"},
            },
            step("many", "expands", texts="{{ steps.each.output | map(attribute='text') | list }}"),
            step("pick", "picks", texts="{{ steps.many.output.texts }}"),
            step("stop", "breaks", text="{{ steps.pick.output.last }}"),
            onFailure={"action": "repeats", "input": {"text": "{{ failure.logsTail }}"}},
            **{
                "finally": [
                    {"id": "end", "action": "repeats", "input": {"text": "{{ trigger.body[0] }}"}}
                ]
            },
        ),
        workflow(
            "gives",
            step("a", "repeats", text="{{ trigger.body[0] }}"),
            outputs={"all": "{{ trigger.body }}", "a": "{{ steps.a.output.text }}"},
        ),
    )
    names = [shared.start(flow, [TEXT, f"{TEXT}2"]) for flow in ("through", "gives")]
    run, good = (shared.finish(name, 120) for name in names)
    assert good["status"]["outputs"] == {"all": [TEXT, f"{TEXT}2"], "a": TEXT}
    assert verdict(run) == ("False", "ExitCode"), run["status"]
    each = record(run, "each")["items"]
    assert [item["output"] for item in each] == [{"text": TEXT}, {"text": f"{TEXT}2"}]
    undone = [(item["compensation"]["state"], item["compensation"]["exitCode"]) for item in each]
    assert undone == [("Succeeded", 0)] * 2  # an undo's output is not kept, so it compares itself
    assert record(run, "many")["outputRef"]["size"] > 32 * 1024
    assert record(run, "pick")["output"] == {"first": TEXT, "last": f"{TEXT}2"}
    assert run["status"]["onFailure"]["output"]["text"] == f"{TEXT}2"
    assert [f["output"]["text"] for f in run["status"]["finally"]] == [TEXT]


def test_a_job_deleted_by_hand(shared: Bench) -> None:
    run = _interrupted(shared, "job-gone", "job")
    assert record(run, "it")["reason"] == "JobLost"
    assert run["status"]["onFailure"]["output"]["reason"] == "JobLost"


def test_a_pod_deleted_by_hand(shared: Bench) -> None:
    run = _interrupted(shared, "pod-gone", "pod")
    assert record(run, "it")["reason"] == "PodDeleted"
    assert run["status"]["onFailure"]["output"]["reason"] == "PodDeleted"


def _interrupted(shared: Bench, name: str, kind: str) -> Raw:
    """A run whose running step loses its Job or its Pod, at the end."""
    shared.apply(ECHO, action(name, POLITE), workflow(name, step("it", name), onFailure=HANDLER))
    started = shared.start(name)
    select = ("-l", f"workflow.do/run={started}")

    def running() -> bool:
        rows = shared.kubectl("get", "pods", *select, "-o", "jsonpath={.items[*].status.phase}")
        return rows == "Running"

    shared.until("the Pod runs", running, 30)
    shared.kubectl("delete", kind, *select, "--wait=false")
    run = shared.finish(started)
    assert record(run, "it")["state"] == "Unknown"
    return run
