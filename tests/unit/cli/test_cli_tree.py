"""The tree, the lines and the table of runs, as text: against golden files.

WORKFLOW_DO_UPDATE_GOLDEN=1 writes the files anew; read the difference before it is committed.
"""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from unit.cli import runs
from workflow_do.cli import look
from workflow_do.cli.lines import change_lines, log_lines
from workflow_do.cli.look import ASCII, UNICODE
from workflow_do.cli.table import newest_first, runs_table
from workflow_do.cli.tree import Gap, View, fold, run_tree, verdict
from workflow_do.sdk.run import Run, Unit, parse_run

GOLDEN = Path(__file__).parent / "golden"
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def seconds(number: int) -> datetime:
    return NOON + timedelta(seconds=number)


def rendered(renderable: RenderableType, width: int = 100) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, markup=False, highlight=False)
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("WORKFLOW_DO_UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


RUNNING = runs.onboarding(runs.CREATED, runs.unit("Running", 3), message="step syncToCrm: Running")
RETRYING = runs.unit("Running", 3, reason="ExitCode", exitCode=3, tries=2, message="503")
STRANGE = runs.unit("Failed", 1, 2, reason="ExitCode", exitCode=1, message="\x1b[2Jred\x07 alert")
NOT_FOUND = runs.run_object(
    {
        "conditions": [
            {
                "type": "Succeeded",
                "status": "False",
                "reason": "WorkflowNotFound",
                "message": 'no Workflow "nope" in namespace shop',
            },
            {"type": "Completed", "status": "True", "reason": "WorkflowNotFound"},
        ],
        "startTime": runs.at(0),
        "completionTime": runs.at(20),
    }
)
UNKNOWN = runs.onboarding(
    runs.unit("Unknown", 0, 90, reason="NodeLost", message="node worker-2 stopped answering"),
    runs.unit("NotStarted", reason="ImagePull", message="no such image: shop/crm:9"),
    reason="NodeLost",
    succeeded="False",
    message="step createUser: node worker-2 stopped answering",
    end=91,
)

WAITING = runs.onboarding(reason="Pending", message="Action add-user-to-crm is not there yet")

PAUSED = runs.onboarding(
    runs.CREATED,
    reason="Paused",
    message="step sendWelcome: Pending",
    pausedSince=runs.at(4),
)

TREES = {
    "between-tries": (runs.between_tries(), View(seconds(6) - timedelta(milliseconds=500))),
    "between-tries-due": (runs.between_tries(), View(seconds(9))),
    "between-tries-paused": (runs.between_tries("Paused"), View(seconds(6))),
    "between-tries-full": (runs.between_tries(), View(seconds(6), full=True)),
    "paused": (PAUSED, View(seconds(9), full=True)),
    "paused-ascii": (PAUSED, View(seconds(9), ASCII)),
    "cancelled": (runs.cancelled(), View(seconds(300))),
    "taken-over": (runs.retried(), View(seconds(4))),
    "failed-with-log": (runs.failed_with_log(), View(seconds(300), logs=True)),
    "failed-with-log-full": (runs.failed_with_log(), View(seconds(300), full=True)),
    "failed-with-log-live": (runs.failed_with_log(), View(seconds(300))),
    "waiting": (WAITING, View(seconds(2))),
    "just-made": (runs.run_object(None), View(seconds(0))),
    "running": (RUNNING, View(seconds(5))),
    "running-ticks": (RUNNING, View(seconds(5) + timedelta(milliseconds=125), ticking=True)),
    "retrying": (runs.onboarding(runs.CREATED, RETRYING), View(seconds(9))),
    "succeeded": (runs.succeeded(), View(seconds(300))),
    "succeeded-full": (runs.succeeded(), View(seconds(300), full=True)),
    "failed": (runs.failed(), View(seconds(300))),
    "failed-full": (runs.failed(), View(seconds(300), full=True)),
    "failed-ascii": (runs.failed(), View(seconds(300), ASCII)),
    "not-found": (NOT_FOUND, View(seconds(300))),
    "unknown": (UNKNOWN, View(seconds(300))),
    "undoing": (runs.undone(runs.UNDOING), View(seconds(8))),
    "undone": (runs.undone(runs.UNDONE), View(seconds(300), logs=True)),
    "undone-full": (runs.undone(runs.UNDONE), View(seconds(300), full=True)),
    "not-undone": (runs.undone(runs.NOT_UNDONE), View(seconds(300), ASCII)),
    "items-undone": (runs.items_undone(), View(seconds(12))),
    "control-characters": (runs.onboarding(STRANGE), View(seconds(3), full=True)),
}


@pytest.mark.parametrize("name", TREES)
def test_tree(name: str) -> None:
    obj, view = TREES[name]
    same_as_golden(f"tree-{name}", rendered(run_tree(parse_run(obj), view)))


def test_rows_do_not_wrap_on_a_narrow_terminal() -> None:
    text = rendered(run_tree(parse_run(runs.succeeded()), View(seconds(300))), width=40)
    same_as_golden("tree-narrow", text)


def test_nothing_of_a_program_reaches_the_terminal_as_control() -> None:
    run = parse_run(runs.onboarding(STRANGE, message="\x1b]0;x\x07"))
    texts = [rendered(run_tree(run, View(seconds(3)))), *change_lines(None, run)]
    assert not {"\x1b", "\x07"} & set("".join(texts))


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        pytest.param(
            runs.succeeded(),
            "✔ run new-user-onboarding-flow-x7k2p succeeded in 1m17s",
            id="succeeded",
        ),
        pytest.param(
            runs.failed(),
            "✘ run new-user-onboarding-flow-x7k2p failed after 8s: ExitCode: " + runs.MESSAGE,
            id="failed",
        ),
        pytest.param(
            NOT_FOUND,
            "✘ run new-user-onboarding-flow-x7k2p failed after 20s: WorkflowNotFound: no Workflow "
            '"nope" in namespace shop',
            id="no-step",
        ),
        pytest.param(
            runs.cancelled(),
            "⊘ run new-user-onboarding-flow-x7k2p was cancelled after 6s: step syncToCrm: the run "
            "was cancelled",
            id="cancelled",
        ),
    ],
)
def test_verdict(obj: runs.Object, text: str) -> None:
    assert verdict(parse_run(obj)).plain == text


