"""Which outputs stand in the status, which in a ConfigMap, and how the latter are read again.

    small, and there is room .. in the status
    else ...................... in a ConfigMap, made before the status that refers to it
    no room for a reference ... OutputTooLarge

While the engine works on a run, the outputs that something still to come may read are filled into
their records; `strip` takes them out again before anything is written. An output that is lost or
altered is never replaced by null: what reads it ends as OutputLost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Final, TypeVar

from workflow_do.api import names
from workflow_do.api.base import Json
from workflow_do.api.reasons import Reason
from workflow_do.api.run import OutputRef, RunStatus, UnitStatus
from workflow_do.engine import expressions as ex
from workflow_do.engine import held as data
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import StoreData
from workflow_do.engine.facts import Observed, Refusal, Run
from workflow_do.engine.held import Held, Place
from workflow_do.engine.identity import Role
from workflow_do.engine.ledger import Ledger, of_status, record_of, units_of
from workflow_do.engine.problem import Problem
from workflow_do.engine.sizes import stored_size

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
    used, open_, stored = 0, 0, 0
    for _, record in ledger.units():
        used += _size_in_status(record)
        open_ += not record.state.terminal
        stored += record.output_ref.size if record.output_ref is not None else 0
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
    if all(step.output_ref is None for step in status.steps):
        return frozenset()
    refs = _refs(status, _read_by(definition, _to_come(observed.run, definition)))
    return frozenset(ref.name for ref in refs if ref.name not in observed.held)


def fill(status: RunStatus, held: Mapping[str, Held | None]) -> RunStatus:
    """The status with the outputs in it that are at hand and what they should be."""
    return _each(status, lambda record: _filled(record, held))


def strip(status: RunStatus) -> RunStatus:
    """The status as it is written: an output that is referred to does not stand in it."""
    return _each(status, _stripped)


def lost(
    definition: Definition, unit: UnitDef, ledger: Ledger, held: Mapping[str, Held | None]
) -> Problem | None:
    """Whether the unit reads an output that is gone or altered. Problem: OutputLost."""
    read = _read_by(definition, [unit])
    for step in ledger.steps:
        ref = step.output_ref
        own = unit.unit.role is Role.DO and unit.unit.step == step.id
        if ref is None or not (own or read is None or step.id in read):
            continue
        found = held.get(ref.name)
        if found is None or not data.is_it(found, ref):
            what = "is gone" if found is None else "is not what was written"
            message = f"the output of step {step.id} {what}: ConfigMap {ref.name!r}"
            return Problem(Reason.OUTPUT_LOST, message)
    return None


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
    content = data.encode(given.output)
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


def _to_come(run: Run, definition: Definition) -> Iterator[UnitDef]:
    """The units that have not ended; undo and handler only where something has gone wrong, which is
    written down before they start.
    """
    ledger = of_status(run.status)
    trouble = ledger.first_failure() is not None or run.spec.desired_state.cancels
    for unit in units_of(definition):
        record = record_of(ledger, unit.unit)
        ended = record is not None and record.state.terminal
        if not ended and (trouble or unit.unit.role is Role.DO):
            yield unit


def _read_by(definition: Definition, units: Iterable[UnitDef]) -> frozenset[str] | None:
    """The steps whose outputs these units read; None: any, since a name is computed."""
    found = set[str]()
    for unit in units:
        for ref in _references(definition, unit):
            if ref.root == "output":
                found.add(unit.unit.step)
            if ref.root != "steps":
                continue
            if len(ref.parts) == 1:
                return None
            if len(ref.parts) == 2 or ref.parts[2] == "output":
                found.add(str(ref.parts[1]))
    return frozenset(found)


def _references(definition: Definition, unit: UnitDef) -> Iterator[ex.Reference]:
    """What a unit's templates name; an undo sees the input of what it undoes, rendered anew."""
    yield from ex.references(unit.input)
    if unit.unit.role is Role.UNDO:
        done = next(u for u in definition.steps if u.unit.step == unit.unit.step)
        yield from ex.references(done.input)


def _refs(status: RunStatus, read: frozenset[str] | None) -> Iterator[OutputRef]:
    """Where the outputs of these steps are stored; and those that are about to be taken over."""
    for step in status.steps:
        waits = step.taken_over is True and not step.state.terminal
        if step.output_ref is not None and (waits or read is None or step.id in read):
            yield step.output_ref


def _each(status: RunStatus, change: Callable[[Any], Any]) -> RunStatus:
    """The status with every record changed that can hold an output; the same where none was."""
    steps = tuple(map(change, status.steps))
    handler = change(status.on_failure) if status.on_failure is not None else None
    if handler is status.on_failure and all(map(is_, steps, status.steps)):
        return status
    return status.model_copy(update={"steps": steps, "on_failure": handler})


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


def _size_in_status(record: UnitStatus) -> int:
    if record.output_ref is not None:
        return _REF_BYTES
    return stored_size(record.output) if record.output else 0


def _no_room(what: str) -> Problem:
    most = names.MAX_INLINE_OUTPUTS_BYTES
    message = f"the status of the run has no room for more {what}: {most:,} bytes is the most"
    return Problem(Reason.OUTPUT_TOO_LARGE, message)
