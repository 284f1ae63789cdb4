"""What the checker finds: one mistake each, its place, its severity, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest

from support.checking import ACTIONS, BODY, check, flow, step

E, W = "error", "warning"
CRM = "add-to-crm"


def first(**input_: Any) -> list[dict[str, Any]]:
    """A step of `create-user` and one of `add-to-crm` with this input beside a good one."""
    good = {"userId": "{{ steps.make.output.userId }}", "email": "{{ trigger.body.email }}"}
    merged = {k: v for k, v in {**good, **input_}.items() if v is not ...}
    return [step("make", "create-user", email="a@example.com"), step("sync", CRM, **merged)]


def alone(action: str, **input_: Any) -> list[dict[str, Any]]:
    return [step("only", action, **input_)]


def expr(text: str) -> list[dict[str, Any]]:
    """An Action that takes anything."""
    return [
        step("make", "create-user", email="a@example.com"),
        step("use", "anything", x="{{ " + text + " }}"),
    ]


def undone(amount: Any, **more: Any) -> list[dict[str, Any]]:
    """A step with an undo of its own."""
    undo = {"action": "refund", "input": {"amount": amount, **more}}
    return [{**step("pay", "charge"), "compensate": undo}]


def use(text: str) -> dict[str, Any]:
    return step("use", "anything", x="{{ " + text + " }}")


U = "steps[1].input.userId"
X = "steps[1].input.x"

CASES: dict[str, tuple[list[dict[str, Any]], str, str, str]] = {
    # -- names
    "root-unknown": (expr("tigger.body"), X, E, "`tigger` is not defined here (did you mean `trig"),
    "root-null": (expr("null"), X, E, "`null` is written `none`"),
    "root-item-outside": (expr("item.id"), X, E, "`item` is not defined here"),
    "trigger-field": (expr("trigger.bdy"), X, E, "`trigger` has no `bdy` (did you mean `body`?)"),
    "run-field": (expr("run.nam"), X, E, "`run` has no `nam` (did you mean `name`?)"),
    "workflow-field": (expr("workflow.version"), X, E, "`workflow` has no `version`"),
    "step-unknown": (expr("steps.mke.output"), X, E, "no step `mke` before this one (did you"),
    "step-itself": (expr("steps.use.output"), X, E, "`use` does not come before this one"),
    "step-field": (expr("steps.make.ouput.userId"), X, E, "has no `ouput` (did you mean `output`?"),
    "step-without-output": (
        [step("make", "create-user", email="a@example.com"),
         step("sync", CRM, userId="{{ steps.make.userId }}", email="a@example.com")],
        U, E, "`steps.make` has no `userId`",
    ),
    # -- fields of outputs and bodies
    "output-field": (first(userId="{{ steps.make.output.userID }}"), U, E,
                     "`steps.make.output` has no `userID` (did you mean `userId`?)"),
    "output-field-origin": (first(userId="{{ steps.make.output.userID }}"), U, E,
                            "by outputSchema of create-user"),
    "output-field-by-subscript": (first(userId="{{ steps.make.output['uid'] }}"), U, E,
                                  "has no `uid`"),
    "output-field-nested": (expr("steps.make.output.home.cty"), X, E, "(did you mean `city`?)"),
    "output-field-of-text": (expr("steps.make.output.userId.value"), X, E,
                             "`steps.make.output.userId` is a string and has no `value`"),
    "output-field-of-list": (expr("steps.make.output.tags.first"), X, E,
                             "is a list and has no `first`; take an item"),
    "output-index-of-mapping": (expr("steps.make.output.home[0]"), X, E,
                                "is a mapping and has no item 0"),
    "output-optional": (first(userId="{{ steps.make.output.nick }}"), U, W,
                        "may be absent: it is not required by outputSchema of create-user"),
    "body-field": (expr("trigger.body.emial"), X, E, "`trigger.body` has no `emial` (did you mean"),
    "body-field-origin": (expr("trigger.body.emial"), X, E, "by trigger.bodySchema"),
    "body-optional": (expr("trigger.body.note"), X, W, "not required by trigger.bodySchema"),
    "body-nested": (expr("trigger.body.address.zipcode"), X, E, "(did you mean `zip_code`?)"),
    "body-nullable": (expr("trigger.body.parent.id"), X, W, "`trigger.body.parent` may be null"),
    "in-a-list-of-input": (
        [step("use", "anything", x=["ok", {"y": "{{ trigger.body.emial }}"}])],
        "steps[0].input.x[1].y", E, "has no `emial`",
    ),
    "in-text": ([step("use", "anything", x="Dear {{ trigger.body.emial }}!")],
                "steps[0].input.x", E, "has no `emial`"),
    # -- types against the inputSchema
    "string-for-integer": (alone("take-all", n="{{ trigger.body.email }}"), "steps[0].input.n", E,
                           "it is a string, not an integer (inputSchema of take-all); `| int`"),
    "text-for-integer": (alone("take-all", n="5"), "steps[0].input.n", E, "not an integer"),
    "mixed-text-for-integer": (alone("take-all", n="{{ trigger.body.age }} years"),
                               "steps[0].input.n", E, "it is a string, not an integer"),
    "integer-for-string": (first(userId=17), U, E, "it is 17, an integer, not a string"),
    "integer-for-string-cure": (first(userId=17), U, E, "put it in quotes"),
    "expression-for-string": (first(userId="{{ trigger.body.age }}"), U, E, "`| string` makes"),
    "boolean-for-string": (first(userId=True), U, E, "it is true, a boolean, not a string"),
    "null-for-string": (first(userId=None), U, E, "it is null, not a string"),
    "mapping-for-string": (first(userId={"id": 1}), U, E, "it is a mapping, not a string"),
    "whole-output-for-string": (first(userId="{{ steps.make.output }}"), U, E,
                                "it is a mapping, not a string"),
    "list-for-string": (first(userId=["x"]), U, E, "it is a list, not a string"),
    "string-for-list": (alone("take-all", tags="a"), "steps[0].input.tags", E, "not a list"),
    "string-for-mapping": (alone("take-all", home="Bonn"), "steps[0].input.home", E,
                           "not a mapping"),
    "items-of-a-list": (alone("take-all", tags=["a", 1]), "steps[0].input.tags[1]", E,
                        "it is 1, an integer, not a string"),
    "items-of-a-list-expression": (alone("take-all", tags="{{ ['a', trigger.body.age] }}"),
                                   "steps[0].input.tags[1]", E, "it is an integer, not a string"),
    "items-of-a-shorter-list": (alone("take-all", tags="{{ ['a', 1][:1] }}"),
                                "steps[0].input.tags[]", W, "it may be 1, which is not a string"),
    "field-inside": (alone("take-all", home={"city": 5}), "steps[0].input.home.city", E,
                     "not a string"),
    "field-inside-missing": (alone("take-all", home={}), "steps[0].input.home", E,
                             "`city` is missing: it is required"),
    "number-for-integer": (alone("take-all", n="{{ trigger.body.price }}"), "steps[0].input.n", W,
                           "it may be a fraction, not an integer"),
    "fraction-for-integer": (alone("take-all", n=1.5), "steps[0].input.n", E, "not an integer"),
    "null-possible": (first(userId="{{ trigger.body.ref }}"), U, W,
                      "it may be null, not a string"),
    "one-of-two-types": (alone("take-all", n="{{ trigger.body.mixed }}"), "steps[0].input.n", W,
                         "it may be a string, not an integer"),
    # -- values, formats, bounds
    "enum-literal": (alone("take-all", level="hihg"), "steps[0].input.level", E,
                     '"hihg" is not one of "low", "high" (inputSchema of take-all); did you mean'),
    "enum-by-choice": (alone("take-all", level="{{ 'low' if trigger.body.age > 9 else 'mid' }}"),
                       "steps[0].input.level", W, 'it may be "mid", which is not one of'),
    "enum-no-overlap": (alone("take-all", level="{{ trigger.body.colour }}"),
                        "steps[0].input.level", E, '"red" is not one of'),
    "enum-partly": (alone("take-all", level="{{ trigger.body.rank }}"), "steps[0].input.level", W,
                    'it may be "top", which is not one of'),
    "const": (alone("take-all", version=2), "steps[0].input.version", E, "2 is not 1"),
    "format-literal": (first(email="nobody"), "steps[1].input.email", E,
                       '"nobody" breaks `format: email`'),
    "format-clash": (first(email="{{ steps.make.output.userId }}"), "steps[1].input.email", E,
                     "it is text of the format uuid, and email is wanted"),
    "pattern": (alone("take-all", code="12"), "steps[0].input.code", E, "breaks `pattern: ^[A-Z]"),
    "minimum": (alone("take-all", n=0), "steps[0].input.n", E, "0 breaks `minimum: 1`"),
    "maximum": (alone("take-all", n=101), "steps[0].input.n", E, "101 breaks `maximum: 100`"),
    "ranges-apart": (alone("take-all", n="{{ trigger.body.big }}"), "steps[0].input.n", E,
                     "it has the minimum 1000, and the maximum 100 is wanted"),
    "min-length": (alone("take-all", title=""), "steps[0].input.title", E, "breaks `minLength: 1`"),
    "lengths-apart": (alone("take-all", title="{{ trigger.body.essay }}"), "steps[0].input.title",
                      E, "it has the minLength 500, and the maxLength 80 is wanted"),
    # -- required and surplus
    "required": (first(email=...), "steps[1].input", E, "`email` is missing: it is required"),
    "required-two": (alone(CRM), "steps[0].input", E, "`userId` is missing"),
    "surplus": (first(emial="x"), "steps[1].input.emial", E,
                "`emial` is not taken (did you mean `email`?)"),
    "surplus-named": (first(zzz="x"), "steps[1].input.zzz", E, "it takes `userId`, `email`"),
    "surplus-in-an-open-schema": (alone("open-input", a="x", bb="y"), "steps[0].input.bb", W,
                                  "`bb` is not named"),
    "surplus-inside": (alone("take-all", home={"city": "Bonn", "zip": "1"}),
                       "steps[0].input.home.zip", E, "`zip` is not taken"),
    "extra-fields-typed": (alone("take-all", labels={"a": 1}), "steps[0].input.labels.a", E,
                           "it is 1, an integer, not a string"),
    # -- expressions
    "syntax": (expr("1 +"), X, E, "in `1 +`"),
    "unclosed": ([step("a", "anything", x="{{ trigger")], "steps[0].input.x", E, "without `}}"),
    "statement": ([step("a", "anything", x="{% if a %}")], "steps[0].input.x", E, "not supported"),
    "filter-unknown": (expr("trigger.body.email | uper"), X, E, "no filter `uper` (did you mean"),
    "filter-arguments": (expr("trigger.body.email | upper(1)"), X, E, "does not take these"),
    "test-unknown": (expr("trigger.body.email is strng"), X, E, "there is no test `strng`"),
    "call": (expr("trigger.body.email.upper()"), X, E, "cannot be called"),
    "filter-on-a-number": (expr("trigger.body.age | upper"), X, E,
                           "`upper` needs a string, not an integer"),
    "filter-on-a-list": (expr("steps.make.output.tags | int"), X, E, "`int` needs a number or the"),
    "filter-on-null": (expr("trigger.body.ref | upper"), X, W, "may be null, and `upper` needs"),
    "join-of-text": (expr("trigger.body.email | join"), X, E, "`join` needs a list, not a string"),
    "map-filter": (expr("steps.make.output.tags | map('uper')"), X, E, "no filter `uper`"),
    "map-attribute": (expr("trigger.body.lines | map(attribute='prize')"), X, E,
                      "the items have no `prize` (did you mean `price`?)"),
    "selectattr": (expr("trigger.body.lines | selectattr('prize', '>', 1)"), X, E, "no `prize`"),
    "select-test": (expr("steps.make.output.tags | select('strng')"), X, E, "no test `strng`"),
    "add-text-and-number": (expr("trigger.body.email + trigger.body.age"), X, E,
                            "`+` needs two numbers, two strings or two lists, not a string and an"),
    "subtract-text": (expr("trigger.body.email - 1"), X, E, "`-` needs two numbers, not a string"),
    "negative-text": (expr("-trigger.body.email"), X, E, "`-` needs a number"),
    "order-of-a-list": (expr("steps.make.output.tags < 5"), X, E, "`<` needs numbers or strings"),
    "order-of-unlike": (expr("trigger.body.email > 5"), X, E, "cannot compare a string with an in"),
    "in-a-number": (expr("1 in trigger.body.age"), X, E, "`in` needs a list, a mapping"),
    "never-equal": (expr("steps.make.output.userId == 5"), X, W, "the comparison is never true"),
    "never-equal-state": (expr("steps.make.state == 'Success'"), X, W, "is never true"),
    "never-equal-enum": (expr("trigger.body.colour == 'blue'"), X, W, "is never true"),
    "null-in-text": ([step("a", "anything", x="a {{ none }}")], "steps[0].input.x", E,
                     "null cannot stand in text"),
    "maybe-null-in-text": ([step("a", "anything", x="a {{ trigger.body.ref }}")],
                           "steps[0].input.x", W, "null cannot stand in text"),
    "default-of-a-wrong-type": (first(userId="{{ trigger.body.nick2 | default(5) }}"), U, W,
                                "it may be an integer, not a string"),
    "default-hides-a-typo": (expr("trigger.body.emial | default('x')"), X, W,
                             "has no `emial` (did you mean `email`?); it is never there"),
    "result-of-length": (first(userId="{{ steps.make.output.tags | length }}"), U, E,
                         "it is an integer, not a string"),
    "result-of-a-list-literal": (alone("take-all", n="{{ [1, 2] }}"), "steps[0].input.n", E,
                                 "it is a list, not an integer"),
    "result-of-arithmetic": (first(userId="{{ trigger.body.age + 1 }}"), U, E, "it is an integer"),
    "result-of-a-comparison": (first(userId="{{ trigger.body.age > 1 }}"), U, E, "a boolean"),
    "result-of-first": (alone("take-all", n="{{ steps.make2 | first }}"), "steps[0].input.n", E,
                        "there is no step `make2`"),
    "result-of-first-item": (first(userId="{{ trigger.body.lines | first }}"), U, E,
                             "it is a mapping, not a string"),
    "result-of-map": (alone("take-all", tags="{{ trigger.body.lines | map(attribute='price') }}"),
                      "steps[0].input.tags[]", E, "it is a number, not a string"),
    # -- undo
    "undo-of-the-action": (alone("charge"), "steps[0].action", E,
                           "in the Action `charge`, compensate.input.amount: it is a string, not"),
    "undo-field": (undone("{{ output.idd }}"), "steps[0].compensate.input.amount", E,
                   "`output` has no `idd` (did you mean `id`?)"),
    "undo-type": (undone("{{ output.id }}"), "steps[0].compensate.input.amount", E,
                  "it is a string, not an integer (inputSchema of refund)"),
    "undo-of-a-later-step": (undone("{{ steps.other.output }}"), "steps[0].compensate.input.amount",
                             E, "there is no step `other`"),
    "undo-surplus": (undone(5, why="x"), "steps[0].compensate.input.why", E, "`why` is not taken"),
    # -- the grammar of steps
    "needs-not-before": (
        [step("a", "create-user", email="a@example.com"),
         {**use("steps.a.output.userId"), "needs": ["trigger"]}],
        X, E, "the step `a` does not come before this one",
    ),
    "needs-unknown": ([step("a", "anything"), {**use("1"), "needs": ["b"]}], "steps[1].needs[0]", E,
                      "b"),
    "needs-later": ([{**use("1"), "needs": ["b"]}, step("b", "anything")], "steps[0].needs[0]", E,
                    "b"),
    "when-not-boolean": ([{**use("1"), "when": "{{ trigger.body.email }}"}], "steps[0].when", E,
                         "it is a string, not true or false"),
    "when-maybe-not-boolean": ([{**use("1"), "when": "{{ trigger.body.age and true }}"}],
                               "steps[0].when", W, "it may be a boolean or an integer, not true"),
    "when-field": ([{**use("1"), "when": "{{ trigger.body.agee > 1 }}"}], "steps[0].when", E,
                   "has no `agee` (did you mean `age`?)"),
    "when-itself": ([{**use("1"), "when": "{{ steps.use.state == 'x' }}"}], "steps[0].when", E,
                    "does not come before"),
    "for-each-not-a-list": ([{**use("1"), "forEach": {"items": "{{ trigger.body.email }}"}}],
                            "steps[0].forEach.items", E, "it is a string, not a list"),
    "for-each-field": ([{**use("item.prize"), "forEach": {"items": "{{ trigger.body.lines }}"}}],
                       "steps[0].input.x", E, "`item` has no `prize` (did you mean `price`?)"),
    "for-each-type": (
        [{**step("a", "take-all", n="{{ item }}"), "forEach": {"items": "{{ ['x'] }}"}}],
        "steps[0].input.n", E, 'it is "x", a string, not an integer'),
    "for-each-output-is-a-list": (
        [{**step("make", "create-user", email="a@example.com"),
          "forEach": {"items": "{{ [1] }}"}}, use("steps.make.output.userId")],
        X, E, "is a list and has no `userId`; take an item"),
    "skipped-without-default": (
        [{**step("make", "create-user", email="a@example.com"),
          "when": "{{ trigger.body.age > 1 }}"}, use("steps.make.output.userId")],
        X, W, "`steps.make.output` is null when that step was skipped"),
    "continued-without-default": (
        [{**step("make", "create-user", email="a@example.com"), "onError": "Continue"},
         use("steps.make.output.userId")],
        X, W, "`steps.make.output` is null when that step has failed"),
    "continued-item-without-default": (
        [{**step("make", "create-user", email="a@example.com"), "onError": "Continue",
          "forEach": {"items": "{{ [1] }}"}}, use("(steps.make.output | default([]))[0].userId")],
        X, W, "an item of `steps.make.output` is null when it has failed"),
    "continued-list-without-default": (
        [{**step("make", "create-user", email="a@example.com"), "onError": "Continue",
          "forEach": {"items": "{{ [1] }}"}}, use("steps.make.output | length")],
        X, W, "`steps.make.output` is null when that step could not read its list"),
    "skipped-as-a-whole": (
        [{**step("make", "create-user", email="a@example.com"),
          "when": "{{ trigger.body.age > 1 }}"},
         step("a", "take-all", home="{{ steps.make.output }}")],
        "steps[1].input.home", W, "is null when that step was skipped"),
    # -- Actions, ids
    "action-unknown": (alone("crate-user"), "steps[0].action", E,
                       "there is no Action `crate-user` (did you mean `create-user`?); apply it"),
    "action-unusable": (alone("broken"), "steps[0].action", E,
                        "the Action `broken` cannot be used: inputSchema.type"),
    "id-twice": ([step("a", "anything"), step("a", "anything")], "steps[1].id", E,
                 "`a` is the id of steps[0] already"),
    "id-reserved": ([step("trigger", "anything")], "steps[0].id", E, "is reserved"),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "path", "severity", "words"), CASES.values(), ids=CASES)
def test_a_mistake_is_found(
    steps: list[dict[str, Any]], path: str, severity: str, words: str
) -> None:
    found = check(flow(*steps))
    fitting = [f for f in found if f.path == path and words in str(f)]
    assert fitting, [str(f) for f in found]
    assert fitting[0].severity == severity


ENDS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "handler-null": (
        {"onFailure": step("", "anything", x="{{ steps.make.output.userId }}")},
        "onFailure.input.x", W, "is null when that step has not succeeded"),
    "handler-failure-field": ({"onFailure": step("", "anything", x="{{ failure.why }}")},
                              "onFailure.input.x", E, "`failure` has no `why`"),
    "handler-exit-code": ({"onFailure": step("", "take-all", n="{{ failure.exitCode }}")},
                          "onFailure.input.n", W, "only a program that has ended has an exit"),
    "handler-input": ({"onFailure": step("", "add-to-crm")}, "onFailure.input", E, "is missing"),
    "handler-action": ({"onFailure": {"action": "nobody"}}, "onFailure.action", E, "no Action"),
    "finally-failure": ({"finally": [step("z", "anything", x="{{ failure.reason }}")]},
                        "finally[0].input.x", W, "`failure` is null where nothing failed"),
    "finally-id": ({"finally": [step("make", "anything")]}, "finally[0].id", E, "is taken"),
    "finally-input": ({"finally": [step("z", "take-all", n="x")]}, "finally[0].input.n", E,
                      "not an integer"),
    "outputs-field": ({"outputs": {"id": "{{ steps.make.output.userid }}"}}, "outputs.id", E,
                      "has no `userid` (did you mean `userId`?)"),
    "outputs-failure": ({"outputs": {"id": "{{ failure.reason }}"}}, "outputs.id", E,
                        "`failure` is not defined here"),
    "concurrency-field": ({"concurrency": {"key": "{{ trigger.body.emial }}"}}, "concurrency.key",
                          E, "has no `emial` (did you mean `email`?)"),
    "concurrency-steps": ({"concurrency": {"key": "{{ steps.make.output }}"}}, "concurrency.key",
                          E, "`steps` is not defined here"),
    "trigger-schema": ({"trigger": {"bodySchema": {"type": "strin"}}}, "trigger.bodySchema.type", E,
                       "must be array"),
    "field": ({"stepps": 1}, "stepps", E, "no such field (did you mean steps?)"),
    "field-and-type": ({"stepps": 1, "finally": [step("z", "take-all", n="x")]},
                       "finally[0].input.n", E, "not an integer"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "severity", "words"), ENDS.values(), ids=ENDS)
def test_a_mistake_at_the_end_is_found(
    changes: dict[str, Any], path: str, severity: str, words: str
) -> None:
    parts = {k: {n: v for n, v in p.items() if v != ""} if k == "onFailure" else p
             for k, p in changes.items()}  # fmt: skip
    if "onFailure" in parts:
        parts["onFailure"].pop("id", None)
    found = check({**flow(step("make", "create-user", email="a@example.com")), **parts})
    fitting = [f for f in found if f.path == path and words in str(f)]
    assert fitting, [str(f) for f in found]
    assert fitting[0].severity == severity


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 80
    assert {"create-user", CRM} <= ACTIONS.keys()
    assert BODY["additionalProperties"] is False
