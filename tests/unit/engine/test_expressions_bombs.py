"""Small templates that ask for a lot: each ends at once, with little memory, as a failure.

They run in one process of their own, under a limit of memory and of CPU time, because the
failure that they look for is a process that hangs or is killed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BOMBS: dict[str, str] = {
    "power-tower": "{{ 9**(9**8) }}",
    "power-tower-left": "{{ 9**9**9**9 }}",
    "power-by-data": "{{ n**(n**8) }}",
    "power-of-a-long-integer": "{{ (2**1000)**2 }}",
    "power-negative-base": "{{ (-9)**(9**8) }}",
    "power-float": "{{ 9.0**(9**8) }}",
    "power-huge-exponent": "{{ 2**(10**300) }}",
    "product": "{{ (2**1000)*(2**1000) }}",
    "products": "{{ " + "*".join(["(2**500)"] * 60) + " }}",
    "hexadecimal": "{{ 0x" + "f" * 16000 + " }}",
    "digits": "{{ " + "9" * 16000 + " }}",
    "digits-and-underscores": "{{ " + "1_" * 8000 + "1 }}",
    "integer-as-text": "{{ (10**308) ~ '' ~ (10**309) }}",
    "repeat-text": "{{ 'a'*10**9 }}",
    "repeat-text-twice": "{{ ('a'*10**6)*10**6 }}",
    "repeat-text-by-steps": "{{ " + "(" * 15 + "'a'" + "*10)" * 15 + " }}",
    "repeat-list": "{{ [1]*10**9 }}",
    "repeat-nested-list": "{{ [[[[1]*1000]*1000]*1000]*1000 }}",
    "repeat-nested-list-slowly": "{{ [[[[[[[[1]*9]*9]*9]*9]*9]*9]*9]*9 }}",
    "repeat-nested-list-as-json": "{{ ([[[[1]*100]*100]*100]*100) | tojson | length }}",
    "repeat-nested-list-compared": "{{ [[[[1]*99]*99]*99]*99 == [[[[1]*99]*99]*99]*99 }}",
    "repeat-nested-list-unique": "{{ [[[[1]*99]*99]*99] | unique }}",
    "repeat-nested-list-in-text": "a{{ [[[[1]*100]*100]*100]*100 }}",
    "repeat-mapping": "{{ [{'a': [{'b': ['c'*1000]*99}]*99}]*99 }}",
    "add-text": "{{ " + " + ".join(["big"] * 90) + " }}",
    "concat-text": "{{ " + " ~ ".join(["big"] * 3000) + " }}",
    "text-around": "{{ big }}" * 1800,
    "replace": "{{ big | replace('a', big) }}",
    "replace-empty": "{{ big | replace('', big) }}",
    "replace-chain": "{{ 'a'" + " | replace('a', 'aaaaaaaaaa')" * 50 + " }}",
    "join": "{{ (['']*60000) | join(big) }}",
    "join-lists": "{{ ([big]*9999) | join }}",
    "tojson-chain": "{{ '\"'" + " | tojson" * 90 + " }}",
    "urlencode-chain": "{{ ('%' * 9000)" + " | urlencode" * 90 + " }}",
    "b64encode-chain": "{{ big" + " | b64encode" * 90 + " }}",
    "upper-grows": "{{ ('\u0390'*200000) | upper }}",
    "split": "{{ big | split('a') }}",
    "sort-long-text": "{{ ([big]*9000) | sort }}",
    "sort-many": "{{ ([2, 1]*30000) | sort }}",
    "unique-long-text": "{{ ([big]*9000) | unique }}",
    "min-long-text": "{{ ([big]*9000) | min }}",
    "in-long-list": "{{ 1 in [0]*60000 }}",
    "in-long-list-often": "{{ " + " or ".join(["1 in numbers"] * 90) + " }}",
    "in-long-text-often": "{{ " + " or ".join(["'abc' in big"] * 90) + " }}",
    "compare-long-text-often": "{{ [" + ",".join(["big == big2"] * 900) + "] }}",
    "compare-long-lists-often": "{{ [" + ",".join(["numbers == numbers2"] * 600) + "] }}",
    "map-of-map": "{{ ([[[0]*99]*99]*99) | map('map', 'map', 'string') }}",
    "select-many": "{{ ([1]*60000) | select('odd') | length }}",
    "sum-many": "{{ ([1]*60000) | sum }}",
    "fromjson-wide": "{{ ('[' ~ '[],'*200000 ~ '[]]') | fromjson }}",
    "fromjson-deep": "{{ ('['*30000) | fromjson }}",
    "fromjson-digits": "{{ ('9'*60000) | fromjson }}",
    "int-digits": "{{ ('9'*500000) | int }}",
    "float-digits": "{{ ('9'*500000) | float }}",
    "format": "{{ '%1000000000d' % 1 }}",
    "center": "{{ 'a' | center(10**9) }}",
    "slice": "{{ " + " + ".join(["big[::-1]"] * 90) + " }}",
    "deep-data": "{{ deep }}",
    "deep-data-compared": "{{ deep == deep }}",
    "deep-data-as-json": "{{ deep | tojson }}",
    "deep-data-unique": "{{ [deep] | unique }}",
    "deep-data-in-text": "a{{ deep }}",
    "parentheses": "{{ " + "(" * 8000 + "1" + ")" * 8000 + " }}",
    "parentheses-open": "{{ " + "(" * 16000 + " }}",
    "brackets": "{{ " + "[" * 8000 + "]" * 8000 + " }}",
    "braces": "{" * 16000,
    "minus": "{{ " + "-" * 16000 + "1 }}",
    "minus-and-space": "{{ " + "- " * 8000 + "1 }}",
    "not": "{{ " + "not " * 4000 + "1 }}",
    "plus-chain": "{{ " + "+".join(["1"] * 8000) + " }}",
    "and-chain": "{{ " + " and ".join(["1"] * 2500) + " }}",
    "if-chain": "{{ " + "1 if 1 else " * 1300 + "1 }}",
    "filter-chain": "{{ x" + "|abs" * 4000 + " }}",
    "test-nest": "{{ " + "(" * 4000 + "x" + " is defined)" * 1000 + " }}",
    "path": "{{ x" + ".a" * 8000 + " }}",
    "subscripts": "{{ x" + "[x" * 4000 + "]" * 4000 + " }}",
    "quotes": "{{ " + "'" * 15999 + " }}",
    "backslashes": "{{ '" + "\\" * 15999 + "' }}",
    "too-long": "{{ 1 }}" * 100_000,
}

_PROGRAM = """
import json, resource, sys, time
from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render

