"""The templates of one place, checked in its scope: what they give, and what is wrong in them.

Decides how findings of an expression become findings of a place, string by string, so that one
broken template hides no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from workflow_do.api.base import Json
from workflow_do.engine import expressions as ex
from workflow_do.engine.check import guards
from workflow_do.engine.check.finding import Finding, Severity
from workflow_do.engine.check.infer import infer
from workflow_do.engine.check.lookup import Issue
from workflow_do.engine.check.scopes import Scope
from workflow_do.engine.check.shape import (
    ANY,
    STRING,
    Shape,
    of_value,
    record,
    words,
    written_list,
)
from workflow_do.engine.expressions.compiler import parse_expression
from workflow_do.engine.expressions.model import Expression

_MAX_DEPTH: Final = 64


@dataclass(slots=True)
class Place:
    """One place with templates. `findings` fills up while it is read."""

    scope: Scope
    known: guards.Guards = guards.NONE
    """What a condition has asked about before this place is rendered."""
    findings: list[Finding] = field(default_factory=list)

    def shape(self, value: Json, path: str, depth: int = 0) -> Shape:
        """The shape of what the value gives once rendered."""
        if depth > _MAX_DEPTH:
            message = f"nested more than {_MAX_DEPTH} deep"
            self.findings.append(Finding(path, Severity.ERROR, message))
            return ANY
        if isinstance(value, dict):
            return record(
                {
                    str(key): self.shape(item, f"{path}.{key}", depth + 1)
                    for key, item in value.items()
                }
            )
        if isinstance(value, list):
            items = [self.shape(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(value)]
            return written_list(items)
        return self.text(value, path) if isinstance(value, str) else of_value(value)

    def text(self, value: str, path: str) -> Shape:
        """The shape of a string, which may be a template."""
        try:
            root = ex.parse(value, path).root
        except ex.TemplateProblem as problem:
            self.findings.append(Finding(path, Severity.ERROR, problem.message))
            return ANY
        if not isinstance(root, ex.Template):
            return of_value(value)
        if root.whole and isinstance(root.parts[0], Expression):
            return self._expression(root.parts[0], path)
        for part in root.parts:
            if isinstance(part, Expression):
                self._printable(self._expression(part, path), part, path)
        return STRING

    def _expression(self, expression: Expression, path: str) -> Shape:
        shape, issues = infer(parse_expression(expression.source, path), self.scope, self.known)
        for issue in issues:
            self._add(issue, path)
        return shape

    def _add(self, issue: Issue, path: str) -> None:
        finding = Finding(path, issue.severity, issue.message, issue.cure)
        if finding not in self.findings:
            self.findings.append(finding)

    def _printable(self, shape: Shape, part: Expression, path: str) -> None:
        cure = "`| default(…)` gives another value"
        if shape.kinds == {"null"}:
            message = f"null cannot stand in text, in `{part.source[:80]}`"
            self._add(Issue(Severity.ERROR, message, cure), path)
        elif "null" in shape.kinds and (shape.note or not shape.unknown):
            why = shape.note or f"`{part.source[:80]}` may be null"
            self._add(Issue(Severity.WARNING, f"{why}, and null cannot stand in text", cure), path)


def asked_by(condition: str) -> guards.Guards:
    """What a condition (`when`) asks about, for what is rendered only if it is true."""
    try:
        root = ex.parse(condition).root
    except ex.TemplateProblem:
        return guards.NONE
    if not isinstance(root, ex.Template):
        return guards.NONE
    known = guards.NONE
    for part in root.parts:
        if isinstance(part, Expression):
            known |= guards.of(parse_expression(part.source, ""))
    return known


def expect(shape: Shape, kinds: frozenset[str], wanted: str, path: str) -> list[Finding]:
    """What a field of ours (`when`, `forEach`) takes of a template."""
    if shape.impossible or shape.unknown or shape.kinds <= kinds:
        return []
    severity = Severity.WARNING if shape.kinds & kinds else Severity.ERROR
    verb = "may be" if shape.kinds & kinds else "is"
    return [Finding(path, severity, f"it {verb} {words(shape)}, not {wanted}")]
