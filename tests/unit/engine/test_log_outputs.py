"""Outputs that are given by a line of the log: which line, how large, and when it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.world import World, action, step, workflow
from workflow_do.api import names
from workflow_do.api.reasons import Reason
from workflow_do.engine.outputs import LogEnd, OutputProblem, parse_log

FULL = json.dumps({"t": "x" * (names.MAX_LOG_OUTPUT_BYTES - 9)})
assert len(FULL) == names.MAX_LOG_OUTPUT_BYTES
WHOLE = st.characters(exclude_categories=["Cs"])
MANY = "line\n" * names.OUTPUT_LOG_LINES

GOOD: dict[str, tuple[LogEnd, Any]] = {
    "alone": (LogEnd('::output::{"a": 1}\n'), {"a": 1}),
    "no-line-end": (LogEnd('::output::{"a": 1}'), {"a": 1}),
    "windows-line-end": (LogEnd('::output:: {"a": 1} \r\n'), {"a": 1}),
    "the-last-one-counts": (LogEnd('::output::{"a": 1}\n::output::{"a": 2}\nbye\n'), {"a": 2}),
    "a-bad-one-before": (LogEnd("::output::\n::output::{}\n"), {}),
    "text-around": (LogEnd("hello\n::output::{}\nbye\n"), {}),
    "a-mark-in-the-data": (LogEnd('::output::{"a": "::output::{}"}\n'), {"a": "::output::{}"}),
    "a-mark-within-a-line": (LogEnd('::output::{"a": 1}\nx ::output::{"a": 2}\n'), {"a": 1}),
    "other-separators": (LogEnd('::output::{"a": "\u2028\x85"}\n'), {"a": "\u2028\x85"}),
    "as-large-as-it-gets": (LogEnd(f"::output::{FULL}\n"), json.loads(FULL)),
    "many-lines-before": (LogEnd(f"{MANY}::output::{{}}\n"), {}),
    "bytes-before-were-cut": (LogEnd('e": 7}\n::output::{}\n', cut=True), {}),
}


@pytest.mark.parametrize(("log", "expected"), GOOD.values(), ids=GOOD)
def test_the_last_marked_line_is_the_output(log: LogEnd, expected: Any) -> None:
    assert parse_log(log) == expected


BAD: dict[str, tuple[LogEnd, Reason, str]] = {
    "empty": (LogEnd(""), Reason.OUTPUT_INVALID, "no line of the log begins with ::output::"),
    "no-mark": (LogEnd("hello\n"), Reason.OUTPUT_INVALID, "print one JSON object in one line"),
    "indented": (LogEnd(" ::output::{}\n"), Reason.OUTPUT_INVALID, "no line of the log"),
    "nothing-after": (LogEnd("::output::\n"), Reason.OUTPUT_INVALID, "not JSON"),
    "list": (LogEnd("::output::[]\n"), Reason.OUTPUT_INVALID, "a list, not a JSON object"),
    "broken-by-other-text": (
        LogEnd('::output::{"a": "xx\nfrom stderr\nyy"}\n'),
        Reason.OUTPUT_INVALID,
        "nothing else meanwhile",
    ),
    "no-utf-8": (LogEnd('::output::{"a": "\udcff"}\n'), Reason.OUTPUT_INVALID, "not text"),
    "one-byte-more": (
        LogEnd(f"::output::{FULL} \n"),
        Reason.OUTPUT_TOO_LARGE,
        "the output is 262,145 bytes, and 262,144 is the most",
    ),
    "its-beginning-is-gone": (
        LogEnd("xxx" * 1000 + '"}\n', cut=True),
        Reason.OUTPUT_TOO_LARGE,
        "no whole line that begins with ::output:: is among the last 1,000 lines",
    ),
    "too-far-from-the-end": (LogEnd(MANY), Reason.OUTPUT_TOO_LARGE, "print it last"),
    "data-that-looks-like-one": (
        LogEnd('::output::{"admin": true}\n', cut=True),
        Reason.OUTPUT_TOO_LARGE,
        "no whole line",
    ),
    "data-that-looks-like-one-among-many": (
        LogEnd('::output::{"admin": true}\n' + MANY[:-5]),
        Reason.OUTPUT_TOO_LARGE,
        "no whole line",
    ),
}


@pytest.mark.parametrize(("log", "reason", "words"), BAD.values(), ids=BAD)
def test_what_is_no_output(log: LogEnd, reason: Reason, words: str) -> None:
    found = parse_log(log)
    assert isinstance(found, OutputProblem)
    assert found.reason is reason
    assert words in found.message
    assert len(found.message) < names.MAX_MESSAGE_CHARS


@given(st.text(), st.booleans())
def test_any_log_gives_an_output_or_a_problem(text: str, cut: bool) -> None:
    assert isinstance(parse_log(LogEnd(text, cut)), dict | OutputProblem)


@given(st.dictionaries(st.text(WHOLE), st.text(WHOLE)), st.text("ab\n:"), st.text("ab\n"))
def test_what_is_printed_is_found(value: dict[str, str], before: str, after: str) -> None:
    line = json.dumps(value, ensure_ascii=False)
    assert parse_log(LogEnd(f"{before}\n::output::{line}\n{after}")) == value


def world() -> World:
    """A step that speaks by its log, and one after it."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    speaker = action("speak", output={"source": "Logs"}, outputSchema=schema)
    return World(workflow(step("a", "speak"), step("b", "do-it")), speaker, action("do-it"))


