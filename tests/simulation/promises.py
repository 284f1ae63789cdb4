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
from simulation.finish import no_job_is_forgotten, nothing_is_left_going, nothing_lives_on
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
    no_verdict_on_the_living,
    not_before_its_time,
    not_started_is_proven,
    nothing_begins_after_its_verdict,
    nothing_ended_changes,
    nothing_is_uncounted,
    one_job_per_try,
    one_program_at_a_time,
    only_what_may_be_tried_again,
    steps_in_order,
    success_is_earned,
    the_end_is_the_end,
    the_revision_stays,
    tries_are_counted,
    unknown_only_if_idempotent,
    verdict_and_end_together,
    what_is_lost_is_gone,
)
from simulation.places import (
    a_place_comes_first,
    few_have_a_place,
    few_run_at_once,
    only_the_older_are_replaced,
    the_refused_do_nothing,
)
from simulation.plans import (
    a_cancel_ends_waits,
    no_wait_begins_unasked,
    nothing_starts_unasked,
    terminal_is_silent,
    the_end_is_seen_live,
    what_stands_is_not_decided_anew,
)
from simulation.sagas import (
    everything_is_undone,
    only_what_was_done_is_undone,
    the_account_is_true,
    undone_in_order,
)
from simulation.server import Raw
from simulation.waits import (
    a_wait_begins_in_its_turn,
    a_wait_is_begun_once,
    approvals_are_earned,
    everybody_counts_once,
    rejections_are_real,
    silence_is_real,
    waits_last_their_time,
)
from workflow_do.engine.effects import Plan
from workflow_do.engine.facts import Observed

JOB_MADE: Final[tuple[Callable[[Scene, Try], str | None], ...]] = (
    one_job_per_try,
    tries_are_counted,
    data_comes_first,
    a_place_comes_first,
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
    few_run_at_once,
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
    a_wait_is_begun_once,
    a_wait_begins_in_its_turn,
    waits_last_their_time,
    approvals_are_earned,
    rejections_are_real,
    silence_is_real,
    everybody_counts_once,
    few_have_a_place,
)
PLANNED: Final[tuple[Callable[[Observed, Plan], str | None], ...]] = (
    terminal_is_silent,
    nothing_starts_unasked,
    no_wait_begins_unasked,
    a_cancel_ends_waits,
    the_end_is_seen_live,
)
DECIDED_AGAIN: Final[tuple[Callable[[Plan, Plan], str | None], ...]] = (
    what_stands_is_not_decided_anew,
)
AT_THE_END: Final[tuple[Callable[[Scene], str | None], ...]] = (
    no_job_is_forgotten,
    nothing_lives_on,
    nothing_is_left_going,
    everything_is_undone,
    the_account_is_true,
    finally_always_runs,
    the_refused_do_nothing,
    only_the_older_are_replaced,
)
