"""The README's first own workflow, as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from hack.deploy import LOCAL_PREFIX, image_prefix

from support.bench import Bench, record, verdict

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_first_own_workflow(bench: Bench) -> None:
    text = README.read_text(encoding="utf-8").replace(LOCAL_PREFIX, image_prefix())
    [block] = [b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "add-percent" in b]
    bench.apply(*yaml.safe_load_all(block))

    run = bench.finish(bench.start("price-order", body={"net": 200}))
    assert verdict(run) == ("True", "Succeeded")
    for step in ("discount", "tax"):
        shown = json.dumps(record(run, step)["output"], separators=(",", ":"))
        assert re.search(rf"{step} .*{re.escape(shown)}", text), shown

    run = bench.finish(bench.start("price-order", body={"net": "200"}))
    told = f"{verdict(run)[1]}: step discount: {record(run, 'discount')['message']}"
    assert f"`{told}`" in text
