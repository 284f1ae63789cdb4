"""Findings in files, and how they are written: plain, JSON, SARIF.

Decides the formats; finds nothing. SARIF is version 2.1.0 (OASIS Standard), sections 3.13 and on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from workflow_do import __version__
from workflow_do.cli.manifests import Position
from workflow_do.engine.check import Finding, Severity

_RULES = {
    Severity.ERROR: "No run could go well: the Workflow or Action is not Ready.",
    Severity.WARNING: "Some runs might fail: the message says which.",
}


@dataclass(frozen=True, slots=True)
class Located:
    """A finding, where it stands, and of which object: `Workflow order`."""

    finding: Finding
    position: Position
    owner: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What was looked at."""

    files: int
    objects: int
    findings: tuple[Located, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are as bad as that."""
        return sum(row.finding.severity is severity for row in self.findings)

    def __str__(self) -> str:
        found = ", ".join(
            f"{self.count(s)} {s.value}{'' if self.count(s) == 1 else 's'}" for s in Severity
        )
        return f"{found} in {self.objects} objects of {self.files} files"


def plain(rows: Iterable[Located]) -> str:
    """One line for each: `file:line:column: error: place: what is wrong; the cure (Workflow x)`."""
    return "".join(f"{_place(row)}: {_told(row)} ({row.owner})\n" for row in rows)


def as_json(summary: Summary) -> str:
    """The findings with all their parts."""
    found = [
        {
            "file": row.position.file,
            "line": row.position.line,
            "column": row.position.column,
            "severity": row.finding.severity.value,
            "object": row.owner,
            "path": row.finding.path,
            "message": row.finding.message,
            "cure": row.finding.cure,
        }
        for row in summary.findings
    ]
    counts = {f"{s.value}s": summary.count(s) for s in Severity}
    whole = {"files": summary.files, "objects": summary.objects, **counts, "findings": found}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def as_sarif(summary: Summary) -> str:
    """One run of SARIF 2.1.0."""
    rules = [
        {"id": f"workflow-do/{severity.value}", "shortDescription": {"text": text}}
        for severity, text in _RULES.items()
    ]
    driver = {"name": "kubectl-workflow lint", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": _results(summary.findings),
    }
    whole = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
        "sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _results(rows: Sequence[Located]) -> list[dict[str, Any]]:
    levels = list(_RULES)
    return [
        {
            "ruleId": f"workflow-do/{row.finding.severity.value}",
            "ruleIndex": levels.index(row.finding.severity),
            "level": row.finding.severity.value,
            "message": {"text": _text(row.finding)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(row.position.file)},
                        "region": {
                            "startLine": row.position.line,
                            "startColumn": row.position.column,
                        },
                    },
                    "logicalLocations": [
                        {"fullyQualifiedName": f"{row.owner}: {row.finding.path or 'spec'}"}
                    ],
                }
            ],
        }
        for row in rows
    ]


def _uri(file: str) -> str:
    """A path as a URI reference; one from the root of the file system is a file URI."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _place(row: Located) -> str:
    at = row.position
    return f"{at.file}:{at.line}:{at.column}"


def _told(row: Located) -> str:
    place = f"{row.finding.path}: " if row.finding.path else ""
    return f"{row.finding.severity.value}: {place}{_text(row.finding)}"


def _text(finding: Finding) -> str:
    return f"{finding.message}; {finding.cure}" if finding.cure else finding.message
