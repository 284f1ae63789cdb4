"""What is run: a workflow with its Actions, drawn by hypothesis.

Small on purpose: few steps, few Actions; the trouble comes from the adversary. Values that cannot
be rendered, or do not fit a schema, are among what is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hypothesis import strategies as st

Raw = dict[str, Any]

NEEDS_N: Final = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
_BAD: Final = ("{{ trigger.body.nope }}", "{{ trigger.body.n.x }}", "{{ 9**(9**8) }}")
_UNDOS: Final = (None, None, {"v": 1}, {"v": "{{ input.v }}"}, {"v": "{{ output.n }}"})
UNTIL: Final = "2026-01-31T08:02:00Z"
"""Two minutes after the beginning."""
_TELL: Final = "{{ failure.step }}: {{ failure.reason }}"


@dataclass(frozen=True)
class Scenario:
    """A Workflow's spec and the specs of its Actions by name; `runs` of it are started at once."""

    flow: Raw
    actions: dict[str, Raw]
    runs: int = 1

    @cached_property
    def steps(self) -> list[str]:
        """The ids of the steps, in order."""
        return [s["id"] for s in self.flow["steps"]]

    @property
    def size(self) -> int:
        """How many units of work there are, about."""
        return sum(self.items(s) or 1 for s in self.steps) + len(self.flow.get("finally", ()))

    def needs_n(self, action: str) -> bool:
        """Whether the Action's output must have an integer `n`."""
        return "outputSchema" in self.actions[action]

    def by_log(self, action: str) -> bool:
        """Whether the Action's output is a line of its log, and may be large."""
        return "output" in self.actions[action]

    def waits(self, step: str) -> str:
        """What the step waits for: `wait`, `approval`, or nothing."""
        spec = self.step(step)
        return next((kind for kind in ("wait", "approval") if kind in spec), "")

    @cached_property
    def waiting(self) -> list[str]:
        """The ids of the steps that wait."""
        return [s for s in self.steps if self.waits(s)]

    @cached_property
    def approvals(self) -> list[str]:
        """The ids of those that people decide about."""
        return [s for s in self.waiting if self.waits(s) == "approval"]

    @property
    def places(self) -> Raw:
        """How many runs may go on at once; empty where there is no limit."""
        found: Raw = self.flow.get("concurrency", {})
        return found

    def action_of(self, role: str, step: str) -> Raw:
        """The spec of the Action of a unit; empty where it has none."""
        if role == "finally":
            return self.actions[next(f["action"] for f in self.flow["finally"] if f["id"] == step)]
        user = self.flow["onFailure"] if role == "onFailure" else self.step(step)
        if role == "undo":
            user = self.undo_of(step) or user
        return self.actions[user["action"]] if "action" in user else {}

    def undo_of(self, step: str) -> Raw | None:
        """What undoes a step: as it says itself, else as its Action says."""
        own = self.step(step).get("compensate")
        found: Raw | None = own or self.action_of("do", step).get("compensate")
        return found if found is not None and "action" in found else None

    def retry_of(self, role: str, step: str) -> Raw:
        """The retry that holds for a unit: a step's own replaces its Action's."""
        own = self.step(step).get("retry") if role == "do" else None
        found: Raw = own if own is not None else self.action_of(role, step).get("retry", {})
        return found

    def step(self, name: str) -> Raw:
        """The step of that id, or that an item (`s1[0]`) is of."""
        return self._by_id[name.partition("[")[0]]

    @cached_property
    def _by_id(self) -> dict[str, Raw]:
        return {s["id"]: s for s in self.flow["steps"]}

    def needs(self, name: str) -> list[str]:
        """The ids of the steps that a step, or an item of it, follows directly."""
        step = self.step(name)
        at = self.steps.index(step["id"])
        needs: list[str] = step.get("needs", self.steps[max(0, at - 1) : at])
        return [need for need in needs if need != "trigger"]

    def lenient(self, name: str) -> bool:
        """Whether the run goes on when it fails."""
        return self.step(name).get("onError") == "Continue"

    def items(self, step: str) -> int | None:
        """How many items a step has; None where it is no forEach."""
        each = self.step(step).get("forEach")
        return None if each is None else len(each["items"].split(","))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """1 to 8 steps over 1 to 3 Actions, with a handler or without; for one run, or for some that
    share places.
    """
    actions = {f"do-{i}": draw(_actions) for i in range(draw(st.integers(1, 3)))}
    names = sorted(actions)
    count = draw(st.sampled_from((1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 8)))
    steps: list[Raw] = []
    before: list[set[int]] = []
    for at in range(count):
        grammar = _grammar(draw, at, before)
        steps.append(_waiting(draw, at, grammar) or _step(draw, names, grammar, steps))
    flow: Raw = {"steps": steps}
    finals = draw(st.sampled_from((0, 0, 1, 2)))
    if finals:
        flow["finally"] = [
            {"id": f"f{i}", "action": draw(st.sampled_from(names)), "input": {"v": 1}}
            for i in range(finals)
        ]
    if draw(st.integers(0, 9)) == 9:
        flow["outputs"] = {"n": "{{ steps.s0.output.n }}"}
    limit = draw(st.sampled_from((0, 0, 0, 0, 600, 600, 30)))
    if limit:
        flow["activeDeadlineSeconds"] = limit
    told = draw(st.sampled_from(("no", "yes", "yes", "yes", "bad")))
    if told != "no":
        text = _TELL if told == "yes" else "{{ trigger.body.nope.x }}"
        flow["onFailure"] = {"action": names[-1], "input": {"text": text}}
    if draw(st.integers(0, 5)) == 5:
        flow["failurePolicy"] = "Stop"
    for name in names:
        undo = draw(st.sampled_from(_UNDOS))
        if undo is not None:
            actions[name]["compensate"] = {"action": draw(st.sampled_from(names)), "input": undo}
    runs = 1
    if draw(st.integers(0, 7)) == 7:
        flow["concurrency"] = draw(_places)
        runs = draw(st.integers(2, 3))
    made = {n: {"image": f"example.com/{n}:1", **a} for n, a in actions.items()}
    return Scenario(flow, made, runs)


