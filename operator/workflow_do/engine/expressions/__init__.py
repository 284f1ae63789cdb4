"""Expressions: `{{ … }}` in the strings of a Workflow, rendered over the data of a run.

`parse` once, `render` any number of times. The syntax is Jinja2's, the meaning is ours: values
are JSON, `a.b` reads a key and never an attribute, nothing can be called, what is missing is a
failure, and everything has a price. See docs/expressions.md.
"""

from workflow_do.engine.expressions.model import (
    Reference,
    Template,
    TemplateFailure,
    TemplateProblem,
    Tree,
)
from workflow_do.engine.expressions.render import parse, references, render
from workflow_do.engine.expressions.values import kind

__all__ = [
    "Reference",
    "Template",
    "TemplateFailure",
    "TemplateProblem",
    "Tree",
    "kind",
    "parse",
    "references",
    "render",
]
