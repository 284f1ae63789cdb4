"""The examples of composition as they are, on a real cluster: what docs/composition.md promises.

All runs are started at once, in one namespace; each test then looks at its own. What ran when is
read from the cluster, not from the operator's own records: a unit runs from the creation of its
Job until its container has ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hack.deploy import LOCAL_PREFIX, ROOT, Failed, image_prefix

from support.bench import Bench, Raw, condition, record, step, verdict, workflow

FOLDER = ROOT / "examples" / "composition"
NUMBERS = list(range(100, 150))
MOST = 10
"""maxParallel of the example fan-out."""

EXAMPLES: dict[str, Any] = {
    "diamond": None,
    "skipped-branch": {"large": False},
    "continue-on-error": None,
    "fan-out": {"numbers": NUMBERS},
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A step that is right in form and gets what it cannot use, and how it must end."""

    name: str
    of_step: Raw
    value: Any
    reason: str
    words: str


EACH = {"forEach": {"items": "{{ trigger.body.it }}"}}
HANDED_ON = workflow(
    "handed-on",
    {**step("some", "echo", n="{{ item }}"), **EACH},
    {**step("none", "echo"), "forEach": {"items": "{{ [] }}"}},
    outputs={"some": "{{ steps.some.output }}", "none": "{{ steps.none.output }}"},
)
WRONG = [
    Wrong(
        "when-text",
        {"when": "{{ trigger.body.it }}"},
        "true",
        "InvalidTemplate",
        "when: it gives a string, not true or false",
    ),
    Wrong("each-of-text", EACH, "abc", "InvalidTemplate", "forEach.items: it gives a string"),
    Wrong("each-of-mapping", EACH, {"a": 1}, "InvalidTemplate", "not a list"),
    Wrong("each-of-nothing", EACH, None, "InvalidTemplate", "forEach.items: it gives null"),
    Wrong(
        "too-many", EACH, list(range(1001)), "TooManyItems", "1,001 items, and 1,000 is the most"
    ),
]

NOT_READY = [
    pytest.param(
        [step("a", "echo"), {**step("b", "echo"), "needs": ["nobody"]}],
        "steps[1].needs[0]: the step 'nobody' is not there",
        id="needs-unknown",
    ),
    pytest.param(
        [{**step("a", "echo"), "needs": ["b"]}, step("b", "echo")],
        "steps[0].needs[0]: the step 'b' does not stand above this one",
        id="needs-later",
    ),
    pytest.param(
        [{**step("a", "echo"), "needs": ["a"]}],
        "steps[0].needs[0]: the step 'a' does not stand above this one",
        id="needs-itself",
    ),
    pytest.param(
        [
            step("a", "echo"),
            step("b", "echo"),
            {**step("c", "echo", x="{{ steps.b.output }}"), "needs": ["a"]},
        ],
        "steps[2].input.x: the step `b` does not come before this one; add it to `needs`",
        id="out-of-scope",
    ),
]

REFUSED = [
    pytest.param({"needs": []}, "needs", id="needs-nothing"),
    pytest.param({"needs": ["a", "a"]}, "Duplicate value", id="needs-twice"),
    pytest.param(
        {"forEach": {**EACH["forEach"], "maxParallel": 0}}, "maxParallel", id="none-at-once"
    ),
    pytest.param({"onError": "Ignore"}, "onError", id="on-error-unknown"),
    pytest.param({"wait": {"seconds": -1}}, r"wait\.seconds", id="negative-wait"),
]


@pytest.fixture(scope="module")
def started(shared: Bench) -> dict[str, str]:
    """The examples applied from their files, and every run started: Workflow → the run's name."""
    for file in ("actions.yaml", "workflows.yaml"):
        text = (FOLDER / file).read_text().replace(LOCAL_PREFIX, image_prefix())
        shared.kubectl("apply", "-f", "-", stdin=text)
    shared.apply(HANDED_ON, *(workflow(w.name, {**step("it", "echo"), **w.of_step}) for w in WRONG))
    bodies = {w.name: {"it": w.value} for w in WRONG} | EXAMPLES | {"handed-on": {"it": [3, 1, 2]}}
    return {name: shared.start(name, body) for name, body in bodies.items()}


@dataclass(frozen=True, slots=True)
class Span:
    """When a unit ran, in whole seconds: its Job was made, its container had ended."""

    start: datetime
    end: datetime


def spans(bench: Bench, run: Raw) -> dict[tuple[str, int | None], Span]:
    """(step, item) → when it ran, of a run whose units had one Job each."""
    ends: dict[str, str] = {}
    label = f"workflow.do/run-uid={run['metadata']['uid']}"
    for pod in json.loads(bench.kubectl("get", "pods", "-l", label, "-o", "json"))["items"]:
        container = next(c for c in pod["status"]["containerStatuses"] if c["name"] == "action")
        job = pod["metadata"]["ownerReferences"][0]["name"]
        assert job not in ends, f"{job} has two Pods"
        ends[job] = container["state"]["terminated"]["finishedAt"]
    found = {}
    for job in bench.jobs(run):
        meta = job["metadata"]
        item = meta["labels"].get("workflow.do/item")
        unit = (meta["labels"]["workflow.do/step"], None if item is None else int(item))
        assert unit not in found, f"{unit} has two Jobs"
        start = datetime.fromisoformat(meta["creationTimestamp"])
        found[unit] = Span(start, datetime.fromisoformat(ends[meta["name"]]))
    return found


