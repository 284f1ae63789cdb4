"""Model → structural schema: what each construct becomes, and what is refused rather than lost."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from workflow_do.api.base import Spec
from workflow_do.api.pod import Quantity
from workflow_do.api.schema import LossyError, structural

PRESERVE = {"x-kubernetes-preserve-unknown-fields": True}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Spec):
    """An inner object."""

    size: Annotated[int, Field(ge=1, description="Its size.")]


class Recursive(BaseModel):
    child: Recursive | None = None


def field(annotation: Any, default: Any = ..., *, lenient: bool = False) -> dict[str, Any]:
    """The structural schema of one field of a model."""
    given = {} if default is ... else {"f": default}
    model = type("M", (Spec,), {"__annotations__": {"f": annotation}, **given})
    converted: dict[str, Any] = structural(model, lenient=lenient)["properties"]["f"]
    return converted


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(str, {"type": "string"}, id="string"),
        pytest.param(
            Annotated[str, Field(min_length=1, max_length=9, pattern="^a$", description="D.")],
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 9,
                "pattern": "^a$",
                "description": "D.",
            },
            id="bounded string with its description",
        ),
        pytest.param(str | None, {"type": "string"}, id="a union with null is optional"),
        pytest.param(Literal["a"], {"type": "string", "enum": ["a"]}, id="const becomes enum"),
        pytest.param(Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, id="enum"),
        pytest.param(
            Annotated[int, Field(gt=0, lt=9)],
            {
                "type": "integer",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 9,
                "exclusiveMaximum": True,
            },
            id="exclusive bounds become flags",
        ),
        pytest.param(Colour, {"type": "string", "enum": ["red", "blue"]}, id="StrEnum is inlined"),
        pytest.param(
            Inner,
            {
                "type": "object",
                "description": "An inner object.",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "description": "Its size."}
                },
            },
            id="a model is inlined, unknown fields are pruned by default",
        ),
        pytest.param(
            Annotated[dict[str, Annotated[str, Field(max_length=3)]], Field(max_length=2)],
            {
                "type": "object",
                "maxProperties": 2,
                "additionalProperties": {"type": "string", "maxLength": 3},
            },
            id="map",
        ),
        pytest.param(
            Annotated[tuple[int, ...], Field(max_length=2)],
            {"type": "array", "maxItems": 2, "items": {"type": "integer"}},
            id="list",
        ),
        pytest.param(
            Annotated[Any, Field(json_schema_extra=PRESERVE)],
            PRESERVE,
            id="any JSON has no type",
        ),
        pytest.param(
            Annotated[dict[str, Any], Field(json_schema_extra=PRESERVE)],
            {"type": "object", **PRESERVE},
            id="free-form object",
        ),
    ],
)
def test_says_it_in_the_dialect_of_kubernetes(annotation: Any, expected: dict[str, Any]) -> None:
    converted = field(annotation)

    if "description" not in expected:
        converted.pop("description", None)
    assert converted == expected


def test_a_quantity_is_int_or_string_with_the_bounds_of_both() -> None:
    converted = field(Quantity)

    assert "type" not in converted
    assert "anyOf" not in converted
    assert converted["x-kubernetes-int-or-string"] is True
    assert converted["maxLength"] == 64
    assert converted["minimum"] == 0
    assert converted["description"] == "A Kubernetes quantity, e.g. 100m or 64Mi."


def test_a_field_says_more_of_itself_than_its_type_does() -> None:
    said = field(Annotated[Inner | None, Field(description="Its inner part.")], None)

    assert said["description"] == "Its inner part."


@pytest.mark.parametrize(
    ("annotation", "default", "text"),
    [
        pytest.param(int, 3600, "D. Default: 3600.", id="number"),
        pytest.param(str, "api", "D. Default: api.", id="string"),
        pytest.param(bool, True, "D. Default: true.", id="boolean as in YAML"),
        pytest.param(str | None, None, "D.", id="null is no default"),
        pytest.param(str, "", "D.", id="empty is no default"),
    ],
)
def test_a_default_is_named_but_not_set(annotation: Any, default: Any, text: str) -> None:
    converted = field(Annotated[annotation, Field(description="D.")], default)

    assert converted["description"] == text
    assert "default" not in converted


def test_a_lenient_schema_keeps_types_and_upper_bounds_only() -> None:
    narrow = Annotated[str, Field(min_length=1, max_length=9, pattern="^a$")]

    assert field(narrow, lenient=True) == {"type": "string", "maxLength": 9}
    assert field(Colour, lenient=True)["type"] == "string"
    assert "enum" not in field(Colour, lenient=True)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        pytest.param(int | str, "anyOf of 2 schemas", id="union of types"),
        pytest.param(Any, "without a type", id="any JSON without the marker"),
        pytest.param(dict[str, Any], "or they are pruned", id="free-form object without marker"),
        pytest.param(tuple[int, str], "prefixItems", id="tuple of different types"),
        pytest.param(set[str], "uniqueItems", id="set"),
        pytest.param(
            dict[Annotated[str, Field(pattern="^a")], int], "patternProperties", id="keyed map"
        ),
        pytest.param(
            Annotated[str, Field(json_schema_extra={"pattern": "^(?!a)"})],
            "looks around",
            id="pattern that RE2 does not know",
        ),
        pytest.param(
            Annotated[int, Field(json_schema_extra={"not": {"const": 3}})], "not", id="not"
        ),
        pytest.param(
            Annotated[Colour, Field(json_schema_extra={"enum": ["green"]})],
            "enum is given twice",
            id="contradiction",
        ),
        pytest.param(None, "only be null", id="null"),
        pytest.param(Recursive, "Recursive holds itself", id="recursive model"),
    ],
)
def test_refuses_what_would_be_lost_and_names_the_field(annotation: Any, message: str) -> None:
    with pytest.raises(LossyError, match=r"^M\.f") as caught:
        field(annotation)

    assert message in str(caught.value)
