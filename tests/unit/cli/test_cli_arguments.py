"""Arguments, exit codes and error texts of the command line; without a cluster."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unit.cli import runs
from workflow_do.cli import exits, show
from workflow_do.cli.body import MAX_READ_BYTES, build_body, read_text
from workflow_do.cli.logs import selection, source_of
from workflow_do.cli.main import app
from workflow_do.sdk import errors
from workflow_do.sdk.errors import DefinitionError
from workflow_do.sdk.run import parse_run


@pytest.mark.parametrize(
    ("text", "params", "json_params", "body"),
    [
        pytest.param(None, [], [], None, id="nothing"),
        pytest.param('{"a": 1}', [], [], {"a": 1}, id="body"),
        pytest.param("[1, null]", [], [], [1, None], id="any-json"),
        pytest.param(
            None, ["a=1", "b=x=y", "c="], [], {"a": "1", "b": "x=y", "c": ""}, id="params"
        ),
        pytest.param(None, [], ["a=1", "b=[true]"], {"a": 1, "b": [True]}, id="json-params"),
        pytest.param('{"a": 1, "z": 2}', ["a=x"], ["b=3"], {"a": "x", "b": 3, "z": 2}, id="all"),
    ],
)
def test_body(text: str | None, params: list[str], json_params: list[str], body: object) -> None:
    assert build_body(text, params, json_params) == body


@pytest.mark.parametrize(
    ("text", "params", "json_params", "said"),
    [
        pytest.param("{", [], [], "--body: not JSON: .* line 1, column 2", id="broken"),
        pytest.param("NaN", [], [], "--body: not JSON: NaN is no JSON number", id="nan"),
        pytest.param("[" * 100_000, [], [], "--body: not JSON", id="too-deep"),
        pytest.param("[1]", ["a=1"], [], "--body: must be a JSON object", id="not-an-object"),
        pytest.param(None, ["a"], [], "-p 'a': must look like key=value", id="no-equals"),
        pytest.param(None, ["=a"], [], "-p '=a': must look like key=value", id="no-key"),
        pytest.param(None, ["a=1"], ["a=2"], "--json-param a: given twice", id="twice"),
        pytest.param(None, [], ["a=x"], "--json-param a: not JSON.*use -p", id="bare-word"),
    ],
)
def test_body_refused(
    text: str | None, params: list[str], json_params: list[str], said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        build_body(text, params, json_params)


def test_body_from_file_and_stdin(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"a": 1}', "utf-8")
    assert read_text(f"@{file}", io.StringIO()) == '{"a": 1}'
    assert read_text("-", io.StringIO("[2]")) == "[2]"
    assert read_text('{"a": "@"}', io.StringIO()) == '{"a": "@"}'


def test_body_from_file_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"--body @.*nope: cannot be read"):
        read_text(f"@{tmp_path}/nope", io.StringIO())
    with pytest.raises(DefinitionError, match="--body -: over 1048576 bytes"):
        read_text("-", io.StringIO("x" * (MAX_READ_BYTES + 1)))
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DefinitionError, match="cannot be read"):
        read_text(f"@{tmp_path}/latin", io.StringIO())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RunFailed(parse_run(runs.failed())), 1),
        (DefinitionError("x"), 2),
        (errors.NotFound("x"), 2),
        (errors.AlreadyExists("x"), 2),
        (errors.Invalid("x"), 2),
        (errors.Unreachable("x"), 3),
        (errors.Forbidden("x"), 3),
        (errors.NotInstalled("x"), 3),
        (errors.ServerError("x"), 3),
        (errors.RunTimeout("r", "ns", 5), 124),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_exit_codes(error: errors.WorkflowDoError, code: int) -> None:
    assert exits.code_of(error) == code


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["run"], 2, "Missing argument", id="no-workflow"),
        pytest.param(["run", "w", "--body", "{"], 2, "error: --body: not JSON", id="bad-body"),
        pytest.param(["run", "w", "--timeout", "5"], 2, "only together with --watch", id="bound"),
        pytest.param(["run", "w", "-o", "xml"], 2, "xml", id="output"),
        pytest.param(["get", "r", "-A"], 2, "leave RUN out", id="one-of-all"),
        pytest.param(["logs", "r", "--timeout", "5"], 2, "only together with -f", id="logs-bound"),
        pytest.param(["completion", "tcsh"], 2, "bash, zsh or fish", id="shell"),
        pytest.param(["nope"], 2, "No such command", id="command"),
        pytest.param(["get", "--kubeconfig", "/nope"], 3, "no usable kubeconfig", id="kubeconfig"),
        pytest.param(["version"], 0, "workflow.do/v1alpha1", id="version"),
        pytest.param(["completion", "bash"], 0, "complete -o default", id="completion"),
        pytest.param(["--help"], 0, "Exit codes", id="help"),
    ],
)
def test_usage(arguments: list[str], code: int, said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [["get", "x"], ["watch", "x"], ["logs", "x"], ["run", "x"], ["get"]],
    ids=" ".join,
)
def test_unreachable(arguments: list[str], tmp_path: Path) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
    }
    file = tmp_path / "config"
    file.write_text(json.dumps(config), "utf-8")
    result = CliRunner().invoke(app, [*arguments, "--kubeconfig", str(file)])
    assert result.exit_code == exits.CANNOT_REACH
    assert "cannot reach the API server at http://127.0.0.1:9" in result.output
    assert "refused" in result.output


def test_a_mistake_of_the_program_shows_no_traceback() -> None:
    script = (
        "import sys; from workflow_do.cli import main, options\n"
        "def broken(*_): raise KeyError('boom')\n"
        "main.reach = broken; sys.argv = ['kubectl-workflow', 'get']; main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=9)
    assert done.returncode == exits.INTERNAL
    assert "error: this is a mistake of kubectl-workflow" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_help_must_not_load() -> None:
    script = (
        "import sys; import workflow_do.cli.main\n"
        "print(*{'kubernetes', 'pydantic', 'yaml', 'rich.live', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=9)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def pod(name: str, *, state: str | None, **labels: str) -> runs.Object:
    statuses = [{"name": "istio-proxy", "state": {"running": {}}}]
    if state:
        statuses.append({"name": "action", "state": {state: {}}})
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": runs.at(1),
            "labels": {f"workflow.do/{key}": value for key, value in labels.items()},
        },
        "status": {"containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("obj", "label", "begun"),
    [
        (pod("p", state="running", step="a", role="do", **{"try": "1"}), "a", True),
        (pod("p", state="terminated", step="a", role="do", **{"try": "2"}), "a#2", True),
        (pod("p", state="waiting", step="a", role="do"), "a", False),
        (pod("p", state=None, step="a", role="do"), "a", False),
        (pod("p", state="running", role="onFailure"), "onFailure", True),
        (pod("p", state="running", step="a", role="undo"), "undo of a", True),
        (pod("p", state="running", step="a", item="3", role="do"), "a[3]", True),
        (pod("p", state="running", step="a", item="3", role="undo"), "undo of a[3]", True),
    ],
    ids=[
        "first-try",
        "second-try",
        "waiting",
        "only-a-sidecar",
        "handler",
        "undo",
        "item",
        "undo-of-item",
    ],
)
def test_log_sources(obj: runs.Object, label: str, begun: bool) -> None:
    source = source_of(obj)
    assert (source.label, source.begun) == (label, begun)


@pytest.mark.parametrize(
    ("step", "labels"),
    [
        (None, "workflow.do/run-uid=7b7f4c1e"),
        ("syncToCrm", "workflow.do/run-uid=7b7f4c1e,workflow.do/step=syncToCrm"),
        ("onFailure", "workflow.do/run-uid=7b7f4c1e,workflow.do/role=onFailure"),
    ],
)
def test_log_selection(step: str | None, labels: str) -> None:
    assert selection(parse_run(runs.failed()), step).labels == labels


def test_logs_of_a_step_that_is_not_there() -> None:
    with pytest.raises(errors.NotFound, match='no step "crm"; it has createUser, syncToCrm'):
        selection(parse_run(runs.failed()), "crm")


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("json", '{\n  "apiVersion": "workflow.do/v1alpha1",\n  "kind": "WorkflowRun"'),
        ("yaml", "apiVersion: workflow.do/v1alpha1\nkind: WorkflowRun\n"),
        ("name", "workflowrun.workflow.do/new-user-onboarding-flow-x7k2p\n"),
    ],
)
def test_data(form: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    show.data(runs.failed(), form)
    text = capsys.readouterr().out
    assert text.startswith(start)
    assert "managedFields" not in text
