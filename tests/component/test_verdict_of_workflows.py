"""Ready of Workflows by types, on a real API server: within a second, in any order of applying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config

from component.server import ApiServer
from support.kubelet import await_value
from support.operator import operating

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
API = "workflow.do/v1alpha1"
DEADLINE_SECONDS = 1.0
"""From the API server's answer to an apply until the verdict is there."""

GIVES: dict[str, Any] = {
    "image": "example.com/x:1",
    "outputSchema": {
        "type": "object",
        "properties": {"userId": {"type": "string"}},
        "required": ["userId"],
    },
}
TAKES: dict[str, Any] = {
    "image": "example.com/x:1",
    "inputSchema": {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "additionalProperties": False,
    },
}


class Definitions:
    """Applies definitions and reads their verdicts, without a process for each look."""

    def __init__(self, server: ApiServer) -> None:
        self._namespace = server.namespace
        self._api = client.CustomObjectsApi(config.new_client_from_config(str(server.kubeconfig)))

    def _at(self, plural: str) -> tuple[str, str, str, str]:
        return ("workflow.do", "v1alpha1", self._namespace, plural)

    def apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Make it, or put its spec in place of the old one."""
        at = self._at(f"{kind.lower()}s")
        body: dict[str, Any] = {
            "apiVersion": API,
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        for _ in range(5):
            try:
                old = self._api.get_namespaced_custom_object(*at, name)
                version = {"resourceVersion": old["metadata"]["resourceVersion"]}
                body["metadata"] = {"name": name, **version}
                self._api.replace_namespaced_custom_object(*at, name, body)
                return
            except client.ApiException as error:
                if error.status == 404:
                    self._api.create_namespaced_custom_object(*at, body)
                    return
                if error.status != 409:  # else the operator has just written a verdict
                    raise
        raise AssertionError(f"{name} changes all the time")

    def delete(self, kind: str, name: str) -> None:
        self._api.delete_namespaced_custom_object(*self._at(f"{kind.lower()}s"), name)

    def ready(self, name: str) -> dict[str, Any]:
        """The condition Ready of a Workflow; empty while it has none of this generation."""
        raw = self._api.get_namespaced_custom_object(*self._at("workflows"), name)
        rows = raw.get("status", {}).get("conditions", [])
        row = next((r for r in rows if r["type"] == "Ready"), {})
        return row if row.get("observedGeneration") == raw["metadata"]["generation"] else {}

    def becomes(self, name: str, status: str, *words: str) -> str:
        """Its message once it has this status and these words in it; within the deadline."""

        def look() -> dict[str, Any] | None:
            row = self.ready(name)
            fits = row.get("status") == status and all(w in row["message"] for w in words)
            return row if fits else None

        what = f"{name} is Ready={status} with {words}"
        return str(await_value(look, what, DEADLINE_SECONDS)["message"])


@pytest.fixture(scope="module")
def definitions(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with operating(server.kubeconfig, server.namespace, log):
        found = Definitions(server)
        found.apply("Workflow", "awake", {"steps": [{"id": "a", "action": "nobody"}]})
        await_value(lambda: found.ready("awake") or None, "the operator is awake")
        yield found


def flow(output: str = "userId", **more: Any) -> dict[str, Any]:
    value = "{{ steps.make.output." + output + " }}"
    return {
        "steps": [
            {"id": "make", "action": "gives"},
            {"id": "use", "action": "takes", "input": {"id": value, **more}},
        ]
    }


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
