"""Which runs of a group may go on: the places that a Workflow's `concurrency` gives.

A group is a Workflow and a key. Its holders are written into one object, under its
resourceVersion, before any of them starts a step; so of two operators that decide at once one is
refused, and decides again by what the other wrote. Decides who gets a place, who waits, who is
refused and who has to go; knows no object and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow_do.api.concurrency import ConcurrencyPolicy


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run asks for before its first step: a place among `max` under that key."""

    key: str
    policy: ConcurrencyPolicy
    max: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: granted, refused for good, stuck (they wait for it, too), or (none of
    these) waiting for these runs.
    """

    granted: bool = False
    refused: bool = False
    stuck: bool = False
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that has a place."""

    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that waits for a place; a smaller `order` (creation time, name) was there first.
    `ancestors`: the uids of the runs that wait for it, as it is a child run of theirs.
    """

    holder: Holder
    wish: Wish
    order: tuple[str, str]
    ancestors: frozenset[str] = frozenset()

    def holds_up(self, others: Iterable[Holder]) -> bool:
        """Whether one of the others waits for it."""
        return any(other.uid in self.ancestors for other in others)

    def is_doomed(self, holders: Sequence[Holder]) -> bool:
        """Whether those that wait for it have all places that there are for it."""
        if self.wish.policy is ConcurrencyPolicy.FORBID or self.holder in holders:
            return False
        return sum(holder.uid in self.ancestors for holder in holders) >= self.wish.max


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has a place afterwards, and what becomes of the others; `replaced` must be cancelled,
    `stuck` would wait for ever.
    """

    holders: tuple[Holder, ...]
    granted: tuple[Holder, ...] = ()
    refused: tuple[Holder, ...] = ()
    replaced: tuple[Holder, ...] = ()
    stuck: tuple[Holder, ...] = ()


def decide(holders: Iterable[Holder], candidates: Sequence[Candidate]) -> Verdict:
    """Who of the candidates gets a place beside these holders, all of which go on."""
    kept = list(holders)
    doomed = [c for c in candidates if c.is_doomed(kept)]
    line = [c for c in candidates if c not in doomed]
    newest = _newest_replacement(line)
    granted, refused, replaced = list[Holder](), list[Holder](), list[Holder]()
    waiting = list[Candidate]()
    for candidate in sorted(line, key=lambda c: c.order):
        own = candidate.holder
        if own in kept:
            granted.append(own)
        elif candidate.wish.policy is ConcurrencyPolicy.REPLACE and candidate is not newest:
            replaced.append(own)
        elif len(kept) < candidate.wish.max:
            kept.append(own)
            granted.append(own)
        elif candidate.wish.policy is ConcurrencyPolicy.FORBID:
            refused.append(own)
        elif candidate.wish.policy is ConcurrencyPolicy.REPLACE and (
            gone := _oldest(candidate, kept)
        ):
            replaced += gone
        else:
            waiting.append(candidate)
    stuck = [c.holder for c in doomed]
    stuck += () if stuck or granted or replaced else _stuck(kept, waiting)
    return Verdict(tuple(kept), tuple(granted), tuple(refused), tuple(replaced), tuple(stuck))


def _oldest(newer: Candidate, holders: Sequence[Holder]) -> Sequence[Holder]:
    """Those that have to go for it: none of those that wait for it, and enough, or none."""
    number = len(holders) - newer.wish.max + 1
    others = [holder for holder in holders if holder.uid not in newer.ancestors]
    return others[:number] if len(others) >= number else ()


def _stuck(holders: Sequence[Holder], waiting: Sequence[Candidate]) -> tuple[Holder, ...]:
    """Where every holder waits for one that waits for a place, the youngest of those; the others
    may find room when its family has ended.
    """
    awaited = frozenset[str]().union(*(c.ancestors for c in waiting))
    if not holders or any(holder.uid not in awaited for holder in holders):
        return ()
    return (next(c for c in reversed(waiting) if c.holds_up(holders)).holder,)


def describe(wish: Wish, standing: Standing) -> str:
    """What a run that waits says of it."""
    which = f" with the key {wish.key!r}" if wish.key else ""
    many = "1 run goes" if wish.max == 1 else f"{wish.max} runs go"
    behind = ", ".join(standing.behind[:5])
    more = f" and {len(standing.behind) - 5} more" if len(standing.behind) > 5 else ""
    now = f"; now: {behind}{more}" if behind else ""
    return f"at most {many} on at once{which}{now}"


def _newest_replacement(candidates: Sequence[Candidate]) -> Candidate | None:
    rows = [c for c in candidates if c.wish.policy is ConcurrencyPolicy.REPLACE]
    return max(rows, key=lambda c: c.order, default=None)
