"""The life of one key: observe, plan, carry out, write down, look again.

Decides nothing: the plan does. All of a run happens in one worker at a time; after a write from
which something may follow the next look follows at once, so that a run never waits for the echo of
its own status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from workflow_do.engine.admission import Standing, Wish
from workflow_do.engine.effects import CreateJob, Plan
from workflow_do.engine.facts import Observed, Run
from workflow_do.engine.plan import plan
from workflow_do.engine.problem import Problem
from workflow_do.engine.report import unreadable
from workflow_do.engine.transitions import Note, ended, stopped, transitions
from workflow_do.runtime import clock, logs
from workflow_do.runtime.api import Refused, Unavailable
from workflow_do.runtime.events import Recorder
from workflow_do.runtime.execute import Executor, RunGone, Stale
from workflow_do.runtime.metrics import Metrics, unread
from workflow_do.runtime.observe import Observer, with_what_was_asked
from workflow_do.runtime.status import StatusWriter, Written
from workflow_do.runtime.store import RunKey
from workflow_do.runtime.turns import Turns

_GONE_AGAIN: Final = timedelta(seconds=10)
"""After a run whose namespace seems to be gone: the time to the next look."""
_log = logs.get("reconcile")
Waits = frozenset[str] | None
"""The Jobs of a run at rest that stand in line; None: it is not at rest."""


def _unlimited(_run: Run, _wish: Wish) -> Standing:
    """There is a place for every run."""
    return Standing(granted=True)


def _unheard(_key: RunKey) -> None:
    """Nobody watches the worker."""


class TooManyTurns(Exception):
    """A plan that never comes to an end; the queue backs off and tries again."""


class Reconciler:
    """Brings runs forward. `look_at` is called with a key and when to look at it again, `ask` with
    a run that needs a place among those of its Workflow, `alive` at the beginning of each round: a
    run of hundreds of short steps can keep its worker for minutes.
    """

    def __init__(
        self,
        observer: Observer,
        executor: Executor,
        writer: StatusWriter,
        recorder: Recorder,
        look_at: Callable[[RunKey, datetime], None],
        now: Callable[[], datetime] = clock.now,
        metrics: Metrics | None = None,
        ask: Callable[[Run, Wish], Standing] = _unlimited,
        turns: Turns | None = None,
        alive: Callable[[RunKey], None] = _unheard,
    ) -> None:
        self._observer = observer
        self._executor = executor
        self._writer = writer
        self._recorder = recorder
        self._look_at = look_at
        self._now = now
        self._metrics = metrics or unread()
        self._ask = ask
        self._turns = turns
        self._alive = alive

    async def reconcile(self, key: RunKey) -> None:
        """Go on with a run until it waits for something."""
        waits: Waits = None
        try:
            again = True
            while again:
                self._alive(key)
                waits = None  # whatever befalls this round, the run is not at rest
                again, waits = await self._once(key)
        except RunGone:
            # Or somebody in between says 404: a run that is there must not be forgotten.
            self._observer.doubt(key)
            self._look_at(key, self._now() + _GONE_AGAIN)
        finally:
            self._metrics.left(key)
            if self._turns is not None:
                self._turns.left(key, waits)

    async def _once(self, key: RunKey) -> tuple[bool, Waits]:
        """One round; whether another may find more to do at once, and what waits at rest."""
        self._metrics.taken(key)
        seen = await self._observer.observe(key)
        if not isinstance(seen, Observed):
            return seen is not None and await self._refuse(key, seen), None
        if self._turns is not None:
            seen = replace(seen, crowd=self._turns.enter(key))
        try:
            seen, decided = await self._settle(key, seen)
        except Stale:
            self._observer.doubt(key)
            return True, None
        written = await self._writer.write(key, seen.run, decided.status)
        if written in (Written.DONE, Written.SAME):
            self._observer.settle(seen.run, partial=decided.partial)
        if written is Written.DONE:
            self._recorder.tell(key, transitions(seen.run.status, decided.status))
            self._metrics.progressed(*ended(seen.run.status, decided.status))
        rests = written is Written.SAME or (written is Written.DONE and decided.stands)
        if rests and decided.look_at is not None:
            self._look_at(key, decided.look_at)
        return not rests and written is not Written.GONE, decided.waits

    async def _refuse(self, key: RunKey, problem: Problem) -> bool:
        """A run that cannot be read: its status says so, if it can, and an Event in any case.

        What the API server does not take is not tried again before the run changes. Whether
        another round may find more to do at once.
        """
        try:
            written = await self._writer.conclude(key, unreadable(problem, self._now()))
        except Refused as error:
            if not error.invalid:
                raise
            _log.warning("its status is refused, too", run=str(key), error=error.message)
        else:
            if written is Written.STALE:
                return True
            if written is Written.GONE:
                return False
        self._recorder.tell(key, (Note("Warning", problem.reason, problem.message),))
        _log.warning("the run cannot be read", run=str(key), problem=problem.message)
        return False

    async def _carry_out(self, key: RunKey, decided: Plan, seen: Observed) -> Observed:
        """What came of the effects. Without an answer, what is known already is written down:
        a Pod that told of a success may be gone when the answer comes.
        """
        try:
            seen = await self._executor.execute(key, decided.effects, seen)
        except Unavailable:
            await self._writer.write(key, seen.run, decided.status)
            raise
        self._recorder.tell(key, stopped(decided.effects))
        return seen

    async def _settle(self, key: RunKey, seen: Observed) -> tuple[Observed, Plan]:
        """Plan, and do what it asks for, until a plan asks for nothing but to be written down."""
        units = sum(1 + len(step.items or ()) for step in seen.run.status.steps)
        for _ in range(2 * units + 30):
            decided = plan(seen, self._now())
            more = await self._learn(key, seen, decided)
            if more is None and decided.effects:
                more = await self._carry_out(key, decided, seen)
            if more is None:
                return seen, decided
            seen = more
        raise TooManyTurns(f"{key}: the plan does not come to an end")

    async def _learn(self, key: RunKey, seen: Observed, decided: Plan) -> Observed | None:
        """The look with what the plan has to know besides; None where it knows enough."""
        if decided.needs_live and not seen.live:
            again = await self._observer.observe(key, live=True)
            if not isinstance(again, Observed):
                raise Stale(str(key))  # gone, or not to be read any more: the next look tells
            return with_what_was_asked(again, seen)
        if decided.asks is not None:
            return replace(seen, standing=self._ask(seen.run, decided.asks))
        if decided.needs_guard and seen.guard is None:
            return await self._observer.with_guard(seen)
        if decided.needs_past - seen.past.keys():
            return await self._observer.with_past(seen, decided.needs_past)
        return await self._read(seen, decided) or self._with_turns(key, seen, decided)

    def _with_turns(self, key: RunKey, seen: Observed, decided: Plan) -> Observed | None:
        """The look with those Jobs for which there is no place yet; None where all may be made."""
        if self._turns is None or seen.crowd is None:
            return None
        asked = [e.name for e in decided.effects if isinstance(e, CreateJob) and e.waits]
        refused = self._turns.ask(key, asked)
        return replace(seen, crowd=seen.crowd.joined_by(refused)) if refused else None

    async def _read(self, seen: Observed, decided: Plan) -> Observed | None:
        """The same, of Events, logs and ConfigMaps."""
        unheard = decided.needs_events - seen.job_events.keys()
        unread = {p: u for p, u in decided.needs_logs.items() if u not in seen.logs}
        absent = decided.needs_held - seen.held.keys()
        unknown = decided.needs_results - {
            c.name for uid, c in seen.children.items() if uid in seen.results
        }
        ungiven = {p: u for p, u in decided.needs_outputs.items() if u not in seen.log_outputs}
        if unheard:
            return await self._observer.with_events(seen, unheard)
        if unread:
            return await self._observer.with_logs(seen, unread)
        if absent:
            return await self._observer.with_held(seen, absent)
        if unknown:
            return await self._observer.with_results(seen, unknown)
        if decided.needs_remains - seen.remains.keys():
            return await self._observer.with_remains(seen, decided.needs_remains)
        return await self._observer.with_outputs(seen, ungiven) if ungiven else None