_retries: st.SearchStrategy[Raw | None] = st.sampled_from(
    (
        None,
        None,
        {"maxAttempts": 2},
        {"maxAttempts": 3, "initialDelaySeconds": 0},
        {"maxAttempts": 3, "initialDelaySeconds": 20, "nonRetryableExitCodes": [3]},
        {"maxAttempts": 2, "retryOn": ["OOMKilled", "Evicted", "JobLost", "NodeLost"]},
        {"maxAttempts": 4, "retryOn": ["ExitCode"]},
    )
)
_places: st.SearchStrategy[Raw] = st.builds(
    lambda policy, most, key: {
        "policy": policy,
        "max": most,
        **({"key": "{{ trigger.body.k }}"} if key else {}),
    },
    st.sampled_from(("Queue", "Queue", "Forbid", "Replace")),
    st.sampled_from((1, 1, 2)),
    st.sampled_from((False, False, True)),
)
_waits: st.SearchStrategy[Raw] = st.sampled_from(
    (
        {"seconds": 5},
        {"seconds": 60},
        {"seconds": 400},
        {"until": UNTIL},
        {"until": "{{ trigger.body.until }}"},
        {"until": "{{ trigger.body.nope }}"},
    )
)
_approvals: st.SearchStrategy[Raw] = st.builds(
    lambda required, expires, silence, schema, message: {
        "required": required,
        "expiresSeconds": expires,
        **({"onExpiry": "Approve"} if silence else {}),
        **({"dataSchema": NEEDS_N} if schema and not silence else {}),
        **({"message": "{{ trigger.body.n }}?"} if message else {}),
    },
    st.sampled_from((1, 1, 2)),
    st.sampled_from((20, 300, 4000)),
    st.sampled_from((False, False, False, True)),
    st.sampled_from((False, False, True)),
    st.booleans(),
)
_actions: st.SearchStrategy[Raw] = st.builds(
    lambda deadline, start, schema, retry, safe, by_log: {
        **({"activeDeadlineSeconds": deadline} if deadline else {}),
        **({"startDeadlineSeconds": start} if start else {}),
        **({"outputSchema": NEEDS_N} if schema else {}),
        **({"retry": retry} if retry else {}),
        **({"retrySafety": "Idempotent"} if safe else {}),
        **({"output": {"source": "Logs"}} if by_log else {}),
    },
    st.sampled_from((0, 0, 1, 20, 120)),
    st.sampled_from((0, 0, 10, 60)),
    st.booleans(),
    _retries,
    st.booleans(),
    st.sampled_from((False, False, True)),
)


