"""What the pages show is valid: each object of ours, each Python block, each message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import PAGES, ROOT, Shown, blocks, name, shown

from workflow_do.api.approval import ApprovalSpec
from workflow_do.api.names import KINDS
from workflow_do.api.revision import RevisionSpec
from workflow_do.api.run import RunSpec
from workflow_do.engine.check import check_workflow
from workflow_do.engine.definition import (
    ActionDef,
    Definition,
    define,
    define_action,
    parse_revision,
)
from workflow_do.engine.identity import hash_of
from workflow_do.sdk.do import Do

OBJECTS = [found for page in PAGES for found in shown(page)]
EXAMPLES = [ROOT / "examples" / name / "actions.yaml" for name in ("onboarding", "child-runs")]


def of_kind(kind: str) -> pytest.MarkDecorator:
    found = [o for o in OBJECTS if o.raw["kind"] == kind]
    assert found, f"no page shows a {kind}"
    return pytest.mark.parametrize("shown", found, ids=str)


def actions_for(page: Path) -> dict[str, Any]:
    """The Actions that a page's Workflows may use: its own, and those of the examples."""
    files = (yaml.safe_load_all(file.read_text(encoding="utf-8")) for file in EXAMPLES)
    example = [raw for file in files for raw in file]
    own = (o.raw for o in shown(page) if o.raw["kind"] == "Action")
    return {raw["metadata"]["name"]: raw["spec"] for raw in [*example, *own]}


def workflows_of(page: Path) -> dict[str, Any]:
    """The Workflows that a page shows: their steps may start runs of each other."""
    own = (o.raw for o in shown(page) if o.raw["kind"] == "Workflow")
    return {raw["metadata"]["name"]: raw["spec"] for raw in own}


@of_kind("Action")
def test_actions_are_usable(shown: Shown) -> None:
    found = define_action(shown.raw["metadata"]["name"], shown.raw["spec"])
    assert isinstance(found, ActionDef), found


@of_kind("Workflow")
def test_workflows_can_be_run(shown: Shown) -> None:
    spec, actions = shown.raw["spec"], actions_for(shown.page)
    name, others = shown.raw["metadata"]["name"], workflows_of(shown.page)
    found = define(name, spec, actions)
    assert isinstance(found, Definition), found
    assert [str(f) for f in check_workflow(name, spec, actions, workflows=others)] == []


@of_kind("WorkflowRun")
def test_runs_are_valid(shown: Shown) -> None:
    assert RunSpec.model_validate(shown.raw["spec"]).workflow_name


@of_kind("WorkflowApproval")
def test_approvals_are_valid(shown: Shown) -> None:
    assert ApprovalSpec.model_validate(shown.raw["spec"]).run_name


@of_kind("WorkflowRevision")
def test_revisions_are_what_the_operator_would_make(shown: Shown) -> None:
    assert isinstance(parse_revision(shown.raw), Definition)
    spec = RevisionSpec.model_validate(shown.raw["spec"])
    raw = shown.raw["spec"]
    content = hash_of({"workflow": raw["workflow"], "actions": raw["actions"]})
    assert spec.content_hash == content
    assert shown.raw["metadata"]["name"] == f"{spec.workflow_name}-{content[:10]}"


def test_every_kind_is_shown() -> None:
    kinds = {o.raw["kind"] for o in OBJECTS}
    assert kinds == {kind.kind for kind in KINDS}


def test_the_readme_opens_with_the_example_as_it_is_run() -> None:
    first = next(shown(ROOT / "README.md")).raw
    text = (ROOT / "examples" / "onboarding" / "workflow.yaml").read_text(encoding="utf-8")
    assert first == yaml.safe_load(text)


def test_the_readmes_python_is_the_workflow_of_its_yaml() -> None:
    [block] = blocks(ROOT / "README.md", "python")
    definition, _, rest = block.partition("\nrun = ")
    assert rest.startswith("order.execute(")
    found: dict[str, Any] = {"do": Do()}
    exec(definition.replace("from workflow_do import do\n", ""), found)
    made = found["order"].manifest()
    [written] = [o.raw for o in shown(ROOT / "README.md") if o.raw["metadata"] == made["metadata"]]
    assert made == written


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, name(page), "exec")
