"""Which data is kept in a ConfigMap instead of a status or a variable, and how it is read again.

Outputs:

    small, and there is room .. in the status
    else ...................... in a ConfigMap, made before the status that refers to it
    no room for a reference ... OutputTooLarge

While the engine works on a run, the outputs that something still to come may read are filled into
their records; `strip` takes them out again before anything is written. An output that is lost or
altered is never replaced by null: what reads it ends as OutputLost. A large input is stored before
the Job that is to find it as a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import is_
from typing import Any, Final, TypeVar

from workflow_do.api import names
from workflow_do.api.base import Json
from workflow_do.api.reasons import Reason
from workflow_do.api.run import OutputRef, RunStatus, StepStatus, UnitStatus
from workflow_do.api.unit import LIVE
from workflow_do.engine import expressions as ex
from workflow_do.engine import held as data
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import StoreData
from workflow_do.engine.facts import Observed, Refusal, Run
from workflow_do.engine.held import Held, Place
from workflow_do.engine.identity import Role
from workflow_do.engine.ledger import Ledger, of_status
from workflow_do.engine.memo import once
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size
from workflow_do.engine.waitdef import ApprovalDef, WaitDef

U = TypeVar("U", bound=UnitStatus)

SMALL_BYTES: Final = 16 * 1024
"""Up to this an output stands in the status, if there is room. Every write of the status carries
what stands in it; every read of a ConfigMap is a call."""
_REF_BYTES: Final = 192
"""A reference, with its key, at its longest."""
STORED_BYTES: Final = 32 * 1024 * 1024
"""All outputs of one run in ConfigMaps: the store of the cluster is not a store of data."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a try gave: `job` is the uid of its Job; number 0 and no Job: taken over."""

    unit: UnitDef
    number: int
    job: str
    output: dict[str, Json]


def stands_inline(ledger: Ledger, output: dict[str, Json]) -> bool | Problem:
    """Whether the output stands in the status; else it is to be stored. Problem: OutputTooLarge.

    Room is kept for the references of all units that have none yet, but a reference is never used
    where the output itself is no larger.
    """
    size = stored_size(output)
    records = [record for _, record in ledger.units()]
    open_ = sum([record.state in LIVE for record in records])
    given = [record for record in records if record.output_ref is not None or record.output]
    used = sum(map(_size_in_status, given))
    stored = sum(record.output_ref.size for record in given if record.output_ref is not None)
    room = names.MAX_INLINE_OUTPUTS_BYTES - used
    if size <= _REF_BYTES:
        return True if size <= room else _no_room("references and small outputs")
    if size <= SMALL_BYTES and size + max(0, open_ - 1) * _REF_BYTES <= room:
        return True
    if room < _REF_BYTES:
        return _no_room("references to its outputs")
    length = len(data.encode(output))
    if length > names.MAX_LOG_OUTPUT_BYTES:
        return Problem(
            Reason.OUTPUT_TOO_LARGE,
            f"the output is {length:,} bytes as it is stored (numbers are written out), and "
            f"{names.MAX_LOG_OUTPUT_BYTES:,} is the most",
        )
    if stored + length > STORED_BYTES:
        return Problem(
            Reason.OUTPUT_TOO_LARGE,
            f"the run's outputs together are over {STORED_BYTES:,} bytes; "
            "give a reference instead of the data",
        )
    return False


def place_of(run: Run, definition: Definition, given: Given) -> Place:
    """Where the output of a try is stored."""
    return Place(
        workflow=definition.workflow_name,
        run_name=run.name,
        namespace=run.namespace,
        run_uid=run.uid,
        unit=given.unit.unit,
        number=given.number,
        use=data.Use.OUTPUT,
        job=given.job,
    )


def wanted(observed: Observed, definition: Definition) -> frozenset[str]:
    """The ConfigMaps with outputs that something still to come may read, not looked at yet."""
    status = observed.run.status
    if not _refers(status.steps):
        return frozenset()
    read = _read_by(definition, _to_come(observed.run, definition))
    return _unseen(status.steps, read, observed.held)


def wanted_by_outputs(
    definition: Definition, ledger: Ledger, held: Mapping[str, Held | None]
) -> frozenset[str]:
    """The same of what the Workflow's outputs read: it is asked for when the run is to end, for the
    last step to end is not on record as ended before that.
    """
    return _unseen(ledger.steps, _named(_of_outputs(definition)), held)


def _unseen(
    steps: tuple[StepStatus, ...], read: frozenset[str] | None, held: Mapping[str, Held | None]
) -> frozenset[str]:
    return frozenset(ref.name for ref in _refs(steps, read) if ref.name not in held)