def _grammar(draw: st.DrawFn, at: int, before: list[set[int]]) -> Raw:
    """Where the step stands among the others, when it runs and how often; `before` learns which
    steps are surely before it.
    """
    made: Raw = {}
    direct = {at - 1} if at else set[int]()
    if at and draw(st.integers(0, 2)) == 0:
        direct = draw(st.sets(st.integers(0, at - 1), max_size=3))
        made["needs"] = [f"s{i}" for i in sorted(direct)] or ["trigger"]
    before.append(direct.union(*(before[i] for i in direct)))
    kind = draw(st.integers(0, 15))
    if kind in (0, 1):
        made["when"] = "{{ trigger.body.n > 5 }}"
    if kind in (2, 3):
        made["when"] = "{{ trigger.body.n == 1 }}"
    if kind == 4:
        made["when"] = "{{ trigger.body.n }}"
    if kind >= 12:
        some = ", ".join("12345"[: draw(st.integers(1, 5))])
        made["forEach"] = {"items": f"{{{{ [{some}] }}}}", "maxParallel": draw(st.integers(1, 3))}
    if draw(st.integers(0, 4)) == 0:
        made["onError"] = "Continue"
    return made | {"before": sorted(before[at])}


def _waiting(draw: st.DrawFn, at: int, grammar: Raw) -> Raw | None:
    """A step that waits for a time or for people, now and then; of all the first one most often,
    for it is seen to wait.
    """
    waits = draw(st.integers(0, 15)) if "forEach" not in grammar else 0
    if waits < (13 if at else 12):
        return None
    kind = ("wait", _waits) if waits == 13 else ("approval", _approvals)
    del grammar["before"]
    return {"id": f"s{at}", kind[0]: draw(kind[1]), **grammar}


def _step(draw: st.DrawFn, names: list[str], grammar: Raw, earlier_steps: list[Raw]) -> Raw:
    """A step whose input is a constant, the trigger's, an earlier output, or a mistake."""
    before = grammar.pop("before")
    kind = draw(st.integers(0, 15))
    value: Any = 7
    if kind >= 14:
        value = _BAD[draw(st.integers(0, len(_BAD) - 1))]
    elif kind >= 11:
        value = "{{ trigger.body.n }}"
    elif kind >= 3 and before:
        earlier = draw(st.sampled_from(before))
        path = f"steps.s{earlier}.output" + ("" if kind == 8 else ".n")
        value = f"{{{{ {path} }}}}" if kind >= 8 else f"{{{{ {path} | default(0) }}}}"
        if "forEach" in earlier_steps[earlier]:
            value = f"{{{{ steps.s{earlier}.output | default([]) | length }}}}"
        elif "wait" in earlier_steps[earlier]:
            value = f"{{{{ steps.s{earlier}.state }}}}"
    step: Raw = {
        "id": f"s{len(earlier_steps)}",
        "action": draw(st.sampled_from(names)),
        "input": {"v": value},
    }
    step |= grammar
    extra = draw(st.integers(0, 7))
    if extra == 7:
        step["retry"] = {"maxAttempts": 3, "initialDelaySeconds": 2}
    if extra == 5:
        step["compensate"] = {"disabled": True}
    if extra == 4:
        step["compensate"] = {"action": draw(st.sampled_from(names)), "input": {"v": 1}}
    if extra == 6:
        step["activeDeadlineSeconds"] = draw(st.sampled_from((400, 90, 5)))
    return step
