"""Ready of Workflows by types, on a real API server: within a second, in any order of applying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from component.server import ApiServer
from support.definitions import GIVES, TAKES, Definitions, flow
from support.kubelet import await_value
from support.operator import operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def definitions(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with operating(server.kubeconfig, server.namespace, log):
        found = Definitions(server.kubeconfig, server.namespace)
        found.apply("Workflow", "awake", {"steps": [{"id": "a", "action": "nobody"}]})
        await_value(lambda: found.ready("awake") or None, "the operator is awake")
        yield found


def test_the_verdict_follows_whatever_the_order(definitions: Definitions) -> None:
    definitions.apply("Workflow", "order", flow())
    definitions.becomes("order", "False", "there is no Action `gives`", "`takes`")
    definitions.apply("Action", "takes", TAKES)
    definitions.becomes("order", "False", "there is no Action `gives`")
    definitions.apply("Action", "gives", GIVES)
    assert definitions.becomes("order", "True") == ""
    other = {"type": "object", "properties": {"userID": {"type": "string"}}}
    definitions.apply("Action", "gives", {**GIVES, "outputSchema": other})
    definitions.becomes("order", "False", "steps[1].input.id:", "(did you mean `userID`?)")
    definitions.apply("Action", "gives", GIVES)
    definitions.becomes("order", "True")
    number = {"type": "object", "properties": {"id": {"type": "integer"}}}
    definitions.apply("Action", "takes", {**TAKES, "inputSchema": number})
    definitions.becomes("order", "False", "it is a string, not an integer (inputSchema of takes)")
    definitions.apply("Action", "takes", TAKES)
    definitions.becomes("order", "True")
    definitions.delete("Action", "gives")
    definitions.becomes("order", "False", "there is no Action `gives`")
    definitions.delete("Action", "takes")


def test_every_finding_is_told_and_a_warning_stops_nothing(definitions: Definitions) -> None:
    definitions.apply("Action", "gives", GIVES)
    definitions.apply("Action", "takes", TAKES)
    definitions.apply("Workflow", "many", flow("userid", idd="x"))
    told = definitions.becomes("many", "False")
    assert "steps[1].input.id: `steps.make.output` has no `userid` (did you mean `userId`?)" in told
    assert "steps[1].input.idd: `idd` is not taken (did you mean `id`?)" in told
    optional = {k: v for k, v in GIVES["outputSchema"].items() if k != "required"}
    definitions.apply("Action", "gives", {**GIVES, "outputSchema": optional})
    definitions.apply("Workflow", "many", flow())
    told = definitions.becomes("many", "True", "warning: steps[1].input.id:")
    assert "may be absent: it is not required by outputSchema of gives" in told


def test_a_message_is_bounded(definitions: Definitions) -> None:
    steps = [{"id": f"s{i}", "action": "takes", "input": {"id": i}} for i in range(60)]
    definitions.apply("Action", "takes", TAKES)
    definitions.apply("Workflow", "long", {"steps": steps})
    told = definitions.becomes("long", "False", "steps[0].input.id: it is 0, an integer")
    assert told.endswith("; and 40 more")
    assert len(told) < 8 * 1024 + 20