def test_verdict_tells_what_became_of_what_was_done() -> None:
    undone = verdict(parse_run(runs.undone(runs.UNDONE)), message=False).plain
    assert undone.endswith("ExitCode at step syncToCrm; 1 of 1 undone")
    failed = verdict(parse_run(runs.undone(runs.NOT_UNDONE)), message=False).plain
    assert failed.endswith("; could not be undone: createUser (ExitCode)")


def test_verdict_names_the_step_where_the_message_does_not() -> None:
    text = verdict(parse_run(runs.failed()), message=False).plain
    assert text.endswith("failed after 8s: ExitCode at step syncToCrm")


def test_lines_tell_every_change_once() -> None:
    history = [
        runs.run_object(None),
        runs.onboarding(reason="Pending"),
        runs.onboarding(runs.unit("Running", 1)),
        runs.onboarding(runs.unit("Running", 1)),
        RUNNING,
        runs.onboarding(runs.CREATED, RETRYING),
        runs.onboarding(
            runs.CREATED,
            runs.unit("Failed", 3, 6, reason="ExitCode", exitCode=3, tries=2, message="no"),
            reason="Finishing",
            handler=runs.unit("Running", 6),
        ),
        runs.failed(),
    ]
    same_as_golden("lines", lines_of(history))


def lines_of(history: list[runs.Object]) -> str:
    seen: Run | None = None
    lines: list[str] = []
    for run in map(parse_run, history):
        lines += change_lines(seen, run)
        seen = run
    return "".join(f"{line}\n" for line in lines)


def test_lines_of_undos() -> None:
    undos = [{**runs.unit("Pending"), "tries": 0}, runs.UNDOING, runs.UNDOING, runs.UNDONE]
    same_as_golden("lines-undone", lines_of([runs.undone(undo) for undo in undos]))
    same_as_golden("lines-not-undone", lines_of([runs.undone(runs.NOT_UNDONE)]))


def test_lines_of_undos_of_items() -> None:
    later = runs.items_undone()
    undo = later["status"]["steps"][0]["items"][1]["compensation"]
    undo |= {"state": "Succeeded", "completionTime": runs.at(12)}
    same_as_golden("lines-items-undone", lines_of([runs.items_undone(), later]))


def test_the_log_of_an_undo_that_failed_is_shown() -> None:
    obj = runs.undone({**runs.NOT_UNDONE, "logsTail": "read-only\n"})
    assert log_lines(parse_run(obj)) == ["the log of the undo of createUser ends:", "  read-only"]


