"""`kubectl workflow lint`: places in files, formats, exit codes. Offline, like the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from workflow_do.cli.linting import check_files
from workflow_do.cli.main import app
from workflow_do.cli.manifests import Unreadable, read_manifests

ROOT = Path(__file__).resolve().parents[3]

ACTIONS = """\
# Two verbs.
apiVersion: workflow.do/v1alpha1
kind: Action
metadata: {name: make}
spec:
  image: example.com/make:1
  outputSchema:
    properties: {userId: {type: string}}
    required: [userId]
---
apiVersion: workflow.do/v1alpha1
kind: Action
metadata: {name: take}
spec:
  image: example.com/take:1
  inputSchema:
    properties: {id: {type: string}, a.b: {type: string}, many: {items: {type: string}}}
    required: [id]
    additionalProperties: false
"""
FLOW = """\
apiVersion: workflow.do/v1alpha1
kind: Workflow
metadata:
  name: flow
spec:
  steps:
  - id: one
    action: make
  - {id: two, action: take, input: {id: '{{ steps.one.output.userID }}'}}
  - id: three
    action: take
    input:
      id: '{{ steps.one.output.userId }}'
      a.b: 5
      many:
      - good
      - 7
  - id: four
    action: take
    input:
      idd: x
"""


def found(*texts: str, **options: bool) -> list[str]:
    """`file:line:column: severity: path` of everything found."""
    summary = check_files([(f"f{at}.yaml", text) for at, text in enumerate(texts)], **options)
    return [
        f"{r.position.file}:{r.position.line}:{r.position.column}: "
        f"{r.finding.severity}: {r.finding.path}"
        for r in summary.findings
    ]


def test_a_finding_has_its_file_line_and_column() -> None:
    expected = [
        "f1.yaml:9:41: error: steps[1].input.id",
        "f1.yaml:14:12: error: steps[2].input.a.b",
        "f1.yaml:17:9: error: steps[2].input.many[1]",
        "f1.yaml:21:7: error: steps[3].input",
        "f1.yaml:21:12: error: steps[3].input.idd",
    ]
    assert found(ACTIONS, FLOW) == expected
    assert found(FLOW, ACTIONS) == [row.replace("f1", "f0") for row in expected]


def test_an_action_that_is_not_given_is_unknown_or_missing() -> None:
    assert found(FLOW) == []
    assert found(FLOW, complete=True)[0] == "f0.yaml:8:13: error: steps[0].action"


def test_actions_are_those_of_the_namespace() -> None:
    elsewhere = ACTIONS.replace("metadata: {", "metadata: {namespace: other, ")
    assert found(elsewhere, FLOW) == []
    assert (
        len(found(elsewhere, FLOW.replace("  name: flow", "  name: flow\n  namespace: other"))) == 5
    )


PLACES = {
    "no-spec": ("kind: Action\nmetadata: {name: a}\n", "1:1: error: spec"),
    "no-name": ("kind: Action\nmetadata: {}\nspec: {image: x}\n", "3:11: error: metadata.name"),
    "long-name": (
        f"kind: Workflow\nmetadata:\n  name: {'w' * 51}\nspec: {{steps: [{{id: a, action: a}}]}}\n",
        "4:9: error: metadata.name",
    ),
    "unknown-kind": ("kind: Acton\nmetadata: {name: a}\nspec: {}\n", "2:7: error: kind"),
    "field": (
        "kind: Action\nmetadata: {name: a}\nspec:\n  image: x\n  imge: y\n",
        "6:9: error: imge",
    ),
    "type": (
        "kind: Action\nmetadata: {name: a}\nspec:\n  image: x\n  command: ls -l\n",
        "6:12: error: command",
    ),
    "schema": (
        "kind: Action\nmetadata: {name: a}\nspec:\n  image: x\n  inputSchema:\n    type: strin\n",
        "7:11: error: inputSchema.type",
    ),
    "template": (
        "kind: Action\nmetadata: {name: a}\nspec:\n  image: x\n"
        "  env:\n  - name: A\n    value: '{{ inptu.x }}'\n",
        "8:12: error: env[0].value",
    ),
    "run": (
        "kind: WorkflowRun\nmetadata: {generateName: a-}\nspec:\n"
        "  workflowName: f\n  trigger: {type: cron}\n",
        "6:19: error: trigger.type",
    ),
    "child": (
        "kind: Workflow\nmetadata: {name: f}\nspec:\n  steps:\n"
        "  - {id: a, workflow: c}\n"
        "  - {id: b, action: x, input: {v: '{{ steps.a.output.nope }}'}}\n"
        "---\napiVersion: workflow.do/v1alpha1\nkind: Workflow\nmetadata: {name: c}\nspec:\n"
        "  steps: [{id: a, action: x}]\n  outputs: {there: 1}\n",
        "7:35: error: steps[1].input.v",
    ),
    "approval": (
        "kind: WorkflowApproval\nmetadata: {generateName: a-}\nspec:\n  runNam: x\n",
        "5:11: error: runNam",
    ),
    "block-scalar": (
        "kind: Workflow\nmetadata: {name: f}\nspec:\n  steps:\n  - id: a\n    action: a\n"
        "    input:\n      x: >\n        {{ nope }}\n",
        "9:10: error: steps[0].input.x",
    ),
    "after-unicode": (
        "kind: Workflow\nmetadata: {name: f}\nspec:\n  title: Grüße 👋\n"
        "  steps: [{id: a, action: a, input: {ö: 'é', x: '{{ nope }}'}}]\n",
        "6:49: error: steps[0].input.x",
    ),
    "by-alias": (
        "kind: Workflow\nmetadata: {name: f}\nspec:\n  steps:\n"
        "  - {id: a, action: a, input: &in {x: '{{ nope }}'}}\n"
        "  - {id: b, action: a, input: *in}\n",
        "6:39: error: steps[0].input.x",
    ),
    "by-merge": (
        "kind: Workflow\nmetadata: {name: f}\nspec:\n  steps:\n"
        "  - &s {id: a, action: a, input: {x: '{{ nope }}'}}\n  - {<<: *s, id: b}\n",
        "6:38: error: steps[0].input.x",
    ),
}


@pytest.mark.parametrize(("text", "place"), PLACES.values(), ids=PLACES)
def test_places(text: str, place: str) -> None:
    assert f"f0.yaml:{place}" in found("apiVersion: workflow.do/v1alpha1\n" + text)


def test_dates_are_text_as_for_kubectl() -> None:
    [manifest] = read_manifests("kind: X\nmetadata: {name: 2026-01-31}\n", "f")
    assert manifest.metadata("name") == "2026-01-31"


def test_lists_are_looked_into() -> None:
    items = [yaml.safe_load(part) for part in (*ACTIONS.split("---"), FLOW)]
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert len(found(whole)) == 5


def test_json_is_yaml() -> None:
    assert len(found(ACTIONS, json.dumps(yaml.safe_load(FLOW), indent=2))) == 5


def test_what_is_not_ours_is_passed_over() -> None:
    assert (
        found("a: {{ .Values.x }}\n", "kind: Pod\napiVersion: v1\n", "", "- 1\n", "just text") == []
    )


def test_one_object_twice_is_told() -> None:
    assert found(ACTIONS, ACTIONS)[0] == "f1.yaml:4:18: warning: "


UNREADABLE = {
    "syntax": ("a: [1\nb: 2", "f:2:2"),
    "key-twice": ("a: 1\nb: {c: 1,\n    c: 2}", "f:3:5"),
    "tag": ("a: !!python/object:os.system x", "f:1:4"),
    "not-json": ("a: .nan", "f:1:4"),
    "laughs": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "f:1:",
    ),
    "itself": ("a: &a [*a]", "f:1:"),
    "deep": ("a: " + "[" * 300 + "]" * 300, "f:1:"),
    "tab": ("a:\n\tb: 1", "f:2:1"),
}


@pytest.mark.parametrize(("text", "place"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(Unreadable) as caught:
        list(read_manifests(text, "f"))
    at = caught.value.position
    assert f"{at.file}:{at.line}:{at.column}".startswith(place)
    assert len(caught.value.message) < 300


def lint(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["lint", *arguments], **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "actions.yaml").write_text(ACTIONS)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "flow.yml").write_text(FLOW)
    (tmp_path / "deep" / "notes.txt").write_text("kind: {{")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.yaml").write_text("workflow.do/: [")
    return tmp_path


def test_a_folder_is_looked_through(folder: Path) -> None:
    done = lint(str(folder))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert lines[0] == (
        f"{folder}/deep/flow.yml:9:41: error: steps[1].input.id: "
        "`steps.one.output` has no `userID` (did you mean `userId`?); it has `userId`, "
        "by outputSchema of make; "
        "`additionalProperties: true` there says that there are others (Workflow flow)"
    )
    assert done.stderr.strip() == "5 errors, 0 warnings in 3 objects of 2 files"


def test_clean_files_are_exit_code_0(folder: Path) -> None:
    done = lint(str(folder / "actions.yaml"))
    assert (done.exit_code, done.stdout) == (0, "")


def test_standard_input(folder: Path) -> None:
    done = lint("-", str(folder / "actions.yaml"), input=FLOW)
    assert done.exit_code == 1
    assert done.stdout.startswith("stdin:9:41: error: ")


def test_warnings_can_be_left_out() -> None:
    text = "apiVersion: workflow.do/v1alpha1\nkind: Workflow\nmetadata: {name: f}\nspec:\n" + (
        "  steps: [{id: a, action: x, input: {x: '{{ failure }}'}}]\n"
    ).replace("failure", "trigger.body.a == none and run.name == 5")
    assert lint("-", input=text).exit_code == 1
    assert lint("--no-warnings", "-", input=text).exit_code == 0


USAGE = {
    "nothing": [],
    "no-such-file": ["/no/such/file.yaml"],
    "no-such-format": ["-o", "xml", "-"],
    "no-such-option": ["--fix", "-"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert lint(*arguments).exit_code == 2


def test_an_empty_folder_is_wrong_usage(tmp_path: Path) -> None:
    done = lint(str(tmp_path))
    assert done.exit_code == 2
    assert "no YAML or JSON file there" in done.stderr


def test_json(folder: Path) -> None:
    whole = json.loads(lint("-o", "json", str(folder)).stdout)
    assert (whole["files"], whole["objects"], whole["errors"], whole["warnings"]) == (2, 3, 5, 0)
    assert whole["findings"][1] == {
        "file": f"{folder}/deep/flow.yml",
        "line": 14,
        "column": 12,
        "severity": "error",
        "object": "Workflow flow",
        "path": "steps[2].input.a.b",
        "message": "it is 5, an integer, not a string (inputSchema of take)",
        "cure": "put it in quotes",
    }


def test_the_hook_is_a_command_that_runs() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    files = sorted(str(f) for f in (ROOT / "examples" / "onboarding").glob("*.yaml"))
    done = subprocess.run(
        [Path(sys.executable).parent / program, *arguments, *files],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert hook["language"] == "python"
    assert {"yaml"} <= set(hook["types_or"])
