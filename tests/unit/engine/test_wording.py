"""How a definition that is not well formed is told: path, what is wrong, what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from support.leaves import specs_with
from workflow_do.api.action import ActionSpec
from workflow_do.api.base import Spec
from workflow_do.api.workflow import WorkflowSpec
from workflow_do.engine.check import read_form
from workflow_do.sdk.definition import define_action, define_workflow
from workflow_do.sdk.errors import DefinitionError

STEP = {"id": "a", "action": "b"}


def flow(**changes: Any) -> dict[str, Any]:
    return {"name": "w", "steps": [STEP], **changes}


def one_step(**changes: Any) -> dict[str, Any]:
    return flow(steps=[{**STEP, **changes}])


WORKFLOWS = {
    "missing": ({"name": "w"}, "steps: required"),
    "unknown": (flow(stesp=[]), "stesp: no such field (did you mean steps?)"),
    "steps-mapping": (flow(steps={"a": 1}), "steps: must be a list, not a mapping"),
    "steps-text": (flow(steps="a"), 'steps: must be a list, not "a"; write it as a list: [ … ]'),
    "steps-empty": (flow(steps=[]), "steps: must have at least 1 item, not 0"),
    "step-number": (flow(steps=[5]), "steps[0]: must be a mapping, not 5"),
    "id": (
        one_step(id="1x"),
        "steps[0].id: must be letters, digits and `_`, a letter first and no `_` at the end, "
        '40 at most, not "1x"',
    ),
    "action-name": (
        one_step(action="Send_Mail"),
        "steps[0].action: must be lower-case letters, digits, `-` and `.`, with a letter or digit "
        'at both ends, not "Send_Mail"',
    ),
    "id-null": (one_step(id=None), "steps[0].id: must be a string, not null"),
    "action-number": (one_step(action=5), "must be a string, not 5; put it in quotes"),
    "input": (one_step(input=[1, 2]), "steps[0].input: must be a mapping, not a list of 2"),
    "integer": (
        flow(activeDeadlineSeconds="soon"),
        'activeDeadlineSeconds: must be an integer, not "soon"',
    ),
    "fraction": (flow(failedRunsHistoryLimit=1.5), "must be an integer, not 1.5"),
    "too-small": (flow(activeDeadlineSeconds=0), "must be at least 1, not 0"),
    "too-large": (flow(activeDeadlineSeconds=10**9), "must be at most 31,536,000, not 1000000000"),
    "boolean": (flow(suspend="maybe"), 'suspend: must be true or false, not "maybe"'),
    "literal": (flow(trigger={"type": "cron"}), 'trigger.type: must be api, not "cron"'),
    "enum": (
        one_step(retry={"retryOn": ["Nope"]}),
        "steps[0].retry.retryOn[0]: must be one of ExitCode, OutputInvalid, ",
    ),
    "long-text": (
        flow(title="x" * 300),
        f'title: must be text of at most 200 characters, not "{"x" * 60}"… (300 characters)',
    ),
}


@pytest.mark.parametrize(("definition", "said"), WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_that_is_not_well_formed(definition: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define_workflow(definition)
    assert said in str(caught.value)


ACTIONS = {
    "empty": ({"image": ""}, "image: must be text of at least 1 character, not"),
    "command": ({"command": "ls -l"}, 'command: must be a list, not "ls -l"; write it as a list'),
    "argument": ({"args": [1]}, "args[0]: must be a string, not 1; put it in quotes"),
    "variable": (
        {"env": [{"name": "1-x"}]},
        "env[0].name: must be letters, digits and `_`, and no",
    ),
    "policy": ({"imagePullPolicy": "never"}, "must be one of Always, IfNotPresent, Never, not"),
    "quantity": (
        {"resources": {"limits": {"cpu": "lots"}}},
        'resources.limits.cpu: must be a quantity, such as 100m, 2 or 64Mi, not "lots"',
    ),
    "schema": ({"inputSchema": 5}, "inputSchema: must be a mapping, not 5"),
    "path": (
        {"volumeMounts": [{"name": "v", "mountPath": "a:b"}]},
        "must be an absolute path without `:`",
    ),
}


@pytest.mark.parametrize(("changes", "said"), ACTIONS.values(), ids=ACTIONS)
def test_an_action_that_is_not_well_formed(changes: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define_action({"name": "a", "image": "example.com/a:1", **changes})
    assert said in str(caught.value)


SECRETS = {
    "variable": {"env": [{"name": "X", "value": 12345678}]},
    "variable-list": {"env": [{"name": "X", "value": ["12345678"]}]},
    "named-like-one": {"nodeSelector": {"apiToken": 12345678}},
}


@pytest.mark.parametrize("changes", SECRETS.values(), ids=SECRETS)
def test_what_may_be_a_secret_is_not_shown(changes: Any) -> None:
    with pytest.raises(DefinitionError) as caught:
        define_action({"name": "a", "image": "example.com/a:1", **changes})
    assert "12345678" not in str(caught.value)


LEAKS = ("Input should", "String should", "valid ", "tuple", "dictionary", "instance of", "^[")


@pytest.mark.parametrize("model", [WorkflowSpec, ActionSpec], ids=lambda m: m.__name__)
@pytest.mark.parametrize("value", [None, 5, "", "§" * 5000, [], {}, [{}], {"x": []}], ids=repr)
def test_no_field_is_told_in_the_words_of_the_library(model: type[Spec], value: Any) -> None:
    for path, spec in specs_with(model, value):
        for finding in read_form(model, spec)[1]:
            assert not any(leak in finding.message for leak in LEAKS), (path, str(finding))
            assert len(str(finding)) <= 600
