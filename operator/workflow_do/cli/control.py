"""`pause`, `resume`, `cancel` and `retry`: ask something of a run, and say what happens now.

Decides the one line that is said. What fits the state of a run is the SDK's to decide.
"""

from __future__ import annotations

from workflow_do.api.run import DesiredState
from workflow_do.cli import exits, look, show
from workflow_do.cli.options import Cluster
from workflow_do.cli.start import Follow, follow_started
from workflow_do.sdk.control import ask, retry_run
from workflow_do.sdk.run import Run, Unit

_LIVE = ("Running",)
_MAX_NAMED = 5


def control(cluster: Cluster, name: str, wanted: DesiredState) -> None:
    """Ask a run to pause, to go on, or to end, and say what that means for it now."""
    run, news = ask(cluster.client, cluster.namespace, name, wanted)
    show.console().print(answer_line(run, wanted, news), soft_wrap=True)
    where = f"{run.name} -n {run.namespace}"
    if wanted is DesiredState.PAUSED:
        exits.tell(f"go on with: kubectl workflow resume {where}")
    elif not run.completed:
        exits.tell(f"follow it with: kubectl workflow watch {where}")


def retry(
    cluster: Cluster, name: str, follow: Follow, *, new_name: str | None, revision: str | None
) -> None:
    """Start a new run that retries another, then follow it as `run` does."""
    original, run = retry_run(
        cluster.client, cluster.namespace, name, new_name=new_name, revision=revision
    )
    exits.tell(look.clean(taken_over_line(original, another_revision=revision is not None)))
    follow_started(cluster, run, follow)


def taken_over_line(original: Run, *, another_revision: bool = False) -> str:
    """What a retry takes over of a run, and what it runs."""
    done = [unit for unit in original.steps.values() if unit.state == "Succeeded"]
    rest = [unit for unit in original.steps.values() if unit.state != "Succeeded"]
    if not done:
        return f"retry of {original.name}: no step had succeeded, so every step runs"
    what = f"{_names(done)} taken over"
    if another_revision:
        what += " where the Action and the input are the same in that revision"
    return f"retry of {original.name}: {what}; {_names(rest) or 'nothing'} to run"


def answer_line(run: Run, wanted: DesiredState, news: bool) -> str:
    """What was asked of a run, and what happens now; `news`: it was not so already."""
    live = [unit for unit in run.units if unit.state in _LIVE]
    if wanted is DesiredState.PAUSED:
        state, now = "paused", _paused(live)
    elif wanted is DesiredState.RUNNING:
        state, now = "resumed" if news else "not paused", _resumed(run, live)
    elif wanted is DesiredState.CANCELLED:
        state, now = "cancelled", _cancelled(run, live)
    else:
        state, now = "cancelled", _undone(run, live)
    already = " already" if not news and wanted is not DesiredState.RUNNING else ""
    return look.clean(f"run {run.name} {state}{already}: {now}")


def _paused(live: list[Unit]) -> str:
    if not live:
        return "nothing starts until it is resumed"
    return f"{_names(live)} goes on to its end, nothing new starts"


def _resumed(run: Run, live: list[Unit]) -> str:
    ahead = [unit for unit in run.units if unit.state in ("Pending", "Retrying")]
    if live:
        return f"{_names(live)} runs, and what follows will start"
    return f"it goes on with {ahead[0].id}" if ahead else "it goes on"


def _cancelled(run: Run, live: list[Unit]) -> str:
    if run.completed:
        return "it has ended"
    if not live:
        return "nothing of it runs, so it ends now; no handler runs"
    if run.on_failure in live:
        return f"{run.on_failure.id} goes on to its end, then the run ends"
    return f"{_names(live)} is being stopped; no handler runs, and there is no way back"


def _undone(run: Run, live: list[Unit]) -> str:
    if run.completed:
        return "it has ended"
    first = f"{_names(live)} goes on to its end, then " if live else ""
    return f"{first}what it has done is undone, the newest first; there is no way back"


def _names(units: list[Unit]) -> str:
    named = ", ".join(unit.id for unit in units[:_MAX_NAMED])
    more = len(units) - _MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named
