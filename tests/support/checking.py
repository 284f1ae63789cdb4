"""A body, some Actions and short forms for the tests of the checker."""

from __future__ import annotations

from typing import Any

from workflow_do.engine.check import Finding, check_workflow

Raw = dict[str, Any]

_TEXT = {"type": "string"}


def closed(required: str = "", **properties: Any) -> Raw:
    """The schema of a mapping without other fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


BODY: Raw = closed(
    "email age price address parent ref mixed colour rank big essay lines",
    email={"type": "string", "format": "email"},
    age={"type": "integer", "minimum": 0},
    price={"type": "number"},
    note=_TEXT,
    nick2=_TEXT,
    address=closed("zip_code", zip_code=_TEXT),
    parent={"anyOf": [closed("id", id=_TEXT), {"type": "null"}]},
    ref={"type": ["string", "null"]},
    mixed={"type": ["string", "integer"]},
    colour={"enum": ["red", "green"]},
    rank={"enum": ["low", "high", "top"]},
    big={"type": "integer", "minimum": 1000},
    essay={"type": "string", "minLength": 500},
    lines={"type": "array", "items": closed("price", price={"type": "number"}, sku=_TEXT)},
)

ACTIONS: dict[str, Raw] = {
    name: {"image": "example.com/x:1", **spec}
    for name, spec in {
        "create-user": {
            "inputSchema": closed("email", email={"type": "string", "format": "email"}),
            "outputSchema": closed(
                "userId tags home",
                userId={"type": "string", "format": "uuid"},
                nick=_TEXT,
                tags={"type": "array", "items": _TEXT},
                home={"$ref": "#/$defs/home"},
            )
            | {"$defs": {"home": closed("city", city=_TEXT)}},
        },
        "add-to-crm": {
            "inputSchema": closed(
                "userId email", userId=_TEXT, email={"type": "string", "format": "email"}
            ),
        },
        "take-all": {
            "inputSchema": closed(
                "",
                n={"type": "integer", "minimum": 1, "maximum": 100},
                tags={"type": "array", "items": _TEXT},
                home=closed("city", city=_TEXT),
                level={"enum": ["low", "high"]},
                version={"const": 1},
                code={"type": "string", "pattern": "^[A-Z]+$"},
                title={"type": "string", "minLength": 1, "maxLength": 80},
                labels={"type": "object", "additionalProperties": _TEXT},
            ),
        },
        "open-input": {"inputSchema": {"type": "object", "properties": {"a": _TEXT}}},
        "anything": {},
        "charge": {
            "outputSchema": closed("id", id=_TEXT),
            "compensate": {"action": "refund", "input": {"amount": "{{ output.id }}"}},
        },
        "refund": {"inputSchema": closed("amount", amount={"type": "integer"})},
        "broken": {"inputSchema": {"type": "strin"}},
    }.items()
}


def step(id_: str, action: str, **input_: Any) -> Raw:
    """A raw step."""
    return {"id": id_, "action": action, "input": input_}


def flow(*steps: Raw, body: Any = BODY, **spec: Any) -> Raw:
    """A raw Workflow spec."""
    trigger = {"type": "api"} | ({} if body is None else {"bodySchema": body})
    return {"trigger": trigger, "steps": list(steps), **spec}


def check(spec: Raw, **more: Raw) -> tuple[Finding, ...]:
    """All findings, with the Actions above and more."""
    return check_workflow("flow", spec, {**ACTIONS, **more})