def test_steps_with_undos_are_folded_with_room_for_both() -> None:
    obj = runs.undone(runs.UNDOING)
    steps = obj["status"]["steps"]
    steps[1:1] = [{**steps[0], "id": f"s{n}"} for n in range(60)]
    rows = rendered(run_tree(parse_run(obj), View(seconds(8), room=20))).splitlines()
    assert len(rows) <= 20 + 8


def test_lines_of_a_run_that_is_tried_again_paused_and_cancelled() -> None:
    history = [runs.retried(), runs.between_tries(), runs.between_tries("Paused"), runs.cancelled()]
    same_as_golden("lines-control", lines_of(history))


def test_the_end_of_the_log_as_lines() -> None:
    said = "".join(f"{line}\n" for line in log_lines(parse_run(runs.failed_with_log())))
    same_as_golden("lines-log", said)
    assert log_lines(parse_run(runs.between_tries())) == []
    assert log_lines(parse_run(runs.failed())) == []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("\n\n\n", [], id="blank"),
        pytest.param("a\nb\nc\nd", ["b", "c", "d"], id="the-last"),
        pytest.param("a\n\n\nd", ["d"], id="no-blank-ones-first"),
        pytest.param("  as\tis  \r\n", ["  as    is"], id="as-laid-out"),
        pytest.param("x" * 50, ["x" * 11 + "…"], id="cut"),
        pytest.param("\x1b[2J\x07", ["\ufffd[2J\ufffd"], id="harmless"),
    ],
)
def test_log_end(text: str, rows: list[str]) -> None:
    assert look.log_end(text, lines=3, width=12) == rows


def test_table() -> None:
    objs = [runs.succeeded(), runs.failed(), RUNNING, NOT_FOUND, PAUSED, runs.cancelled()]
    named = [
        {
            **obj,
            "metadata": {**obj["metadata"], "name": f"run-{i}", "creationTimestamp": runs.at(i)},
        }
        for i, obj in enumerate(objs)
    ]
    table = runs_table(
        newest_first([parse_run(obj) for obj in named]), seconds(3700), namespaces=True
    )
    same_as_golden("table", rendered(table, width=140))


def steps(states: str) -> list[Unit]:
    words = {".": "Pending", "s": "Succeeded", "r": "Running", "f": "Failed"}
    return [Unit(id=str(i), action="a", state=words[c]) for i, c in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "room", "shown"),
    [
        pytest.param("ssr...", 10, "0 1 2 3 4 5", id="enough-room"),
        pytest.param("ssr...", None, "0 1 2 3 4 5", id="no-bound"),
        pytest.param("ssssssssr.......", 7, "~6 6 7 8 9 10 ~5", id="around-what-runs"),
        pytest.param("r...............", 5, "0 1 2 ~13", id="at-the-start"),
        pytest.param("ssssssssssssssss", 5, "~13 13 14 15", id="at-the-end"),
        pytest.param("f..............r", 5, "0 ~13 14 15", id="what-failed-stays"),
        pytest.param("rrrrrrrrrrrrrrrr", 5, "~13 13 14 15", id="more-running-than-room"),
    ],
)
def test_fold(states: str, room: int | None, shown: str) -> None:
    rows = fold(steps(states), room)
    said = [f"~{len(row.units)}" if isinstance(row, Gap) else row.id for row in rows]
    assert " ".join(said) == shown


@pytest.mark.parametrize("room", [3, 10, 40])
def test_fold_loses_no_step(room: int) -> None:
    units = steps("s" * 200 + "r" + "." * 299)
    rows = fold(units, room)
    whole = [u for row in rows for u in (row.units if isinstance(row, Gap) else [row])]
    assert whole == units
    assert len(rows) <= room


@pytest.mark.parametrize(
    ("number", "text"),
    [(-5, "0s"), (0.9, "0s"), (59, "59s"), (65, "1m05s"), (7380, "2h03m"), (273600, "3d04h")],
)
def test_duration(number: float, text: str) -> None:
    assert look.duration(number) == text


def test_spinner_turns_with_the_clock() -> None:
    marks = {
        look.symbol_of("Running", UNICODE, seconds(0) + timedelta(milliseconds=125 * i)).plain
        for i in range(10)
    }
    assert marks == set(UNICODE.spinner)
