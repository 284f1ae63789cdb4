"""What is in store for a try, and what truly became of it: plain data of the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulation.server import Raw


@dataclass
class Fate:
    """What is in store for a try. Fields are what goes wrong; the default is a good end."""

    blocked: str = ""
    unschedulable: bool = False
    refused: bool = False
    hindrance: str = ""
    start_error: bool = False
    hangs: bool = False
    exit_code: int = 0
    oom: bool = False
    output: str = "{}"
    traps_term: bool = False
    vague: bool = False
    by_log: bool = False


@dataclass
class Try:
    """One Job and what truly became of it; `run` is the uid of the run that it is of, `seq` the
    number of the start as the Job carries it.
    """

    job: str
    uid: str
    run: str
    role: str
    step: str
    number: int
    seq: int
    needs_n: bool
    fate: Fate
    pods: int = 0
    began: bool = False
    running: bool = False
    ended_well: bool = False
    failed_itself: bool = False
    exit_code: int | None = None
    output: Any = None
    author: object = None
    stray: bool = False

    @property
    def unit(self) -> tuple[str, str]:
        """Role, and step or item: `s1`, `s1[0]`."""
        return self.role, self.step


@dataclass
class Machine:
    """A Pod as its node knows it."""

    pod: str
    of: Try
    state: str = "new"
    started: datetime | None = None
    deadline: int = 3600
    dying: datetime | None = None
    killed: str = ""
    silent: bool = False
    evicted: bool = False
    begun: datetime | None = None
    finished: datetime | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    reported: str = ""
    phase: str = ""
    shown: Raw = field(default_factory=dict)