deep = []
for _ in range(50_000):
    deep = [deep]
scope = {
    "n": 9, "x": 1, "deep": deep,
    "big": "ab" * 60_000, "big2": "ab" * 59_999 + "ac",
    "numbers": [0] * 9_000, "numbers2": [0] * 8_999 + [2],
}
found = {}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, template in json.load(sys.stdin).items():
    start = time.process_time()
    try:
        outcome = render(parse({"input": template}), scope)
        kind = "failure" if isinstance(outcome, TemplateFailure) else "value"
        message = str(outcome)[:400]
    except TemplateProblem as problem:
        kind, message = "problem", str(problem)
    found[name] = [kind, message, time.process_time() - start]
while deep:  # taken apart by hand: freeing it at once would recurse 50,000 deep
    deep = deep.pop()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
json.dump({"found": found, "grown_kib": grown}, sys.stdout)
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (512 * 1024 * 1024,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (30, 30))


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(BOMBS),
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "operator")},
        preexec_fn=_limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_ends_as_a_failure(outcomes: dict[str, Any], name: str) -> None:
    kind, message, seconds = outcomes["found"][name]
    assert kind in ("failure", "problem"), message
    assert "unexpected" not in message
    assert len(message) <= 310
    assert seconds < 1.5


def test_all_bombs_together_take_little_memory(outcomes: dict[str, Any]) -> None:
    assert outcomes["grown_kib"] < 64 * 1024
