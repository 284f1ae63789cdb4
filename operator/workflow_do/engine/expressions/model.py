"""The nouns of the package: parsed templates, what they refer to, and how they fail.

Decides nothing. A parsed template is immutable, compares by its source text, and can be rendered
any number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from workflow_do.engine.expressions.context import Context, Json

MAX_MESSAGE_CHARS: Final = 300
MAX_TREE_DEPTH: Final = 64

Evaluate: TypeAlias = Callable[[Context], Json]
"""A compiled expression. Raises `Failed`, and nothing else that is expected."""


class TemplateProblem(Exception):
    """A value is no valid template: `path` names the place, `message` the trouble and the cure."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = shorten(message)
        super().__init__(f"{path}: {self.message}" if path else self.message)


@dataclass(frozen=True, slots=True)
class TemplateFailure:
    """A rendering that has no result, as a value. No data stands in the message."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name that an expression reads, with the constant keys and indexes after it.

    `steps.createUser.output["userId"]` is `("steps", "createUser", "output", "userId")`; what
    comes after a computed subscript is left out. `path` is where the template stands.
    """

    parts: tuple[str | int, ...]
    path: str

    @property
    def root(self) -> str:
        """The first name: `steps`, `trigger`, …"""
        return str(self.parts[0])


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between `{{` and `}}`."""

    source: str
    evaluate: Evaluate = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Template:
    """A string with at least one expression.

    `whole`: the string is one expression and nothing else, so the result keeps its JSON type.
    """

    path: str
    parts: tuple[str | Expression, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A value without any expression in it."""

    value: Json


@dataclass(frozen=True, slots=True)
class Items:
    """A list with an expression somewhere inside."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with an expression somewhere inside a value; keys are literal."""

    fields: tuple[tuple[str, Node], ...]


Node: TypeAlias = Literal | Template | Items | Fields


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed JSON value whose strings may be templates."""

    root: Node
    references: frozenset[Reference]


def shorten(message: str) -> str:
    """The message, cut to its limit in a way that shows."""
    if len(message) <= MAX_MESSAGE_CHARS:
        return message
    return message[: MAX_MESSAGE_CHARS - 1] + "…"
