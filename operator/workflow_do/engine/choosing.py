"""What starts next in a run, and whether anything is left to start.

    steps .......... every one whose `needs` have ended; of a forEach so many items as may run
    then undo ...... after a failure, or a cancel that asks for it: one after the other
    then onFailure . once, when a step has failed for good and nobody cancelled the run
    then finally ... one after the other, whatever happened

Looks at the records only, in the order of the list, which is an order of the graph: one pass sees
what a step that is skipped or taken over sets free. A round either changes records (skipped, list
known, taken over, given up), which are written down before anything follows from them, or starts
Jobs; never both. That a step starts a child run is a record, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from workflow_do.api.base import Json
from workflow_do.api.run import StepState, StepStatus, UnitStatus
from workflow_do.api.unit import LIVE, WAITING
from workflow_do.engine import budget, fanout, inputs, limits, saga, starting, stored
from workflow_do.engine.closing import give_up
from workflow_do.engine.definition import Definition, UnitDef
from workflow_do.engine.effects import Effect, MarkStarted
from workflow_do.engine.facts import Observed, Run
from workflow_do.engine.ledger import Ledger
from workflow_do.engine.problem import Problem
from workflow_do.engine.timestamps import earliest, stamp

_MOST_AT_ONCE: Final = 50
"""So many Jobs are asked for by one plan at most; the next plan goes on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to start, or the records that changed instead; `over`: nothing is left to start;
    `waits`: Jobs that would start if it were their turn.
    """

    ledger: Ledger
    effects: tuple[Effect, ...] = ()
    look_at: datetime | None = None
    over: bool = False
    needs_guard: bool = False
    waits: frozenset[str] = frozenset()


def choose(
    observed: Observed, definition: Definition, ledger: Ledger, live: bool, now: datetime
) -> Choice:
    """What starts next; `live`: something of the run is going on."""
    run = observed.run
    held = limits.paused(run) or run.deleting
    if _steps_go_on(run, ledger):
        if held:
            return Choice(ledger)
        return _Round(observed, definition, ledger, live, now).steps()
    if live:
        return Choice(ledger)
    unit = _handler(run, definition, ledger)
    if unit is None:
        return Choice(ledger, over=True)
    return Choice(ledger) if held else _Round(observed, definition, ledger, live, now).handler(unit)


def _steps_go_on(run: Run, ledger: Ledger) -> bool:
    if limits.cancelled(run) or ledger.first_failure() is not None:
        return False
    return ledger.next_step() is not None


def _handler(run: Run, definition: Definition, ledger: Ledger) -> UnitDef | None:
    """The undo or handler that is next; None at the end."""
    undo = saga.next_undo(run, definition, ledger)
    if undo is not None:
        return undo
    if limits.cancelled(run):
        return _final(definition, ledger)
    return on_failure(definition, ledger) or _final(definition, ledger)


def on_failure(definition: Definition, ledger: Ledger) -> UnitDef | None:
    """The handler, where a step has failed and it has not ended yet."""
    told = ledger.handler is not None and ledger.handler.state.terminal
    return None if told or ledger.first_failure() is None else definition.handler


def _final(definition: Definition, ledger: Ledger) -> UnitDef | None:
    """The first of `finally` that has not ended."""
    ended = {f.id for f in ledger.finals if f.state.terminal}
    return next((f for f in definition.finals if f.unit.step not in ended), None)


class _Round:
    """One pass over what may start. `now` stands still during it."""

    def __init__(
        self,
        observed: Observed,
        definition: Definition,
        ledger: Ledger,
        live: bool,
        now: datetime,
    ) -> None:
        self._observed = observed
        self._run = observed.run
        self._definition = definition
        self._before = self._ledger = ledger
        self._live = live
        self._now = now
        self._effects: list[Effect] = []
        self._waits: list[str] = []
        self._look_at: datetime | None = None
        self._room: int | None = None
        self._needs_guard = False
        self._seq = ledger.next_seq()

    def steps(self) -> Choice:
        """Every step that waits for nothing any more; the pass ends at the first that fails."""
        over, needs = 0, self._definition.graph.needs
        for at, unit in enumerate(self._definition.steps):
            record = self._ledger.steps[at]
            if record.state is StepState.RUNNING and unit.items is None:
                continue
            if record.state in LIVE and not needs[at] & ~over:
                self._step(unit, record)
                if self._ledger is not self._before and self._ledger.first_failure() is not None:
                    break
                record = self._ledger.steps[at]
            if record.state not in LIVE:
                over |= 1 << at
        return self._choice()

    def handler(self, unit: UnitDef) -> Choice:
        """A handler: its next try, or why there is none."""
        self._begin(unit, self._ledger.find(unit.unit), self._scope(unit), None)
        return self._choice()

    def _choice(self) -> Choice:
        if self._ledger is not self._before:
            return Choice(self._ledger)
        if self._needs_guard:
            return Choice(self._ledger, needs_guard=True)
        if MarkStarted() in self._effects:
            return Choice(self._ledger, (MarkStarted(),))
        waits = frozenset(self._waits)
        return Choice(self._ledger, tuple(self._effects), self._look_at, waits=waits)

    @property
    def _begun(self) -> int:
        """How many Jobs this round has come to, those that wait included."""
        return len(self._effects) + len(self._waits)

    def _step(self, unit: UnitDef, record: StepStatus) -> None:
        if self._begun >= _MOST_AT_ONCE or self._waits_for_room(record):
            return
        scope = self._scope(unit)
        if record.state is StepState.PENDING:
            if not self._may_begin(unit, record, scope):
                return
            if unit.items is not None:
                self._open_items(unit, record, scope)
                return
        if unit.items is not None:
            self._items(unit, record, scope)
        else:
            self._begin(unit, record, scope, record.start_time)

    def _waits_for_room(self, record: StepStatus) -> bool:
        """Whether it is known already that the step cannot begin before others have ended: hundreds
        would be rendered for nothing.
        """
        full = self._room is not None and self._room < budget.RECORD_BYTES
        return full and record.state is StepState.PENDING and bool(self._live or self._effects)

    def _may_begin(self, unit: UnitDef, record: StepStatus, scope: Mapping[str, Json]) -> bool:
        """Whether it is not too late, and `when` says so; if not, the step ends here."""
        late = limits.too_late(self._run, self._definition, unit, None, self._now)
        if late is not None:
            self._give_up(unit, record, Problem(late.reason, late.message))
            return False
        wanted = inputs.decide(unit, scope)
        if isinstance(wanted, Problem):
            self._give_up(unit, record, wanted)
            return False
        if not wanted:
            self._ledger = self._ledger.update(unit, **_skipped(self._now))
        return wanted

    def _open_items(self, unit: UnitDef, record: StepStatus, scope: Mapping[str, Json]) -> None:
        """The list of a forEach is known from here on: a record for each of its items."""
        items = inputs.list_items(unit, scope)
        if isinstance(items, Problem):
            self._give_up(unit, record, items)
            return
        votes = budget.votes_of(unit.waits)
        need = budget.items_need(record, len(items), self._definition.undos, votes)
        if not self._reserve(unit, need):
            return
        opened = fanout.opened(record, len(items), self._now, votes or None)
        self._ledger = self._ledger.put(opened)

    def _items(self, unit: UnitDef, record: StepStatus, scope: Mapping[str, Json]) -> None:
        records = record.items or ()
        free = unit.max_parallel - sum(1 for i in records if i.state is StepState.RUNNING)
        waiting = [at for at, item in enumerate(records) if item.state in WAITING]
        if free <= 0 or not waiting:
            return
        items = inputs.list_items(unit, scope)
        values, before = items if isinstance(items, list) else [], self._seq
        for at in waiting:
            if free <= 0 or max(self._begun, self._seq - before) >= _MOST_AT_ONCE:
                return
            one = unit.of_item(at)
            if at >= len(values):  # never seen; a list that changes has no safe meaning
                self._give_up(one, records[at], fanout.CHANGED)
                return
            begun, seq = self._begun, self._seq
            within = {**scope, "item": values[at], "index": at}
            self._begin(one, records[at], within, record.start_time)
            by_record = one.waits is not None or one.child is not None
            free -= self._seq - seq if by_record else self._begun - begun
            if self._ledger.first_failure() is not None:
                return

    def _begin(
        self,
        unit: UnitDef,
        record: UnitStatus | None,
        scope: Mapping[str, Json],
        since: str | None,
    ) -> None:
        """The next try of a unit whose step began at `since`, when it is due and may be."""
        late = limits.too_late(self._run, self._definition, unit, since, self._now)
        if late is not None:
            self._give_up(unit, record, Problem(late.reason, late.message))
            return
        gone = stored.lost(self._definition, unit, self._ledger, self._observed.held)
        if gone is not None:
            self._give_up(unit, record, gone)
            return
        wanted = starting.Wanted(
            unit, record, self._seq, starting.epoch_of(self._ledger, unit), scope
        )
        started = starting.start(self._observed, self._definition, self._ledger, wanted, self._now)
        if isinstance(started, Problem):
            self._give_up(unit, record, started)
        elif isinstance(started, datetime | starting.InLine):
            limit = limits.limit_of(self._run, self._definition, unit, since)
            due = started if isinstance(started, datetime) else None
            self._look_at = earliest(self._look_at, due, limit)
            self._waits += [started.name] if isinstance(started, starting.InLine) else []
        elif isinstance(started, starting.AskGuard):
            self._needs_guard = True
        elif isinstance(started, dict):
            if not self._reserve(unit, self._need(unit, record, started)):
                return
            self._ledger = self._ledger.update(unit, **started)
            self._seq += 1
        elif self._reserve(unit, budget.need_of(unit.unit, record, self._definition.undos)):
            self._effects.append(started)
            self._seq += 1

    def _need(self, unit: UnitDef, record: UnitStatus | None, started: Mapping[str, Any]) -> int:
        """What must be there before a unit without a Job begins; what is taken over has it."""
        if unit.waits is not None:  # the votes of items have their room since the list
            return budget.votes_need(unit.waits) if unit.unit.item is None else 0
        if started["state"] is not StepState.RUNNING:
            return 0
        return budget.need_of(unit.unit, record, self._definition.undos)

    def _reserve(self, unit: UnitDef, size: int) -> bool:
        """Whether there is room for the record; without it the unit waits for others, or ends."""
        if size == 0:
            return True
        if self._room is None:
            self._room = budget.room(self._ledger, self._definition.undos)
        if size <= self._room:
            self._room -= size
            return True
        if not (self._live or self._effects):
            record = self._ledger.step(unit.unit.step)
            self._give_up(unit, record, budget.too_large(size, self._room))
        return False

    def _give_up(self, unit: UnitDef, record: UnitStatus | None, why: Problem) -> None:
        """The unit ends without another try."""
        why = saga.explain(self._ledger, unit, why)
        prior = record.prior_state if record is not None else None
        changes = give_up(prior, why.reason, why.message, self._now)
        self._ledger = self._ledger.update(unit, **changes)

    def _scope(self, unit: UnitDef) -> dict[str, Json]:
        return inputs.scope(self._definition, unit, self._run, self._ledger)


def _skipped(now: datetime) -> dict[str, Any]:
    kept_none = dict.fromkeys(("output", "taken_over", "items"))
    return {"state": StepState.SKIPPED, "completion_time": stamp(now), **kept_none}
