"""Definitions in Python: what is accepted, what is sent, and how a mistake is told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml

from workflow_do.sdk.definition import define_action, define_workflow, place_of, run_manifest
from workflow_do.sdk.do import Do
from workflow_do.sdk.errors import DefinitionError
from workflow_do.sdk.yamltext import dump_yaml

ONBOARDING: dict[str, Any] = {
    "name": "new-user-onboarding-flow",
    "trigger": {"type": "api"},
    "steps": [
        {
            "id": "createUser",
            "action": "create-user-db",
            "input": {"email": "{{ trigger.body.email }}", "plan": "free-tier", "referrer": None},
        },
        {
            "id": "syncToCrm",
            "action": "add-user-to-crm",
            "input": {"userId": "{{ steps.createUser.output.userId }}"},
        },
    ],
    "onFailure": {"action": "notify-devops-team", "input": {"message": "Onboarding failed"}},
}
SPEC = {key: value for key, value in ONBOARDING.items() if key != "name"}


def with_input(text: str) -> dict[str, Any]:
    step = {"id": "createUser", "action": "create-user-db", "input": {"x": text}}
    return {"name": "w", "steps": [step]}


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in ONBOARDING.items() if k != key}


def test_what_is_written_is_what_is_applied() -> None:
    flow = Do().workflow.define(ONBOARDING)
    assert flow.name == "new-user-onboarding-flow"
    assert flow.manifest() == {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "new-user-onboarding-flow"},
        "spec": SPEC,
    }


def test_defaults_are_left_to_the_api_server() -> None:
    steps = [{"id": "a", "action": "b"}]
    flow = Do().workflow.define({"name": "w", "namespace": "shop", "steps": steps})
    assert flow.manifest()["spec"] == {"steps": steps}
    assert flow.manifest()["metadata"] == {"name": "w", "namespace": "shop"}


def test_an_action() -> None:
    spec = {"image": "example.com/crm:1", "inputSchema": {"type": "object"}}
    manifest = Do().action.define({"name": "add-user-to-crm", **spec}).manifest()
    assert (manifest["kind"], manifest["spec"]) == ("Action", spec)


def test_yaml_reads_back_as_the_manifest() -> None:
    flow = Do().workflow.define(ONBOARDING)
    text = flow.to_yaml()
    assert text.startswith("apiVersion: workflow.do/v1alpha1\nkind: Workflow\n")
    assert yaml.safe_load(text) == flow.manifest()


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        pytest.param(without("name"), "Workflow: name: required", id="no-name"),
        pytest.param(
            without("steps"),
            'Workflow "new-user-onboarding-flow": steps: required',
            id="no-steps",
        ),
        pytest.param(
            {**ONBOARDING, "onfailure": {}},
            "onfailure: no such field (did you mean onFailure?)",
            id="misspelt",
        ),
        pytest.param(
            {**ONBOARDING, "steps": [{"id": "a", "acton": "b"}]},
            "steps[0].acton: no such field (did you mean action?)",
            id="misspelt-inside",
        ),
        pytest.param(
            {**ONBOARDING, "steps": [{"id": "a-b", "action": "b"}]},
            "steps[0].id: ",
            id="bad-id",
        ),
        pytest.param({**ONBOARDING, "steps": []}, "steps: ", id="empty-steps"),
        pytest.param(
            {**ONBOARDING, "steps": [{"id": "a", "action": "b"}, {"id": "a", "action": "c"}]},
            "steps[1].id: `a` is the id of steps[0] already",
            id="id-twice",
        ),
        pytest.param({**ONBOARDING, "name": "No Spaces"}, "name: ", id="bad-name"),
        pytest.param({**ONBOARDING, "name": "w" * 51}, "name: at most 50", id="long-name"),
        pytest.param(
            {"metadata": {"name": "w"}, "spec": SPEC}, "not by a whole manifest", id="manifest"
        ),
        pytest.param(
            {**ONBOARDING, "steps": [{"id": "a", "action": "b", "input": {"x": float("nan")}}]},
            "steps[0].input.x: not JSON: nan",
            id="nan",
        ),
        pytest.param("steps: []", "is defined by a dict", id="text"),
        pytest.param(
            with_input("{{ steps.createUser.output.id }}"),
            'Workflow "w": steps[0].input.x: the step `createUser` does not come before this one',
            id="itself",
        ),
        pytest.param(
            with_input("{{ steps.nobody.output.id }}"),
            "steps[0].input.x: there is no step `nobody` before this one",
            id="no-such-step",
        ),
        pytest.param(
            with_input("{{ tigger.body }}"),
            "steps[0].input.x: `tigger` is not defined here (did you mean `trigger`?)",
            id="no-such-name",
        ),
        pytest.param(with_input("{{ 1 + }}"), "steps[0].input.x: unexpected", id="malformed"),
        pytest.param(
            {**with_input("y"), "onFailure": {"action": "n", "input": {"m": "{{ failure.x }}"}}},
            "onFailure.input.m: `failure` has no `x`; it has `step`, `action`",
            id="handler",
        ),
        pytest.param(
            {**with_input("y"), "trigger": {"bodySchema": {"properties": {"n": {"type": "nr"}}}}},
            "trigger.bodySchema.properties.n.type: must be array",
            id="body-schema",
        ),
        pytest.param(
            {"name": "w", "steps": [{"id": "trigger", "action": "a"}]},
            "the step id `trigger` is reserved",
            id="reserved-id",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(definition: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define_workflow(definition)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param(
            {"outputSchema": {"$ref": "https://example.com/s.json"}},
            'Action "a": outputSchema',
            id="schema-elsewhere",
        ),
        pytest.param(
            {"inputSchema": {"properties": {"n": {"pattern": "(?=x)"}}}},
            "inputSchema.properties.n.pattern: not a pattern that can be used",
            id="pattern",
        ),
        pytest.param(
            {"env": [{"name": "X", "value": "{{ steps.a.output }}"}]},
            "env[0].value: `steps` is not defined here; there are `input`",
            id="env",
        ),
        pytest.param(
            {"env": [{"name": "ACTION_INPUT", "value": "x"}]},
            "env[0].name: `ACTION_INPUT` is reserved",
            id="reserved-variable",
        ),
    ],
)
def test_a_mistake_in_an_action_is_told_with_its_place(spec: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define_action({"name": "a", "image": "example.com/a:1", **spec})
    assert said in str(caught.value)


def test_an_action_that_nobody_has_seen_is_no_mistake() -> None:
    assert define_workflow(with_input("{{ trigger.body }}")).name == "w"


@pytest.mark.parametrize("text", ["y", "N", "089", "1e3", "1.0e3", "0o17", "0X1F", "1_0", ".5"])
def test_what_kubectl_takes_for_another_type_is_quoted(text: str) -> None:
    step = {"id": "a", "action": "b", "input": {text: text}}
    written = Do().workflow.define({"name": "w", "steps": [step]}).to_yaml()
    assert f"'{text}': '{text}'\n" in written
    assert yaml.safe_load(written)["spec"]["steps"] == [step]


def test_values_that_are_no_text_stay_what_they_are() -> None:
    values = [True, None, 0, -3, 1.5, 1e16, 5e-7, "1.2.3", "-", "yes-man"]
    assert dump_yaml({"v": values}) == (
        "v:\n- true\n- null\n- 0\n- -3\n- 1.5\n- 1.0e+16\n- 5.0e-07\n- 1.2.3\n- '-'\n- yes-man\n"
    )


def test_many_mistakes_are_told_in_bounds() -> None:
    steps = [{"id": f"-{i}", "action": "a"} for i in range(50)]
    with pytest.raises(DefinitionError, match=r"and 4\d more$"):
        define_workflow({"name": "w", "steps": steps})


def test_run_manifest() -> None:
    assert run_manifest("w", body={"a": None}, namespace="shop") == {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {
            "generateName": "w-",
            "namespace": "shop",
            "labels": {"workflow.do/workflow": "w"},
        },
        "spec": {"workflowName": "w", "trigger": {"type": "api", "body": {"a": None}}},
    }
    assert run_manifest("w", name="r")["metadata"]["name"] == "r"
    assert "body" not in run_manifest("w")["spec"]["trigger"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"a": [0, {1}]}, r"body: a\[1\]: not JSON: \{1\}", id="a-set"),
        pytest.param(float("inf"), "body: the whole: not JSON: inf", id="infinity"),
        pytest.param("x" * 262144, "body: 26.... bytes of JSON, at most 262144", id="too-large"),
    ],
)
def test_a_body_is_refused_before_it_is_sent(body: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        run_manifest("w", body=body)


def test_places() -> None:
    assert place_of(("steps", 1, "input", "email")) == "steps[1].input.email"
    assert place_of(()) == ""


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_wait_is_bounded(timeout: float) -> None:
    flow = Do().workflow.define(ONBOARDING)
    with pytest.raises(ValueError, match="timeout: a number of seconds above 0"):
        flow.execute(timeout=timeout)


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import workflow_do", ""),
        ("from workflow_do import do", "pydantic"),
        (
            "from workflow_do import do; do.action.define({'name': 'a', 'image': 'b'})",
            "jinja2 jsonschema_rs pydantic",
        ),
    ],
    ids=["package", "do", "define"],
)
def test_what_an_import_costs(code: str, loaded: str) -> None:
    heavy = {"kubernetes", "pydantic", "rich", "jinja2", "jsonschema_rs", "yaml"}
    script = f"import sys\n{code}\nprint(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=9)
    assert (done.returncode, done.stdout.strip()) == (0, loaded)
