"""Larger data on real nodes: the price-list example as it is, and what logs do to an output."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml
from hack.deploy import LOCAL_PREFIX, ROOT, image_prefix

from support.bench import Bench, action, record, step, verdict, workflow

FOLDER = ROOT / "examples" / "price-list"
PRINT = "def give(value): print('::output::' + json.dumps(value), flush=True)\n"


def logs(name: str, program: str, **spec: Any) -> dict[str, Any]:
    """An Action that gives its output by its log."""
    found = action(name, **spec)
    prelude = "import json, os, sys\n" + PRINT
    found["spec"] |= {"output": {"source": "Logs"}, "command": ["python3", "-c", prelude + program]}
    return found


def held(bench: Bench, name: str) -> Any:
    """A ConfigMap."""
    return bench.get(f"configmap/{name}")


def maps(bench: Bench, labels: str) -> list[Any]:
    """The ConfigMaps with these labels."""
    found: list[Any] = json.loads(bench.kubectl("get", "configmap", "-l", labels, "-o", "json"))[
        "items"
    ]
    return found


def test_the_price_list_example(bench: Bench) -> None:
    for file in ("actions.yaml", "workflow.yaml", "run.yaml"):
        text = (FOLDER / file).read_text().replace(LOCAL_PREFIX, image_prefix())
        bench.apply(*yaml.safe_load_all(text))
    run = bench.finish("price-list-1", 90)
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    read, check, publish = (record(run, s) for s in ("readPrices", "checkPrices", "publish"))
    ref = read["outputRef"]
    found = held(bench, ref["name"])
    data = found["data"]["data.json"].encode()
    assert found["immutable"] is True
    assert (len(data), hashlib.sha256(data).hexdigest()) == (ref["size"], ref["sha256"])
    prices = json.loads(data)["prices"]
    total = sum(row["cents"] for row in prices)
    assert check["output"] == {"articles": 2000, "total": total}
    assert publish["output"] == {"text": "2000 articles, the first is SKU-00000"}
    inputs = maps(bench, "workflow.do/data=input")
    assert [len(i["data"]["data.json"]) > 32 * 1024 for i in inputs] == [True]
    bench.kubectl("delete", "workflowruns.workflow.do", "price-list-1")
    bench.until(
        "the ConfigMaps are gone with their run",
        lambda: not maps(bench, "workflow.do/run=price-list-1"),
        30,
    )


def test_a_run_gives_a_large_output_that_no_other_step_reads(bench: Bench) -> None:
    """What ends last is not on record as ended before the run is, and has not asked for it."""
    gives = {"length": "{{ steps.a.output.t | length }}", "n": "{{ steps.b.output.n }}"}
    speaks = logs("speak", "give({'t': 'x' * 40000})")
    flow = workflow("gives", step("a", "speak"), step("b", "count"), outputs=gives)
    bench.apply(speaks, action("count", "out({'n': 7})"), flow)
    run = bench.finish(bench.start("gives"), 90)
    assert "outputRef" in record(run, "a")
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert run["status"]["outputs"] == {"length": 40000, "n": 7}


FULL = 262_144
OUTPUTS = [
    pytest.param("give({'n': 1})", {"n": 1}, id="small"),
    pytest.param("print('::output::{\"n\": 2}', end='')", {"n": 2}, id="no-line-end"),
    pytest.param(
        f"give({{'t': 'x' * {FULL - 9}}})", {"t": "x" * (FULL - 9)}, id="as-large-as-it-gets"
    ),
    pytest.param(
        "give({'t': 'ö' * 40000}); [print('bye') for _ in range(800)]",
        {"t": "ö" * 40000},
        id="many-lines-after",
    ),
    pytest.param("[print('x' * 99) for _ in range(5000)]; give({'n': 3})", {"n": 3}, id="long-log"),
    pytest.param(f"give({{'t': 'x' * {FULL - 8}}})", "OutputTooLarge", id="one-byte-more"),
    pytest.param("give({}); [print('x') for _ in range(1100)]", "OutputTooLarge", id="too-early"),
    pytest.param("print('nothing')", "OutputInvalid", id="absent"),
]


@pytest.fixture(scope="module")
def given(shared: Bench) -> dict[str, dict[str, Any]]:
    """Every program of the table, each in a run of its own, all at once."""
    names = [str(param.id) for param in OUTPUTS]
    for name, param in zip(names, OUTPUTS, strict=True):
        shared.apply(logs(name, str(param.values[0])), workflow(name, step("a", name)))
        shared.start(name, name=name)
    return {name: shared.finish(name, 120) for name in names}


@pytest.mark.parametrize(("program", "expected"), OUTPUTS)
def test_an_output_by_the_log_of_a_real_node(
    program: str,
    expected: Any,
    given: dict[str, dict[str, Any]],
    shared: Bench,
    request: pytest.FixtureRequest,
) -> None:
    run = given[request.node.callspec.id]
    found = record(run, "a")
    if isinstance(expected, str):
        assert (found["state"], found["reason"]) == ("Unknown", expected), found
        return
    assert found["state"] == "Succeeded", found
    output = found.get("output")
    if output is None:
        output = json.loads(held(shared, found["outputRef"]["name"])["data"]["data.json"])
    assert output == expected
