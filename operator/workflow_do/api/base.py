"""Base classes of every kind's model: naming, strictness, frozen data.

Decides how Python names map to the fields users write (camelCase) and what happens to a field
nobody declared. Knows nothing of any single kind.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel


def keyed_by(key: str) -> dict[str, JsonValue]:
    """Schema markers of a list whose items are told apart by one field (refuses duplicates)."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


Json = Any
"""A JSON value: None, bool, int, float, str, list[Json] or dict[str, Json]."""


class Spec(BaseModel):
    """What a user writes. An unknown field is an error: silently ignoring it could skip a rule."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class Status(BaseModel):
    """What the operator writes. Unknown fields are dropped: a newer operator may write more."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


Name = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
]
"""The name of an object of ours in the same namespace (a DNS label or subdomain, 63 at most)."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
]
"""The name of an object of Kubernetes' own: a DNS subdomain, so it can name no other namespace."""


def dump(model: BaseModel) -> dict[str, Any]:
    """The model as the JSON object users see: camelCase, unset and null fields left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=False)