def fill(status: RunStatus, held: Mapping[str, Held | None]) -> RunStatus:
    """The status with the outputs in it that are at hand and what they should be."""
    return _each(status, lambda record: _filled(record, held)) if held else status


def strip(status: RunStatus) -> RunStatus:
    """The status as it is written: an output that is referred to does not stand in it."""
    return _each(status, _stripped)


def lost(
    definition: Definition, unit: UnitDef, ledger: Ledger, held: Mapping[str, Held | None]
) -> Problem | None:
    """Whether the unit reads an output that is gone or altered. Problem: OutputLost."""
    own = ledger.find(unit.unit) if unit.unit.role is Role.DO else None
    if own is not None and own.output_ref is not None:
        return _gone(unit.unit.name, own.output_ref, held)
    return _lost(ledger, _read_by(definition, [unit]), held)


def lost_to_outputs(
    definition: Definition, ledger: Ledger, held: Mapping[str, Held | None]
) -> Problem | None:
    """The same of what the Workflow's outputs read."""
    return _lost(ledger, _named(_of_outputs(definition)), held)


def has_room(ledger: Ledger, outputs: Mapping[str, Json]) -> bool:
    """Whether the outputs of the run have room beside those of its steps."""
    used = sum(_size_in_status(record) for _, record in ledger.units())
    return used + stored_size(dict(outputs)) <= names.MAX_INLINE_OUTPUTS_BYTES


def _lost(
    ledger: Ledger, read: frozenset[str] | None, held: Mapping[str, Held | None]
) -> Problem | None:
    named = (ledger.step(id_) for id_ in sorted(read)) if read is not None else ledger.steps
    for step in filter(None, named):
        for record in _records(step):
            gone = _gone(step.id, record.output_ref, held) if record.output_ref else None
            if gone is not None:
                return gone
    return None


def _gone(name: str, ref: OutputRef, held: Mapping[str, Held | None]) -> Problem | None:
    found = held.get(ref.name)
    if found is not None and data.is_it(found, ref):
        return None
    what = "is gone" if found is None else "is not what was written"
    message = f"the output of step {name} {what}: ConfigMap {ref.name!r}"
    return Problem(Reason.OUTPUT_LOST, message)


def keep(
    observed: Observed, definition: Definition, ledger: Ledger, given: Given
) -> OutputRef | StoreData | Refusal | Problem | None:
    """How an output is kept: None in the status; else by the effect that stores it, and once that
    is done by a reference. Problems: OutputTooLarge, NameConflict.
    """
    inline = stands_inline(ledger, given.output)
    if isinstance(inline, Problem):
        return inline
    if inline:
        return None
    place = place_of(observed.run, definition, given)
    return _put(observed, place, data.encode(given.output))


def _put(
    observed: Observed, place: Place, content: bytes
) -> OutputRef | StoreData | Refusal | Problem:
    """By which effect data is stored; once that is done, where it is. Problem: NameConflict."""
    ref = data.reference(place, content)
    refusal = observed.refusals.get(ref.name)
    if refusal is not None:
        return refusal
    found = observed.held.get(ref.name)
    if found is None:
        return StoreData(ref.name, data.manifest(place, content))
    if not data.is_ours(found, place) or not data.is_it(found, ref):
        message = f"the ConfigMap {ref.name!r} is there, but it is not this run's"
        return Problem(Reason.NAME_CONFLICT, message)
    return ref


def keep_input(
    observed: Observed, definition: Definition, unit: UnitDef, value: Json
) -> str | StoreData | Problem | None:
    """Where the input of a unit is kept: None in a variable; else by the effect that stores it, and
    once that is done the ConfigMap's name. All tries share it: rendered again, it is the same.
    Problems: DataNotStored, NameConflict.
    """
    content = data.encode(value)
    if len(content) <= names.MAX_INPUT_BYTES:
        return None
    given = Given(unit, 0, "", {})
    place = replace(place_of(observed.run, definition, given), use=data.Use.INPUT)
    put = _put(observed, place, content)
    if isinstance(put, Refusal):
        return Problem(put.reason, put.message)
    return put.name if isinstance(put, OutputRef) else put


def _to_come(run: Run, definition: Definition) -> Iterator[UnitDef]:
    """The units that have not ended; undo and onFailure only where something has gone wrong, which
    is written down before they start.
    """
    ledger = of_status(run.status)
    for unit in definition.steps:
        step = ledger.step(unit.unit.step)
        if step is None or not step.state.terminal:
            yield unit
    handlers = list(definition.finals)
    if ledger.first_failure() is not None or run.spec.desired_state.cancels:
        handlers += [*definition.undos.values(), *filter(None, [definition.handler])]
    for unit in handlers:
        record = ledger.find(unit.unit)
        if record is None or not record.state.terminal:
            yield unit


