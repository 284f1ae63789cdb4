"""YAML and JSON files as objects of which every place knows its line and column.

Decides what is read (documents, Lists, keys that stand twice, merge keys) and where in a file a
path such as `steps[1].input.userId` stands. Reads YAML as kubectl does: dates are text. Bounded:
aliases cannot blow a small file up. Knows no kind of object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_NODES: Final = 200_000
_MAX_DEPTH: Final = 100
_OURS: Final = "workflow.do/"
_DATE: Final = "tag:yaml.org,2002:timestamp"
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


class Unreadable(Exception):
    """The text is no YAML that kubectl would take."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    raw: dict[str, Any]
    file: str
    node: yaml.MappingNode

    @property
    def kind(self) -> str:
        """Its kind; empty where it has none."""
        return str(self.raw.get("kind") or "")

    def metadata(self, key: str) -> str:
        """A word of its metadata, or nothing."""
        meta = self.raw.get("metadata")
        value = meta.get(key) if isinstance(meta, dict) else None
        return value if isinstance(value, str) else ""

    def position(self, path: str) -> Position:
        """Where the path stands, or the nearest place above it that is there."""
        return _position(self.file, _descend(self.node, path))


class _Loader(yaml.SafeLoader):
    """PyYAML's own, but for dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _DATE]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_manifests(text: str, file: str) -> Iterator[Manifest]:
    """The objects of a text, in order, those inside Lists too. Raises Unreadable."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise Unreadable(Position(file, 1, 1), "the file is over 4 MiB")
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if isinstance(node, yaml.MappingNode):
                yield from _objects(node, _Plain(loader, file), file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        message = f"not YAML: {error.problem or error.context}"
        raise Unreadable(Position(file, line, column), message) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        message = f"not YAML: {str(error).splitlines()[0][:200]}"
        raise Unreadable(Position(file, 1, 1), message) from None
    finally:
        loader.dispose()


def _objects(node: yaml.MappingNode, plain: _Plain, file: str) -> Iterator[Manifest]:
    raw = plain.value(node)
    if isinstance(raw.get("items"), list) and str(raw.get("kind", "")).endswith("List"):
        items = next(v for k, v in node.value if k.value == "items")
        for at, item in enumerate(raw["items"]):
            if isinstance(item, dict):
                yield Manifest(item, file, items.value[at])
    else:
        yield Manifest(raw, file, node)


def is_ours(manifest: Manifest) -> bool:
    """Whether it is of our API group."""
    return str(manifest.raw.get("apiVersion") or "").startswith(_OURS)


def mentions_us(text: str) -> bool:
    """Whether a text that cannot be read may hold objects of ours."""
    return _OURS in text


class _Plain:
    """Nodes as JSON values, within a budget of nodes."""

    def __init__(self, loader: Any, file: str) -> None:
        self._loader = loader
        self._file = file
        self._left = _MAX_NODES

    def value(self, node: yaml.Node, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._unreadable(node, "too many values; aliases (`*name`) multiply them")
        if depth > _MAX_DEPTH:
            raise self._unreadable(node, f"nested more than {_MAX_DEPTH} deep")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        merged = any(key.tag == _MERGE for key, _ in node.value)
        if merged:
            self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = self.value(key, depth + 1)
            if isinstance(name, dict | list):
                raise self._unreadable(key, "a key must be text")
            name = key.value if not isinstance(name, str) else name
            if name in found and not merged:
                raise self._unreadable(key, f"the key `{name[:64]}` stands twice")
            found[name] = self.value(value, depth + 1)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        value = self._loader.construct_object(node, deep=True)
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float) and value - value == 0:
            return value
        raise self._unreadable(node, f"`{str(node.value)[:40]}` has no place in JSON")

    def _unreadable(self, node: yaml.Node, message: str) -> Unreadable:
        return Unreadable(_position(self._file, node), message)


def _position(file: str, node: yaml.Node) -> Position:
    mark = node.start_mark
    return Position(file, mark.line + 1, mark.column + 1)


def _descend(node: yaml.Node, path: str) -> yaml.Node:
    """The node at a path; keys may hold dots and brackets, so the longest that fits is taken."""
    while path:
        below = _step(node, path)
        if below is None:
            return node
        node, path = below
    return node


_INDEX: Final = re.compile(r"\[(\d{1,6})\]")


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node, str] | None:
    if isinstance(node, yaml.SequenceNode):
        index = _INDEX.match(path)
        if index is None or int(index[1]) >= len(node.value):
            return None
        return node.value[int(index[1])], path[index.end() :]
    if not isinstance(node, yaml.MappingNode):
        return None
    rest = path.removeprefix(".")
    fitting = [
        (key.value, value)
        for key, value in node.value
        if isinstance(key.value, str) and _leads(rest, key.value)
    ]
    if not fitting:
        return None
    name, value = max(fitting, key=lambda pair: len(pair[0]))
    return value, rest[len(name) :]


def _leads(path: str, key: str) -> bool:
    return path.startswith(key) and path[len(key) : len(key) + 1] in ("", ".", "[")