def most_at_once(rows: list[Span]) -> int:
    """How many surely ran at the same time: of what falls into one second, ends count first."""
    changes = sorted([(s.end, -1) for s in rows] + [(s.start, 1) for s in rows])
    running = peak = 0
    for _, change in changes:
        running += change
        peak = max(peak, running)
    return peak


def test_the_branches_of_a_diamond_overlap_and_join_once(
    shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started["diamond"], 90)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert run["status"]["outputs"] == {"order": 7}
    ran = spans(shared, run)
    assert set(ran) == {(s, None) for s in ("reserve", "charge", "pack", "ship")}
    reserve, charge, pack, ship = (ran[s, None] for s in ("reserve", "charge", "pack", "ship"))
    assert reserve.end <= min(charge.start, pack.start)
    assert max(charge.start, pack.start) < min(charge.end, pack.end), "the branches overlap"
    assert max(charge.end, pack.end) <= ship.start


def test_a_skipped_branch_leads_into_the_join(shared: Bench, started: dict[str, str]) -> None:
    run = shared.finish(started["skipped-branch"], 90)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    review = record(run, "review")
    assert (review["state"], review.get("output")) == ("Skipped", None)
    assert record(run, "ship")["output"] == {"review": "Skipped"}
    assert set(spans(shared, run)) == {(s, None) for s in ("price", "invoice", "ship")}


def test_a_step_that_may_fail_does_not_end_the_run(shared: Bench, started: dict[str, str]) -> None:
    run = shared.finish(started["continue-on-error"], 90)
    assert verdict(run) == ("True", "CompletedWithErrors"), run["status"]
    newsletter = record(run, "newsletter")
    assert (newsletter["state"], newsletter["reason"]) == ("Failed", "ExitCode")
    assert (newsletter["exitCode"], newsletter.get("output")) == (3, None)
    assert record(run, "account")["output"] == {"newsletter": "Failed"}
    assert [(f["id"], f["output"]) for f in run["status"]["finally"]] == [
        ("unlock", {"why": "done"})
    ]
    assert len(shared.jobs(run)) == 3


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: w.name)
def test_what_cannot_be_used_ends_the_step_with_a_reason(
    wrong: Wrong, shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started[wrong.name], 60)
    assert verdict(run) == ("False", wrong.reason), run["status"]
    it = record(run, "it")
    assert (it["state"], it["reason"]) == ("NotStarted", wrong.reason)
    assert wrong.words in it["message"]
    assert wrong.words in condition(run, "Succeeded")["message"]
    assert shared.jobs(run) == []


@pytest.mark.parametrize(("steps", "words"), NOT_READY)
def test_steps_that_cannot_be_put_together_are_not_ready(
    steps: list[Raw],
    words: str,
    shared: Bench,
    started: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    name = request.node.callspec.id
    shared.apply(workflow(name, *steps))

    def judged() -> Raw:
        return condition(shared.get(f"workflows.workflow.do/{name}"), "Ready")

    ready = shared.until("a verdict on the Workflow", judged, 20)
    assert (ready["status"], ready["reason"]) == ("False", "WorkflowNotReady"), ready
    assert words in ready["message"]


@pytest.mark.parametrize(("of_step", "words"), REFUSED)
def test_what_is_wrong_in_form_is_refused_when_it_is_applied(
    of_step: Raw, words: str, shared: Bench
) -> None:
    with pytest.raises(Failed, match=words):
        shared.apply(workflow("refused", step("a", "echo"), {**step("b", "echo"), **of_step}))


def test_the_outputs_of_the_items_are_handed_on_as_a_list_in_their_order(
    shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started["handed-on"], 90)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert run["status"]["outputs"] == {"some": [{"n": 3}, {"n": 1}, {"n": 2}], "none": []}
    assert len(shared.jobs(run)) == 3


def test_fifty_items_ten_at_a_time_and_the_outputs_in_order(
    shared: Bench, started: dict[str, str]
) -> None:
    run = shared.finish(started["fan-out"], 180)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    each, total = record(run, "each"), record(run, "total")
    outputs = [item.get("output") for item in each["items"]]
    assert outputs == [{"number": n, "place": i} for i, n in enumerate(NUMBERS)]
    assert total["output"] == {"count": len(NUMBERS)}
    ran = spans(shared, run)
    last = ran.pop(("total", None))
    assert set(ran) == {("each", i) for i in range(len(NUMBERS))}
    assert most_at_once(list(ran.values())) == MOST
    assert max(s.end for s in ran.values()) <= last.start
    keys = {key(job) for job in shared.jobs(run)}
    assert len(keys) == len(NUMBERS) + 1, "each item has its own idempotency key"


def key(job: Raw) -> str:
    """The idempotency key that a Job's program is given."""
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(e["value"]) for e in env if e["name"] == "WORKFLOW_IDEMPOTENCY_KEY")