def _read_by(definition: Definition, units: Iterable[UnitDef]) -> frozenset[str] | None:
    """The steps whose outputs these units read; None: any, since a name is computed."""
    found = frozenset[str]()
    for unit in units:
        if isinstance(unit.waits, ApprovalDef):
            return None  # who approves may have looked at anything
        of_steps = _named(_references(definition, unit))
        if of_steps is None:
            return None
        own = any(ref.root == "output" for ref in ex.references(unit.input))
        found |= of_steps | ({unit.unit.step} if own else frozenset())
    return found


def _named(references: Iterable[ex.Reference]) -> frozenset[str] | None:
    found = set[str]()
    for ref in references:
        if ref.root != "steps":
            continue
        if len(ref.parts) == 1:
            return None
        if len(ref.parts) == 2 or ref.parts[2] == "output":
            found.add(str(ref.parts[1]))
    return frozenset(found)


def _references(definition: Definition, unit: UnitDef) -> Iterator[ex.Reference]:
    """What a unit's templates name; an undo sees the input of what it undoes, rendered anew."""
    until = unit.waits.until if isinstance(unit.waits, WaitDef) else None
    for tree in (unit.input, unit.when, unit.items, until):
        yield from ex.references(tree) if tree is not None else ()
    done = definition.step(unit.unit.step) if unit.unit.role is Role.UNDO else None
    if done is not None:
        yield from _references(definition, done)


def _of_outputs(definition: Definition) -> frozenset[ex.Reference]:
    return ex.references(definition.outputs) if definition.outputs is not None else frozenset()


def _refs(steps: tuple[StepStatus, ...], read: frozenset[str] | None) -> Iterator[OutputRef]:
    """Where the outputs of these steps are stored; and those that are about to be taken over."""
    for step in steps:
        for record in _records(step):
            waits = record.taken_over is True and not record.state.terminal
            if record.output_ref is not None and (waits or read is None or step.id in read):
                yield record.output_ref


def _records(step: StepStatus) -> Iterator[UnitStatus]:
    """What can hold an output of a step: it, or each of its items."""
    yield step
    yield from step.items or ()


def _each(status: RunStatus, change: Callable[[Any], Any]) -> RunStatus:
    """The status with every record changed that refers to an output; the same where none was."""
    others = (status.on_failure, *(status.finally_ or ()))
    if not _refers(status.steps) and all(o is None or o.output_ref is None for o in others):
        return status
    steps = tuple(_changed(step, change) for step in status.steps)
    handler = change(status.on_failure) if status.on_failure is not None else None
    finals = tuple(map(change, status.finally_ or ())) or None
    same = handler is status.on_failure and all(map(is_, finals or (), status.finally_ or ()))
    if same and all(map(is_, steps, status.steps)):
        return status
    changes = {"steps": steps, "on_failure": handler, "finally_": finals}
    return status.model_copy(update=changes)


def _refers(steps: tuple[StepStatus, ...]) -> bool:
    """Whether the output of any of them is stored elsewhere; of most runs none is."""
    return any(
        step.output_ref is not None
        or (step.items is not None and any(item.output_ref is not None for item in step.items))
        for step in steps
    )


def _changed(step: StepStatus, change: Callable[[Any], Any]) -> StepStatus:
    new: StepStatus = change(step)
    items = tuple(map(change, step.items or ()))
    if all(map(is_, items, step.items or ())):
        return new
    return new.model_copy(update={"items": items})


def _filled(record: U, held: Mapping[str, Held | None]) -> U:
    ref = record.output_ref
    found = held.get(ref.name) if ref is not None else None
    if ref is None or found is None or not data.is_it(found, ref):
        return record
    return record.model_copy(update={"output": found.value})


def _stripped(record: U) -> U:
    if record.output_ref is None or record.output is None:
        return record
    return record.model_copy(update={"output": None})


@once
def _size_in_status(record: UnitStatus) -> int:
    if record.output_ref is not None:
        return _REF_BYTES
    return stored_size(record.output) if record.output else 0


def _no_room(what: str) -> Problem:
    most = names.MAX_INLINE_OUTPUTS_BYTES
    message = f"the status of the run has no room for more {what}: {most:,} bytes is the most"
    return Problem(Reason.OUTPUT_TOO_LARGE, message)
