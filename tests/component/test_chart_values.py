"""The values of the chart: what its schema refuses, and that schema and README know all of them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import yaml

from component.test_chart import CHART, SCHEMA, Object, template

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        pytest.param({"replica": 2}, "replica", id="unknown"),
        pytest.param({"replicas": 0}, "/replicas", id="no replica"),
        pytest.param({"image": {"name": "x"}}, "name", id="unknown in image"),
        pytest.param({"crds": {"enabled": True}}, "enabled", id="unknown in crds"),
        pytest.param({"log": {"level": "loud"}}, "/log/level", id="log level"),
        pytest.param({"log": {"format": "xml"}}, "/log/format", id="log format"),
        pytest.param({"maxLiveJobs": -1}, "/maxLiveJobs", id="fewer than none"),
        pytest.param({"rbac": {"create": "yes"}}, "/rbac/create", id="text for a boolean"),
        pytest.param({"image": {"registry": "example.com/"}}, "/image/registry", id="slash"),
        pytest.param({"image": {"pullPolicy": "Maybe"}}, "/image/pullPolicy", id="pull policy"),
        pytest.param({"watchNamespaces": "ops"}, "/watchNamespaces", id="text for a list"),
        pytest.param({"watchNamespaces": ["*"]}, "/watchNamespaces/0", id="pattern of names"),
        pytest.param({"resources": {"claims": []}}, "claims", id="unknown in resources"),
        pytest.param({"affinity": {"node": {}}}, "node", id="unknown in affinity"),
        pytest.param({"tolerations": [{"keys": "a"}]}, "keys", id="unknown in a toleration"),
        pytest.param({"serviceAccount": {"token": "x"}}, "token", id="unknown in serviceAccount"),
        pytest.param({"podLabels": {"a": 1}}, "/podLabels/a", id="number for a label"),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(helm: Path, values: Object, place: str) -> None:
    done = template(helm, values)

    assert done.returncode != 0
    assert place in done.stderr


def test_an_old_kubernetes_is_refused(helm: Path) -> None:
    done = template(helm, {}, "--kube-version", "1.30.9")

    assert "requires kubeVersion: >=1.31.0-0" in done.stderr


def test_the_schema_knows_exactly_the_values_there_are() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert SCHEMA["properties"].keys() - {"global"} == values.keys()
    for name, value in values.items():
        known = SCHEMA["properties"][name].get("properties")
        if known and value:
            assert known.keys() == value.keys(), name


def test_every_level_of_the_schema_is_closed() -> None:
    def open_levels(node: Object, path: str) -> list[str]:
        is_open = "properties" in node and node.get("additionalProperties") is not False
        children = dict(node.get("properties", {}))
        if "items" in node:
            children["[]"] = node["items"]
        below = (open_levels(child, f"{path}/{name}") for name, child in children.items())
        return [*([path] if is_open else []), *chain.from_iterable(below)]

    assert open_levels(SCHEMA, "") == []


def test_every_value_is_in_the_readme() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    names = [
        f"`{name}.{part}`" if part else f"`{name}`"
        for name, value in values.items()
        for part in (value if isinstance(value, dict) and name != "resources" and value else [""])
    ]

    assert [name for name in names if name not in readme] == []
