"""Spoiled objects of our four kinds, by a seed: one number gives the same objects for ever.

Each begins as a sound object and is then spoiled in one to three places: types flipped, fields
missing or unknown, texts, numbers and labels that nobody would write, templates and schemas that
are none, values nested as deep as the API server stores. What of it an API server accepts is for
it to say.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Raw = dict[str, Any]
API: Final = "workflow.do/v1alpha1"
KINDS: Final = ("Action", "Workflow", "WorkflowRevision", "WorkflowRun")
_DEEP: Final = "deep-value-of-%d-levels"

TEXTS: Final = (
    "",
    " ",
    "\0",
    "\x1b[31mred\x1b[0m\x07",
    "\u202eevil\u2066",
    "\ufeff\u200b\u0301\U0001f4a3\ufffd",
    "{{",
    "{{ }}",
    "{{ trigger.body.x.y.z }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ steps.later.output }}",
    "{{ trigger.__class__.__mro__ }}",
    "{% for x in trigger %}{% endfor %}",
    "$(ACTION_INPUT) ${HOME} `id`",
    "{{ 'a' * 10000000 }}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "a" * 64,
    "x" * 5_000,
    "é" * 20_000,
)
VALUES: Final = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    -(2**63),
    2**63 - 1,
    1e308,
    0.1,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"x": {"x": {}}},
    "NaN",
    "9" * 400,
)
SCHEMAS: Final = (
    {"type": "nonsense"},
    {"$ref": "https://example.com/schema.json"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}},
    {"pattern": "["},
    {"required": "name"},
    {"allOf": [{"anyOf": [{"oneOf": [{"not": {}}]}]}] * 40},
    {"enum": []},
    {"multipleOf": 0},
    {"minimum": "high"},
    {"writeOnly": True},
    {"const": {"$ref": "#"}},
)
LABELS: Final = (
    ("workflow.do/finished", "Succeeded"),
    ("workflow.do/finished", "no-such.reason_1"),
    ("workflow.do/run-uid", "00000000-0000-0000-0000-000000000000"),
    ("workflow.do/run", "another"),
    ("workflow.do/workflow", "flow"),
    ("workflow.do/try", "-1"),
    ("app.kubernetes.io/managed-by", "workflow-do"),
)
ANNOTATIONS: Final = (
    ("workflow.do/started-uid", "another-uid"),
    ("workflow.do/retried-by", "\0"),
    ("workflow.do/jobs-deleted", "never"),
    ("workflow.do/seq", "1e9"),
    ("kopf.zalando.org/last-handled-configuration", "{]"),
    ("workflow.do/last-handled-configuration", "[" * 2000),
)


@dataclass(frozen=True, slots=True)
class Spoiled:
    """An object as it is sent: its kind and name, and its JSON (which may be too deep to parse).

    `status` is the merge patch that gives it a status, where it is to have one.
    """

    kind: str
    name: str
    body: bytes
    status: bytes | None = None


def spoiled(seed: int, count: int) -> Iterator[Spoiled]:
    """So many objects, all kinds in turn."""
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        kind = KINDS[number % len(KINDS)]
        name = f"{kind.lower()}-{number}"
        if kind == "Action" and chance.random() < 0.05:
            name = name.ljust(253, "z")
        made = sound(kind, name, chance)
        for _ in range(chance.randint(1, 3)):
            chance.choice(WAYS)(made, chance)
        status = made.pop("status", None)
        patch = None if status is None else encode({"status": status})
        yield Spoiled(kind, name, encode(made), patch)


def sound(kind: str, name: str, chance: random.Random) -> Raw:
    """An object that may well be valid; a run may be one of a spoiled Workflow."""
    spec: Raw
    if kind == "Action":
        spec = _action()
    elif kind == "Workflow":
        spec = _workflow(chance)
    elif kind == "WorkflowRevision":
        spec = {
            "workflowName": "flow",
            "revision": chance.randint(1, 9),
            "contentHash": "x" * 52,
            "workflow": _workflow(chance),
            "actions": {"act": _action()},
        }
    else:
        flow = chance.choice(["flow", f"workflow-{4 * chance.randint(0, 50) + 1}"])
        spec = {"workflowName": flow, "trigger": {"type": "api", "body": {"n": 1}}}
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _action() -> Raw:
    return {
        "image": "example.com/x:1",
        "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "env": [{"name": "N", "value": "{{ input.n }}"}],
        "retry": {"maxAttempts": 2, "initialDelaySeconds": 1},
        "activeDeadlineSeconds": 60,
    }


def _workflow(chance: random.Random) -> Raw:
    other = f"action-{4 * chance.randint(0, 50)}"
    return {
        "title": "A flow",
        "trigger": {"type": "api", "bodySchema": {"type": "object"}},
        "steps": [
            {"id": "one", "action": "act", "input": {"n": "{{ trigger.body.n }}"}},
            {"id": "two", "action": chance.choice(["act", other]), "input": {"n": 2}},
        ],
        "onFailure": {"action": "act", "input": {"n": "{{ failure.exitCode | default(0) }}"}},
    }


def encode(made: Raw) -> bytes:
    """JSON in UTF-8; markers become values of many levels, which no encoder would write."""
    text = json.dumps(made, ensure_ascii=False)
    for levels in (60, 300, 3_000, 9_000):
        text = text.replace(json.dumps(_DEEP % levels), "[" * levels + "]" * levels)
    return text.encode()


def _one_of(values: Sequence[Any], chance: random.Random) -> Any:
    """One of them, to be spoiled further without spoiling the others."""
    return copy.deepcopy(chance.choice(values))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys or positions."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in tuple(keys):
        yield value, key
        yield from _places(value[key])


def _somewhere(made: Raw, chance: random.Random) -> tuple[Any, Any]:
    return chance.choice([(made, "spec"), *_places(made.get("spec"))])


def _put(made: Raw, chance: random.Random, value: Any) -> None:
    holder, key = _somewhere(made, chance)
    holder[key] = value


def _flip(made: Raw, chance: random.Random) -> None:
    _put(made, chance, _one_of(VALUES, chance))


def _write(made: Raw, chance: random.Random) -> None:
    _put(made, chance, chance.choice(TEXTS))


def _dig(made: Raw, chance: random.Random) -> None:
    _put(made, chance, _DEEP % chance.choice((60, 300, 3_000, 9_000)))


def _lose(made: Raw, chance: random.Random) -> None:
    holder, key = _somewhere(made, chance)
    if isinstance(holder, dict):
        holder.pop(key, None)


def _invent(made: Raw, chance: random.Random) -> None:
    holder, _ = _somewhere(made, chance)
    if isinstance(holder, dict):
        holder[chance.choice(["nobody", "knows", "__proto__", "$ref", ""])] = _one_of(
            VALUES, chance
        )


def _bend_schema(made: Raw, chance: random.Random) -> None:
    spec = made.get("spec")
    if isinstance(spec, dict):
        at = "inputSchema" if made["kind"] == "Action" else "trigger"
        schema = _one_of(SCHEMAS, chance)
        spec[at] = schema if at == "inputSchema" else {"type": "api", "bodySchema": schema}


def _label(made: Raw, chance: random.Random) -> None:
    key, value = chance.choice(LABELS)
    made["metadata"].setdefault("labels", {})[key] = value


def _annotate(made: Raw, chance: random.Random) -> None:
    key, value = chance.choice(ANNOTATIONS)
    made["metadata"].setdefault("annotations", {})[key] = value


def _bind(made: Raw, chance: random.Random) -> None:
    """Finalizers that nobody takes off, owners that are not there (and may be collected)."""
    if chance.random() < 0.7:
        made["metadata"]["finalizers"] = ["example.com/for-ever"]
        return
    uid = "00000000-0000-0000-0000-000000000000"
    owner = {"apiVersion": API, "kind": "Workflow", "name": "flow", "uid": uid}
    made["metadata"]["ownerReferences"] = [owner]


def _report(made: Raw, chance: random.Random) -> None:
    """A status that is not the operator's."""
    condition = {"type": "Completed", "status": "True", "reason": "x", "message": ""}
    made["status"] = chance.choice(
        [
            "done",
            [],
            {"conditions": "none"},
            {"conditions": [condition]},
            {"conditions": [{**condition, "lastTransitionTime": "yesterday"}]},
            {"conditions": [None], "steps": [[]]},
            {"revisionName": "flow-0000000000", "startTime": "9999-99-99"},
            {"steps": [{"id": "one", "action": "act", "state": "Running", "tries": -5}]},
            {"steps": [{"id": "one", "action": "act", "output": _DEEP % 3_000}]},
            {"completionTime": "0001-01-01T00:00:00Z", "conditions": [condition] * 17},
        ]
    )


WAYS: Final[tuple[Callable[[Raw, random.Random], None], ...]] = (
    _flip,
    _flip,
    _write,
    _write,
    _lose,
    _invent,
    _dig,
    _bend_schema,
    _label,
    _annotate,
    _bind,
    _report,
)
