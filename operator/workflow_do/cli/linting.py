"""What is wrong in texts with objects of ours: reads them, checks them, says where.

Texts in, findings out; reads no file itself. An object that is not of our group is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workflow_do.api import names
from workflow_do.api.approval import ApprovalSpec
from workflow_do.api.base import Spec
from workflow_do.api.rules import NAME_MAX, WORKFLOW_NAME_MAX
from workflow_do.api.run import RunSpec
from workflow_do.cli.findings import Located, Summary
from workflow_do.cli.manifests import (
    Manifest,
    Position,
    Unreadable,
    is_ours,
    mentions_us,
    read_manifests,
)
from workflow_do.engine.check import Finding, Severity, check_action, check_workflow, read_form

_KINDS: Final = tuple(kind.kind for kind in vars(names).values() if isinstance(kind, names.Kind))

_FORMS: Final[dict[str, type[Spec]]] = {
    names.RUN.kind: RunSpec,
    names.APPROVAL.kind: ApprovalSpec,
}


@dataclass(slots=True)
class _Found:
    """The objects of all texts, and what is wrong with them so far."""

    objects: list[Manifest] = field(default_factory=list)
    rows: list[Located] = field(default_factory=list)

    def add(self, manifest: Manifest, prefix: str, findings: Iterable[Finding]) -> None:
        """Findings of a part of the object, with their positions."""
        owner = f"{manifest.kind} {manifest.metadata('name') or manifest.metadata('generateName')}"
        for finding in findings:
            # What is inside a list as a whole has no place of its own: `tags[]`.
            path = ".".join(part for part in (prefix, finding.path) if part).replace("[]", "")
            self.rows.append(Located(finding, manifest.position(path), owner.strip()))


def check_files(
    texts: Iterable[tuple[str, str]], *, complete: bool = False, warnings: bool = True
) -> Summary:
    """Everything wrong in the texts (name, text), in the order of files and lines.

    `complete`: an Action or a Workflow that is nowhere in the texts is missing, not just unknown.
    """
    files = list(texts)
    found = _Found()
    for file, text in files:
        _read_file(file, text, found)
    actions = _specs(found, names.ACTION)
    workflows = _specs(found, names.WORKFLOW)
    _tell_of_twins(found)
    for manifest in found.objects:
        found.add(manifest, "", _head(manifest))
        spec = manifest.raw.get("spec")
        if isinstance(spec, Mapping):
            space = manifest.metadata("namespace")
            known = _Known(actions.get(space, {}), workflows.get(space, {}), complete)
            found.add(manifest, "spec", _spec(manifest, spec, known))
    kept = [r for r in found.rows if warnings or r.finding.severity is Severity.ERROR]
    order = {file: at for at, (file, _) in enumerate(files)}
    kept.sort(key=lambda r: (order[r.position.file], r.position.line, r.position.column))
    return Summary(len(files), len(found.objects), tuple(kept))


def _read_file(file: str, text: str, found: _Found) -> None:
    try:
        found.objects += [m for m in read_manifests(text, file) if is_ours(m)]
    except Unreadable as error:
        # A folder may hold templates of charts and other people's files.
        if mentions_us(text):
            finding = Finding("", Severity.ERROR, error.message)
            found.rows.append(Located(finding, error.position, "the file"))


@dataclass(frozen=True, slots=True)
class _Known:
    """The specs in one namespace by name; `complete`: there are no others."""

    actions: Mapping[str, Mapping[str, Any]]
    workflows: Mapping[str, Mapping[str, Any]]
    complete: bool


def _specs(found: _Found, kind: names.Kind) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The specs of a kind by namespace and name."""
    specs: dict[str, dict[str, Mapping[str, Any]]] = {}
    for manifest in found.objects:
        spec = manifest.raw.get("spec")
        if manifest.kind == kind.kind and isinstance(spec, Mapping):
            specs.setdefault(manifest.metadata("namespace"), {})[manifest.metadata("name")] = spec
    return specs


def _tell_of_twins(found: _Found) -> None:
    """An object that is there twice."""
    first: dict[tuple[str, str, str], Position] = {}
    for manifest in found.objects:
        name, space = manifest.metadata("name"), manifest.metadata("namespace")
        key = (manifest.kind, space, name)
        if name and key in first:
            at = first[key]
            message = f"it stands at {at.file}:{at.line} already"
            found.add(manifest, "metadata.name", [Finding("", Severity.WARNING, message)])
        first.setdefault(key, manifest.position("metadata.name"))


def _head(manifest: Manifest) -> Iterator[Finding]:
    """What is wrong outside the spec."""
    version = manifest.raw.get("apiVersion")
    if version != names.API_VERSION:
        yield _wrong("apiVersion", f"must be {names.API_VERSION}")
    if manifest.kind not in _KINDS:
        yield _wrong("kind", f"there is no kind `{manifest.kind}`; there are {', '.join(_KINDS)}")
    if not isinstance(manifest.raw.get("spec"), Mapping):
        yield _wrong("spec", "required")
    name, generated = manifest.metadata("name"), manifest.metadata("generateName")
    if not name and not (generated and manifest.kind in _FORMS):
        yield _wrong("metadata.name", "required")
    limit = WORKFLOW_NAME_MAX if manifest.kind == names.WORKFLOW.kind else NAME_MAX
    if len(name) > limit:
        yield _wrong("metadata.name", f"must be text of at most {limit} characters")


def _wrong(path: str, message: str) -> Finding:
    return Finding(path, Severity.ERROR, message)


def _spec(manifest: Manifest, spec: Mapping[str, Any], known: _Known) -> Iterable[Finding]:
    name = manifest.metadata("name")
    if manifest.kind == names.ACTION.kind:
        return check_action(name, spec)
    if manifest.kind == names.WORKFLOW.kind:
        return check_workflow(
            name, spec, known.actions, complete=known.complete, workflows=known.workflows
        )
    model = _FORMS.get(manifest.kind)
    return read_form(model, spec)[1] if model is not None else ()
