"""How large a status may get, and how it is kept within that.

An object that the store refuses for its size could never be written again, not even to end it. So
every part has its share of the 512 KiB, and a run of 500 steps fits by construction:

    outputs .... 128 KiB  and references to those that are elsewhere (`stored` decides which)
    verdict ....  32 KiB  conditions, the handler and what is said of the run as a whole
    records .... 352 KiB  the steps and their undos; what does not fit is cut from the longest
                          texts, visibly

Sizes are those of the JSON that the API server stores, which spells out more than ours does.
Decides nothing about the run, but that a step without room for its record cannot start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, TypeVar, cast

from workflow_do.api import names
from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.api.run import RunStatus, StepStatus, UnitStatus
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size

U = TypeVar("U", bound=UnitStatus)

VERDICT_BYTES: Final = 32 * 1024
RECORDS_BYTES: Final = (
    names.MAX_STATUS_BYTES - names.MAX_INLINE_OUTPUTS_BYTES - VERDICT_BYTES - 2 * names.MAX_STEPS
)
"""For the records of all steps without their outputs; the last term is for the commas."""
RECORD_BYTES: Final = 760
"""A record with the longest of everything at once, without output and texts."""
UNDO_BYTES: Final = 740
"""The same of an undo, which has no id but stands under a name."""
_TEXTS: Final = {"message": 3 * 1024, "logs_tail": 4 * 1024}
"""What may be cut, and the stored bytes of each however much room there is."""
_IMAGE_CHARS: Final = 512
_DIGEST_CHARS: Final = 71
_KEYS_BYTES: Final = 320
"""The names of all fields of a record, its numbers and its punctuation."""
_LONGEST_ESCAPE: Final = 6
_CUT: Final = " …"


def room(ledger: Ledger, undoable: Collection[str] = ()) -> Problem | None:
    """Whether one more step can be recorded, whatever comes of it. Problem: StatusTooLarge.

    Also the undo of all that has begun (`undoable`: ids of steps): what was done must never be
    left for want of room. Texts do not count: they are cut to what is left.
    """
    rows = _flat(ledger.steps)
    more = RECORD_BYTES + UNDO_BYTES * _undos_to_come(ledger, undoable)
    if sum(map(_most, rows)) + more <= RECORDS_BYTES:
        return None
    size = sum(map(_lean, rows))
    if size + more <= RECORDS_BYTES:
        return None
    return Problem(
        Reason.STATUS_TOO_LARGE,
        f"the records of the steps and of their undos may come to {size + more:,} bytes, and "
        f"{RECORDS_BYTES:,} is the most; "
        "split the Workflow",
    )


def fit(status: RunStatus) -> RunStatus:
    """The status with texts cut until it has room; one that has is given back as it is."""
    changes = {
        "steps": _fit_steps(status.steps),
        "on_failure": _trim(status.on_failure) if status.on_failure is not None else None,
        "conditions": tuple(
            c.model_copy(update={"message": cut(c.message, _TEXTS["message"]) or ""})
            if _may_exceed(c.message, _TEXTS["message"])
            else c
            for c in status.conditions
        ),
    }
    return status.model_copy(update=changes)


def cut(text: str, limit: int) -> str | None:
    """The text within `limit` stored bytes, its end replaced by an ellipsis; None: no room."""
    if not _may_exceed(text, limit) or _text_size(text) <= limit:
        return text
    left = limit - len(_CUT.encode())
    kept = []
    for char in text:
        left -= _text_size(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + _CUT if kept else None


def _undos_to_come(ledger: Ledger, undoable: Collection[str]) -> int:
    """How many undos may yet be recorded, with that of the step that is about to start."""
    begun = sum(
        1 for s in ledger.steps if s.seq is not None and s.compensation is None and s.id in undoable
    )
    return begun + (1 if undoable else 0)


def _flat(steps: tuple[StepStatus, ...]) -> tuple[UnitStatus, ...]:
    """Every record by itself: an undo does not count as a part of its step."""
    return tuple(
        record
        for step in steps
        for record in (_alone(step), step.compensation)
        if record is not None
    )


def _alone(step: StepStatus) -> StepStatus:
    if step.compensation is None:
        return step
    return step.model_copy(update={"compensation": None})


def _fit_steps(steps: tuple[StepStatus, ...]) -> tuple[StepStatus, ...]:
    fitted = iter(_fit_records(_flat(steps)))
    found = []
    for step in steps:
        record = next(fitted)
        if step.compensation is not None:
            record = record.model_copy(update={"compensation": next(fitted)})
        found.append(cast(StepStatus, record))
    return tuple(found)


def _fit_records(steps: tuple[UnitStatus, ...]) -> tuple[UnitStatus, ...]:
    steps = tuple(map(_trim, steps))
    texts = [size for step in steps for size in _text_sizes(step)]
    if sum(map(_most, steps)) + sum(texts) <= RECORDS_BYTES:
        return steps
    spare = RECORDS_BYTES - sum(map(_lean, steps))
    if sum(map(_image_surplus, steps)) + sum(texts) > spare:
        steps = tuple(_with_bare_image(step) for step in steps)
        if sum(texts) > spare:
            level = _level(texts, spare)
            steps = tuple(_cut_texts(step, dict.fromkeys(_TEXTS, level)) for step in steps)
    return steps


def _trim(record: U) -> U:
    """Each part on its own within its bounds."""
    if len(record.image_id or "") > _IMAGE_CHARS:
        record = _with_bare_image(record)
    return _cut_texts(record, _TEXTS)


def _cut_texts(record: U, limits: dict[str, int]) -> U:
    changes = {}
    for field, limit in limits.items():
        text = getattr(record, field)
        if text is not None and _may_exceed(text, limit):
            changes[field] = cut(text, limit)
    return record.model_copy(update=changes) if changes else record


def _level(sizes: Iterable[int], spare: int) -> int:
    """The most that each may have so that all together have no more than `spare`."""
    left = sorted(sizes)
    for at, size in enumerate(left):
        share = max(0, spare) // (len(left) - at)
        if size > share:
            return share
        spare -= size
    return max(left, default=0)


def _text_sizes(record: UnitStatus) -> list[int]:
    found = (getattr(record, field) for field in _TEXTS)
    return [_text_size(text) for text in found if text]


def _text_size(text: str) -> int:
    return stored_size(text) - 2


def _may_exceed(text: str, limit: int) -> bool:
    return len(text) * _LONGEST_ESCAPE > limit


def _most(record: UnitStatus) -> int:
    """A quick upper bound of the record without output and texts: all else is plain ASCII."""
    strings = (
        len(value)
        for field, value in record.__dict__.items()
        if isinstance(value, str) and field not in _TEXTS
    )
    return _KEYS_BYTES + sum(strings)


def _lean(record: UnitStatus) -> int:
    """The record with its texts empty, without output, its image as a bare digest."""
    bare = _with_bare_image(record)
    empty = {field: "" for field in _TEXTS if getattr(record, field)}
    return stored_size(dump(bare.model_copy(update={**empty, "output": None, "output_ref": None})))


def _image_surplus(record: UnitStatus) -> int:
    return max(0, len(record.image_id or "") - _DIGEST_CHARS)


def _with_bare_image(record: U) -> U:
    """`name@sha256:…` without the name."""
    if not _image_surplus(record):
        return record
    bare = (record.image_id or "").rpartition("@")[2][-_DIGEST_CHARS:]
    return record.model_copy(update={"image_id": bare})
