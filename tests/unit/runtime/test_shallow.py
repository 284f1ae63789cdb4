"""JSON of any depth: what is too deep is cut before anybody parses it, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from workflow_do.engine.facts import MAX_NESTING, Run, parse_run
from workflow_do.engine.nesting import CUT, DEPTH, parse, shallow
from workflow_do.engine.problem import Problem
from workflow_do.runtime.shallow import ShallowLines


def run(value: str) -> str:
    """A raw run whose trigger's body is this JSON."""
    meta = '{"name": "r", "uid": "u", "labels": {"a}{[": "\\"]"}}'
    trigger = f'{{"type": "api", "body": {value}}}'
    return f'{{"metadata": {meta}, "spec": {{"workflowName": "w", "trigger": {trigger}}}}}'


def nested(levels: int, inside: str = "1") -> str:
    return '{"a": [' * (levels // 2) + inside + "]}" * (levels // 2)


@pytest.mark.parametrize("levels", [0, 50, MAX_NESTING - 4])
def test_what_is_not_too_deep_is_the_same(levels: int) -> None:
    content = run(nested(levels)).encode()
    assert shallow(content) is content
    assert parse(content) == orjson.loads(content)
    assert isinstance(parse_run(parse(content)), Run)


@pytest.mark.parametrize("levels", [MAX_NESTING, 240, 260, 1_100, 9_900])
def test_what_is_too_deep_can_be_read_and_is_refused_as_a_whole(levels: int) -> None:
    content = run(nested(levels)).encode()
    raw = parse(content)
    assert raw == orjson.loads(shallow(content))
    orjson.dumps(raw)
    assert raw["metadata"]["labels"] == {"a}{[": '"]'}
    found = parse_run(raw)
    assert isinstance(found, Problem)
    assert "nested more than" in found.message


def test_empty_objects_do_not_make_an_answer_deep() -> None:
    """managedFields are full of them; others, in a text, cannot hide what is deep."""
    fields = ", ".join(f'"f:{at}": {{}}' for at in range(500))
    content = f'{{"managedFields": {{{fields}}}}}'.encode()
    assert shallow(content) is content
    hidden = f'["{"{}" * 500}", {nested(1_000)}]'.encode()
    assert CUT in shallow(hidden).decode()


def test_only_what_lies_too_deep_is_cut() -> None:
    deep = "[" * 5_000 + "]" * 5_000
    content = (
        f'{{"items": [{run(deep)}, {run("7")}, {run(deep)}, {run(chr(34) + "[" * 900 + chr(34))}]}}'
    )
    items = orjson.loads(shallow(content.encode()))["items"]
    assert [item["spec"]["trigger"]["body"] for item in items[1::2]] == [7, "[" * 900]
    depth, level = 0, items[0]["spec"]["trigger"]["body"]
    while level != CUT:
        depth, level = depth + 1, level[0]
    assert MAX_NESTING < depth <= DEPTH


@pytest.mark.parametrize("content", [b"", b"no json", b"[" * 5_000, b"{" * 300 + b'"a', b"\xff[{"])
def test_what_is_no_json_stays_as_it_is(content: bytes) -> None:
    assert shallow(content) == content
    with pytest.raises(orjson.JSONDecodeError):
        parse(content)


def test_lines_come_whole_and_shallow_whatever_the_chunks_are() -> None:
    events = [json.dumps({"n": n, "text": "x" * n}).encode() for n in (1, 700, 3)]
    events.insert(1, nested(3_000).encode())
    stream = b"\n".join(events) + b"\n" + b"cut o"

    class Chunks:
        async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
            for at in range(0, len(stream), 11):
                yield stream[at : at + 11]

    async def read() -> bytes:
        chunks: Any = Chunks()
        return b"".join([part async for part in ShallowLines(chunks).iter_chunked(1)])

    lines = asyncio.run(read()).split(b"\n")
    assert lines[0::2] == [events[0], events[2], b"cut o"]
    assert lines[3] == events[3]
    orjson.loads(lines[1])
