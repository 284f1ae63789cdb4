"""Which promise is looked at when: a Job made, a program begun, a write, a plan, an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from simulation.cluster import Try
from simulation.composition import (
    every_item_has_one_record,
    finally_always_runs,
    finally_comes_last,
    max_parallel_is_kept,
    nothing_new_after_a_failure,
    the_limit_is_kept,
    the_skipped_never_run,
)
from simulation.invariants import (
    Scene,
    a_good_end_is_whole,
    an_end_leaves_nothing_running,
    attempts_are_limited,
    attempts_are_within_limits,
    data_comes_first,
    failure_is_the_programs_own,
    handler_after_a_failure,
    no_job_after_success,
    no_job_is_forgotten,
    no_verdict_on_the_living,
    not_before_its_time,
    not_started_is_proven,
    nothing_begins_after_its_verdict,
    nothing_ended_changes,
    nothing_is_uncounted,
    nothing_lives_on,
    nothing_starts_unasked,
    one_job_per_try,
    one_program_at_a_time,
    only_what_may_be_tried_again,
    steps_in_order,
    success_is_earned,
    terminal_is_silent,
    the_end_is_seen_live,
    the_end_is_the_end,
    the_revision_stays,
    tries_are_counted,
    unknown_only_if_idempotent,
    verdict_and_end_together,
    what_is_lost_is_gone,
)
from simulation.sagas import (
    everything_is_undone,
    only_what_was_done_is_undone,
    the_account_is_true,
    undone_in_order,
)
from simulation.server import Raw
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Observed

JOB_MADE: Final[tuple[Callable[[Scene, Try], str | None], ...]] = (
    one_job_per_try,
    tries_are_counted,
    data_comes_first,
    no_job_after_success,
    steps_in_order,
    handler_after_a_failure,
    nothing_new_after_a_failure,
    the_skipped_never_run,
    finally_comes_last,
    undone_in_order,
    only_what_was_done_is_undone,
    attempts_are_limited,
    unknown_only_if_idempotent,
    only_what_may_be_tried_again,
    not_before_its_time,
)
PROGRAM_BEGAN: Final[tuple[Callable[[Scene, Try], str | None], ...]] = (
    one_program_at_a_time,
    max_parallel_is_kept,
    the_limit_is_kept,
    nothing_begins_after_its_verdict,
)
STATUS_WRITTEN: Final[tuple[Callable[[Scene, Raw, Raw], str | None], ...]] = (
    nothing_ended_changes,
    nothing_is_uncounted,
    the_end_is_the_end,
    the_revision_stays,
    success_is_earned,
    failure_is_the_programs_own,
    not_started_is_proven,
    what_is_lost_is_gone,
    attempts_are_within_limits,
    no_verdict_on_the_living,
    verdict_and_end_together,
    a_good_end_is_whole,
    an_end_leaves_nothing_running,
    every_item_has_one_record,
)
PLANNED: Final[tuple[Callable[[Observed, Plan], str | None], ...]] = (
    terminal_is_silent,
    nothing_starts_unasked,
    the_end_is_seen_live,
)
AT_THE_END: Final[tuple[Callable[[Scene], str | None], ...]] = (
    no_job_is_forgotten,
    nothing_lives_on,
    everything_is_undone,
    the_account_is_true,
    finally_always_runs,
)
