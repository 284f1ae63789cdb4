"""Finds the expressions in a string: where each begins and ends, and that none is nested deeply.

Decides what is text and what is an expression, so that text comes back as it was written,
character by character (Jinja2 alone would change line ends). Knows nothing of what an expression
means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_BRACKETS: Final = 20
"""Nested brackets. Jinja2's parser recurses some 14 frames for each."""
MAX_PREFIXES: Final = 50
"""`not not x`, `--x` and `else`: each costs the parser a frame."""

MAX_TOKENS: Final = 1000
"""Words, numbers, quoted strings and symbols of one expression: each costs the parser some 4 µs."""
MAX_EXPRESSIONS: Final = 200
"""Expressions of one string: each costs the parser some 25 µs before it has read a token."""

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}
_STATEMENT: Final = re.compile(r"\{[%#]")
_TOKEN: Final = re.compile(
    r"""
      (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<quote>['"])
    | (?P<bracket>[\[\](){}])
    | (?P<prefix>[-+]|not\b|else\b)
    | (?P<word>\w+)
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BAD_ESCAPE: Final = re.compile(
    r"""(?:[^\\]|\\(?:[\\'"nrtbf]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00[01][0-9a-fA-F]{5}))*"""
)


class ScanError(Exception):
    """The string cannot be split; the message says why and names the cure."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, or the inside of one `{{ … }}`."""

    text: str
    is_expression: bool


def split(source: str) -> Iterator[Piece]:
    """The pieces of a string, in order, none of them empty text. Raises ScanError."""
    position = found = 0
    while (start := source.find(_OPEN, position)) >= 0:
        found += 1
        if found > MAX_EXPRESSIONS:
            raise ScanError(f"more than {MAX_EXPRESSIONS} expressions in one string")
        if start > position:
            yield _plain(source[position:start])
        end = _end_of_expression(source, start + 2)
        inside = source[start + 2 : end]
        _check_whitespace_control(inside)
        yield Piece(inside, is_expression=True)
        position = end + 2
    if position < len(source):
        yield _plain(source[position:])


def refuse_statements(text: str) -> None:
    """Text may not look like a statement or a comment of Jinja2, which would not be obeyed."""
    found = _STATEMENT.search(text)
    if found:
        mark = found.group()
        raise ScanError(
            f"`{mark}` is not supported: only {{{{ expressions }}}} are; "
            f"to write it as text: {{{{ '{mark}' }}}}"
        )


def _plain(text: str) -> Piece:
    refuse_statements(text)
    return Piece(text, is_expression=False)


def _check_whitespace_control(inside: str) -> None:
    if inside[:1] in ("-", "+") or inside[-1:] in ("-", "+"):
        raise ScanError(
            "whitespace control (`{{-`, `-}}`) is not supported; "
            "put a space between the braces and a sign: `{{ -x }}`"
        )


def _end_of_expression(source: str, start: int) -> int:
    closers: list[str] = []
    prefixes = tokens = 0
    after_prefix = False
    for token in _TOKEN.finditer(source, start):
        name, found = token.lastgroup, token.group()
        if found == "}" and not closers and source.startswith(_CLOSE, token.start()):
            return token.start()
        if name == "bracket":
            _match(closers, found)
        elif name == "quote":
            raise ScanError("a quoted string in an expression is not closed")
        elif name == "string":
            _check_escapes(found)
        tokens += name != "space"
        prefixes += name == "prefix" and (after_prefix or found == "else")
        after_prefix = name == "prefix" or (after_prefix and name == "space")
        if len(closers) > MAX_BRACKETS or prefixes > MAX_PREFIXES:
            raise ScanError("an expression is nested too deeply")
        if tokens > MAX_TOKENS:
            raise ScanError(f"an expression has more than {MAX_TOKENS:,} words and symbols")
    raise ScanError("`{{` without `}}`; to write it as text: {{ '{{' }}")


def _match(closers: list[str], found: str) -> None:
    """Keep the closing brackets that are still to come."""
    if found in _PAIRS:
        closers.append(_PAIRS[found])
    elif not closers or closers.pop() != found:
        raise ScanError("the brackets in an expression do not match")


def _check_escapes(quoted: str) -> None:
    if _BAD_ESCAPE.fullmatch(quoted, 1, len(quoted) - 1) is None:
        raise ScanError(r"unknown escape in a quoted string; a backslash is written `\\`")
