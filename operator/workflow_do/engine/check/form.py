"""The form of a definition: its fields, their types and limits, ids that stand twice.

Decides how far a spec that is not well formed can still be read: a field that does not exist is
told of and left out, so that everything else is checked too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from workflow_do.api.base import Spec
from workflow_do.engine.check.finding import Finding, Severity
from workflow_do.engine.wording import violations

M = TypeVar("M", bound=Spec)
Raw = Mapping[str, Any]

_MAX_FINDINGS: Final = 100


def read_form(model: type[M], raw: Raw) -> tuple[M | None, list[Finding]]:
    """The spec as a model if it can be read at all, and what is wrong with its form."""
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        findings = [
            Finding(v.path, Severity.ERROR, v.message, v.cure)
            for v in violations(error, model, values=True)
        ]
        return _without_surplus(model, raw, error), findings[:_MAX_FINDINGS]


def _without_surplus(model: type[M], raw: Raw, error: ValidationError) -> M | None:
    """The model of the spec without the fields that do not exist, if that is all."""
    details = error.errors(include_url=False, include_input=False)
    if any(d["type"] != "extra_forbidden" for d in details):
        return None
    lean: Any = copy.deepcopy(dict(raw))
    for detail in details:
        *way, last = detail["loc"]
        holder = lean
        for part in way:
            holder = holder[part]
        holder.pop(last, None)
    try:
        return model.model_validate(lean)
    except ValidationError:
        return None


def twice(ids: list[tuple[str, str]]) -> Iterator[Finding]:
    """Ids (place, id) that stand more than once; told at the second place."""
    first: dict[str, str] = {}
    for place, id_ in ids:
        if id_ in first:
            message = f"`{id_}` is the id of {first[id_].removesuffix('.id')} already"
            yield Finding(place, Severity.ERROR, message, "give each its own")
        first.setdefault(id_, place)
