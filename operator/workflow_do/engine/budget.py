"""How large a status may get, and how it is kept within that.

An object that the store refuses for its size could never be written again, not even to end it. So
every part has its share of the 512 KiB, and a run of 500 steps fits by construction:

    outputs .... 128 KiB  and references to those that are elsewhere (`stored` decides which)
    verdict ....  32 KiB  conditions, the handler and what is said of the run as a whole
    records .... 352 KiB  the steps; what does not fit is cut from the longest texts, visibly

Sizes are those of the JSON that the API server stores, which spells out more than ours does.
Decides nothing about the run, but that a step without room for its record cannot start.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, Final, TypeVar, get_args

from workflow_do.api import names
from workflow_do.api.base import dump
from workflow_do.api.reasons import Reason
from workflow_do.api.run import LoneStatus, RunStatus, StepState, StepStatus, UnitStatus
from workflow_do.engine.identity import Role, Unit
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.memo import once
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size
from workflow_do.engine.waitdef import ApprovalDef, WaitingDef

U = TypeVar("U", bound=UnitStatus)
L = TypeVar("L", bound=LoneStatus)

VERDICT_BYTES: Final = 32 * 1024
RECORDS_BYTES: Final = (
    names.MAX_STATUS_BYTES - names.MAX_INLINE_OUTPUTS_BYTES - VERDICT_BYTES - 2 * names.MAX_STEPS
)
"""For the records of all steps without their outputs; the last term is for the commas."""
RECORD_BYTES: Final = 800
"""A record with the longest of everything at once, without output and texts."""
UNDO_BYTES: Final = 760
"""The same of an undo, which has no id but stands under a name."""
ITEM_BYTES: Final = 301
"""The record of an item, and a comma."""
ITEM_UNDO_BYTES: Final = 320
"""The same of its undo, which stands under a name."""
_TEXTS: Final = {"message": 3 * 1024, "logs_tail": 4 * 1024}
"""What may be cut, and the stored bytes of each however much room there is."""
_ITEM_TEXTS: Final = {"message": 200}
_IMAGE_CHARS: Final = 512
_DIGEST_CHARS: Final = 71
VOTE_BYTES: Final = 70 + 6 * names.MAX_APPROVER_CHARS + names.MAX_NAME_CHARS + 20
"""An approval that counted: its keys, who, by what, when. Who may be called anything."""
_KEYS_BYTES: Final = 320
"""The names of all fields of a record, its numbers and its punctuation."""
_OF_STEPS: Final = ("items", "compensation", "approvals")
"""What is measured apart."""
_NOT_BEGUN: Final = (StepState.PENDING, StepState.SKIPPED)
_LONGEST_ESCAPE: Final = 6
_CUT: Final = " …"


def room(ledger: Ledger, undoable: Container[str] = ()) -> int:
    """How many bytes are left for records that are not begun yet, whatever comes of the others.

    Also for the undo of all that has begun (`undoable`: ids of steps): what was done must never be
    left for want of room. Texts do not count: they are cut to what is left.
    """
    undos = sum([_for_undo(step) for step in ledger.steps if step.id in undoable])
    used = undos + sum(map(_most_claimed, ledger.steps))
    if used + RECORD_BYTES + UNDO_BYTES > RECORDS_BYTES:
        used = undos + sum(map(_lean_claimed, ledger.steps))
    return RECORDS_BYTES - used


def need_of(unit: Unit, record: UnitStatus | None, undoable: Container[str] = ()) -> int:
    """The bytes that must be there before a unit starts; those of items were kept before, and so
    were those of a second try and of an undo.
    """
    waits = record is None or record.state is StepState.PENDING
    if unit.role is not Role.DO or unit.item is not None or not waits:
        return 0
    return RECORD_BYTES + (UNDO_BYTES if unit.step in undoable else 0)


def votes_need(waits: WaitingDef) -> int:
    """The bytes that must be there before a step begins to wait: its record, and its approvals."""
    return RECORD_BYTES + VOTE_BYTES * votes_of(waits)


def votes_of(waits: WaitingDef | None) -> int:
    """How many approvals may be on record of a step, or of each of its items."""
    return waits.spec.required if isinstance(waits, ApprovalDef) else 0


def items_need(
    record: StepStatus, number: int, undoable: Container[str] = (), votes: int = 0
) -> int:
    """The bytes that must be there before a list of this many items is begun; `votes`: of each."""
    each = ITEM_BYTES + VOTE_BYTES * votes + (ITEM_UNDO_BYTES if record.id in undoable else 0)
    return RECORD_BYTES + each * number - ITEM_BYTES * len(record.items or ())


def too_large(size: int, left: int) -> Problem:
    """Why a unit cannot start."""
    return Problem(
        Reason.STATUS_TOO_LARGE,
        f"the run's status has {max(0, left):,} bytes left and {size:,} are needed; "
        "split the Workflow",
    )


def fit(status: RunStatus) -> RunStatus:
    """The status with texts cut until it has room; one that has is given back as it is."""
    fitted = iter(_fit_records((*_flat(status.steps), *(status.finally_ or ()))))
    steps = [_joined(next(fitted), step.compensation and next(fitted)) for step in status.steps]
    changes = {
        "steps": tuple(steps),
        "finally_": tuple(fitted) or None,
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


def _flat(steps: tuple[StepStatus, ...]) -> Iterator[LoneStatus]:
    """Every record by itself: an undo does not count as a part of its step."""
    for step in steps:
        yield step
        if step.compensation is not None:
            yield step.compensation


def _joined(step: LoneStatus, undo: LoneStatus | None) -> LoneStatus:
    """The step with its undo as it was cut."""
    if undo is None or (isinstance(step, StepStatus) and step.compensation is undo):
        return step
    return step.model_copy(update={"compensation": undo})


def _fit_records(records: tuple[LoneStatus, ...]) -> tuple[LoneStatus, ...]:
    bounds = list(map(_most_of_short, records))
    if None not in bounds and sum(filter(None, bounds)) <= RECORDS_BYTES:
        return records
    records = tuple([record if _is_short(record) else _trim(record) for record in records])
    texts = [size for record in records for size in _text_sizes(record)]
    if sum(map(_most, records)) + sum(texts) <= RECORDS_BYTES:
        return records
    spare = RECORDS_BYTES - sum(map(_lean, records))
    if sum(map(_image_surplus, records)) + sum(texts) > spare:
        records = tuple(_with_bare_image(record) for record in records)
        if sum(texts) > spare:
            level = _level(texts, spare)
            records = tuple(_cut_all(record, dict.fromkeys(_TEXTS, level)) for record in records)
    return records


@once
def _most_of_short(record: LoneStatus) -> int | None:
    """What a record takes at most in which there is nothing to cut; None: there may be."""
    return _most(record) if _is_short(record) else None


def _is_short(record: LoneStatus) -> bool:
    """Whether there is nothing in it that could be cut; so it is with nearly all."""
    fields = record.__dict__
    texts = fields["message"] is None and fields["logs_tail"] is None
    return texts and not fields.get("items") and len(fields["image_id"] or "") <= _IMAGE_CHARS


def _trim(record: LoneStatus) -> LoneStatus:
    """Each part on its own within its bounds."""
    if len(record.image_id or "") > _IMAGE_CHARS:
        record = _with_bare_image(record)
    return _cut_all(record, _TEXTS)


def _cut_all(record: L, limits: dict[str, int]) -> L:
    """The texts of a record and of its items."""
    record = _cut_texts(record, limits)
    if not isinstance(record, StepStatus) or not record.items:
        return record
    bounds = {field: min(most, limits[field]) for field, most in _ITEM_TEXTS.items()}
    items = tuple(_cut_texts(item, bounds) for item in record.items)
    if all(new is old for new, old in zip(items, record.items, strict=True)):
        return record
    return record.model_copy(update={"items": items})


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


def _text_sizes(record: LoneStatus) -> list[int]:
    found = [getattr(record, field) for field in _TEXTS]
    if isinstance(record, StepStatus):
        found += [item.message for item in record.items or ()]
    return [_text_size(text) for text in found if text]


def _text_size(text: str) -> int:
    return stored_size(text) - 2


def _may_exceed(text: str, limit: int) -> bool:
    return len(text) * _LONGEST_ESCAPE > limit


@once
def _most_claimed(step: StepStatus) -> int:
    return _claimed(step, _most)


@once
def _lean_claimed(step: StepStatus) -> int:
    return _claimed(step, _lean)


def _claimed(step: StepStatus, measure: Callable[[LoneStatus], int]) -> int:
    """What a step takes with its undo; one that is on its way can grow."""
    undo = step.compensation
    done = step.model_copy(update={"compensation": None}) if undo is not None else step
    of_undo = measure(undo) if undo is not None else 0
    if step.state is StepState.PENDING or step.state.terminal:
        return measure(done) + of_undo
    least = RECORD_BYTES + _items(step) + _votes(step)
    return of_undo + (least if _most(done) <= least else max(measure(done), least))


def _for_undo(step: StepStatus) -> int:
    """What a step may still take: what has begun may have to be undone."""
    if step.compensation is not None or step.state in _NOT_BEGUN:
        return 0
    if step.items is not None:
        return ITEM_UNDO_BYTES * sum(1 for item in step.items if item.compensation is None)
    return UNDO_BYTES if step.seq is not None or not step.state.terminal else 0


@once
def _most(record: LoneStatus) -> int:
    """A quick upper bound of the record without output and texts: all else is plain ASCII."""
    strings = sum(map(len, filter(None, _strings_of(type(record))(record.__dict__))))
    return _KEYS_BYTES + strings + _items(record) + _votes(record)


@cache
def _strings_of(
    kind: type[LoneStatus],
) -> Callable[[Mapping[str, Any]], tuple[str | None, ...]]:
    """What takes all strings, but for the texts, out of the fields of such a record."""
    found = [
        name
        for name, told in kind.model_fields.items()
        if name not in _TEXTS
        and any(map(_is_string, get_args(told.annotation) or [told.annotation]))
    ]
    return itemgetter(*found)


def _is_string(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, str)


@once
def _lean(record: LoneStatus) -> int:
    """The record with its texts empty, without output, its image as a bare digest."""
    bare = _with_bare_image(record)
    empty = {field: "" for field in _TEXTS if getattr(record, field)}
    parts = dict.fromkeys(_OF_STEPS) if isinstance(record, StepStatus) else {}
    gone = {**empty, **parts, "output": None, "output_ref": None}
    own = bare.model_copy(update=gone)
    return stored_size(dump(own)) + _items(record) + _votes(record)


def _votes(record: LoneStatus) -> int:
    """The approvals of a step and of its items; while they wait, all that may come."""
    if not isinstance(record, StepStatus) or record.approvals_required is None:
        return 0
    parts = record.items if record.items is not None else (record,)
    if not record.state.terminal:
        return VOTE_BYTES * record.approvals_required * len(parts)
    counted = [part.approvals for part in parts if part.approvals is not None]
    return sum(20 + sum(stored_size(dump(v)) + 1 for v in votes) for votes in counted)


def _items(record: LoneStatus) -> int:
    if not isinstance(record, StepStatus) or not record.items:
        return 0
    undone = sum(1 for item in record.items if item.compensation is not None)
    return ITEM_BYTES * len(record.items) + ITEM_UNDO_BYTES * undone


def _image_surplus(record: LoneStatus) -> int:
    return max(0, len(record.image_id or "") - _DIGEST_CHARS)


def _with_bare_image(record: L) -> L:
    """`name@sha256:…` without the name."""
    if not _image_surplus(record):
        return record
    bare = (record.image_id or "").rpartition("@")[2][-_DIGEST_CHARS:]
    return record.model_copy(update={"image_id": bare})
