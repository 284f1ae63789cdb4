"""The verdict on a Workflow, on a whole cluster: within a second of the apply, and it follows.

What is told, in all its cases, is shown by tests of the checker; here, that the operator as the
chart installs it tells it in time, by the watch of a real API server.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.bench import Bench
from support.definitions import GIVES, TAKES, Definitions

OTHER: dict[str, Any] = {"type": "object", "properties": {"userID": {"type": "string"}}}
PLANS: dict[str, Any] = {
    "image": "example.com/x:1",
    "inputSchema": {
        "type": "object",
        "properties": {"plan": {"enum": ["free", "paid"]}, "seats": {"type": "integer"}},
        "required": ["plan"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def definitions(shared: Bench) -> Definitions:
    return Definitions(shared.cluster.kubeconfig, shared.namespace)


def signup(plan: Any, **plan_input: Any) -> dict[str, Any]:
    return {
        "steps": [
            {"id": "make", "action": "gives"},
            {"id": "use", "action": "takes", "input": {"id": "{{ steps.make.output.userId }}"}},
            {"id": "plan", "action": "plans", "input": {"plan": plan, **plan_input}},
        ]
    }


def test_every_finding_is_told_within_a_second(definitions: Definitions) -> None:
    """Its path, what is wrong, and what would be right."""
    definitions.apply("Action", "gives", GIVES)
    definitions.apply("Action", "takes", TAKES)
    definitions.apply("Action", "plans", PLANS)
    broken = signup("gold", seats="{{ steps.make.output.userId }}", colour="red")
    broken["steps"][0]["needs"] = ["trigger"]
    broken["steps"][1]["input"] = {"id": "{{ steps.make.output.userID }}"}
    broken["outputs"] = {"who": "{{ steps.mak.output.userId }}"}
    definitions.apply("Workflow", "broken", broken)
    told = definitions.becomes(
        "broken",
        "False",
        "steps[1].input.id: `steps.make.output` has no `userID` (did you mean `userId`?)",
        'steps[2].input.plan: "gold" is not one of "free", "paid" (inputSchema of plans)',
        "steps[2].input.seats: it is a string, not an integer (inputSchema of plans)",
        "steps[2].input.colour: `colour` is not taken (inputSchema of plans); it takes `plan`",
        "outputs.who: there is no step `mak` before this one (did you mean `make`?)",
    )
    assert told.count("steps[") == 4, told


def test_the_verdict_follows_what_arrives_changes_and_goes(definitions: Definitions) -> None:
    definitions.apply("Action", "takes", TAKES)
    definitions.apply("Action", "gives", GIVES)
    definitions.apply("Action", "plans", PLANS)
    definitions.apply("Workflow", "signup", signup("free"))
    definitions.becomes("signup", "True")
    definitions.delete("Action", "plans")
    definitions.becomes("signup", "False", "steps[2].action: there is no Action `plans`")
    definitions.apply("Action", "plans", PLANS)
    assert definitions.becomes("signup", "True") == ""
    definitions.apply("Action", "gives", {**GIVES, "outputSchema": OTHER})
    definitions.becomes("signup", "False", "steps[1].input.id:", "(did you mean `userID`?)")
    definitions.apply("Action", "gives", GIVES)
    definitions.becomes("signup", "True")
    definitions.delete("Action", "takes")
    definitions.becomes("signup", "False", "steps[1].action: there is no Action `takes`")
    definitions.apply("Action", "takes", TAKES)
    definitions.becomes("signup", "True")