def ended(text: str | None = None, error: str = "") -> World:
    """The program has ended with 0; its log is this."""
    w = world()
    w.reconcile()
    w.ends("a termination message that does not count")
    assert list(w.plan().needs_outputs.values()) == ["pod-job-1"]
    assert w.plan().effects == ()
    w.outputs[next(iter(w.pods))] = LogEnd(text or "", error=error)
    return w


def test_the_log_is_read_and_the_output_is_in_the_status() -> None:
    w = ended('::output::{"n": 1}\n')
    w.reconcile()
    assert w.step("a")["state"] == "Succeeded"
    assert w.step("a")["output"] == {"n": 1}
    assert w.step("b")["state"] == "Running"


def test_a_program_that_failed_is_not_asked_for_an_output() -> None:
    w = world()
    w.reconcile()
    w.ends(code=3)
    assert w.plan().needs_outputs == {}


def test_such_a_program_has_no_file_to_write_to() -> None:
    w = world()
    w.reconcile()
    [container] = w.job()["spec"]["template"]["spec"]["containers"]
    assert "ACTION_OUTPUT" not in [e["name"] for e in container["env"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "OutputInvalid", id="absent"),
        pytest.param("::output::[]", "OutputInvalid", id="list"),
        pytest.param(f"::output::{FULL} ", "OutputTooLarge", id="too-large"),
    ],
)
def test_a_log_that_may_lag_behind_is_read_again(text: str, reason: str) -> None:
    w = ended(text)
    w.reconcile()
    assert w.step("a")["state"] == "Running"
    w.tick(5)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", reason)


def test_a_misfit_is_no_matter_of_time() -> None:
    w = ended('::output::{"n": "no"}')
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "OutputInvalid")


def test_a_log_that_was_on_its_way() -> None:
    w = ended("")
    w.reconcile()
    w.outputs[next(iter(w.pods))] = LogEnd('::output::{"n": 2}')
    w.tick(1)
    w.reconcile()
    assert w.step("a")["output"] == {"n": 2}


def test_a_log_out_of_reach_is_waited_for_and_shown() -> None:
    w = ended(error="the log cannot be read: no route to host")
    w.reconcile()
    assert w.step("a")["state"] == "Running"
    assert w.step("a")["reason"] == "OutputUnreadable"
    assert "no route to host" in w.step("a")["message"]
    w.tick(299)
    w.reconcile()
    assert w.step("a")["state"] == "Running"
    w.outputs[next(iter(w.pods))] = LogEnd('::output::{"n": 3}')
    w.tick(1)
    w.reconcile()
    assert w.step("a")["output"] == {"n": 3}
    assert "reason" not in w.step("a")


def test_a_log_out_of_reach_for_good() -> None:
    w = ended(error="the log cannot be read: gone")
    w.reconcile()
    w.tick(301)
    w.reconcile()
    assert (w.step("a")["state"], w.step("a")["reason"]) == ("Unknown", "OutputUnreadable")


def test_one_failed_look_is_not_enough() -> None:
    """An operator that was away for long looks twice before it concludes."""
    w = ended(error="the log cannot be read: try again")
    w.tick(1000)
    w.write(w.plan())
    assert w.step("a")["state"] == "Running"
    w.outputs[next(iter(w.pods))] = LogEnd('::output::{"n": 4}')
    w.tick(5)
    w.reconcile()
    assert w.step("a")["output"] == {"n": 4}
