"""Logs of a run's steps: which Pods, in which order, under which prefix; and following them.

Following is one thread a source (the Pods, the run, each log), all feeding one bounded queue that
the caller reads: lines of steps that run at the same time come as they are written. Ends when the
run is completed and every log has been read to its end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.identity import Role
from workflow_do.sdk.client import PODS, Client, Object, Selection
from workflow_do.sdk.errors import NotFound, RunTimeout, WorkflowDoError
from workflow_do.sdk.run import ON_FAILURE, Run
from workflow_do.sdk.runs import watch_run
from workflow_do.sdk.watch import Deadline, changes

_QUEUE_LINES: Final = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a program's log."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a log that people should know; not part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """One try of a unit: its Pod, and what to call it."""

    pod: str
    label: str
    begun: bool
    order: tuple[str, str]


def selection(run: Run, step: str | None) -> Selection:
    """The Pods of a run, or of one of its steps. Raises NotFound where it has no such step."""
    labels = [f"{names.LABEL_RUN_UID}={run.uid}"]
    if step == ON_FAILURE:
        labels.append(f"{names.LABEL_ROLE}={ON_FAILURE}")
    elif step is not None:
        if run.steps and step not in run.steps:
            known = ", ".join([*run.steps, *([ON_FAILURE] if run.on_failure else [])])
            raise NotFound(f'run {run.name} has no step "{step}"; it has {known}')
        labels.append(f"{names.LABEL_STEP}={step}")
    return Selection(PODS, run.namespace, labels=",".join(labels))


def source_of(pod: Object) -> Source:
    """What a Pod of ours is the log of."""
    meta = pod["metadata"]
    labels = meta.get("labels") or {}
    again = labels.get(names.LABEL_TRY) or "1"
    label = _label(labels) or meta["name"]
    return Source(
        pod=meta["name"],
        label=label if again in ("0", "1") else f"{label}#{again}",
        begun=_begun(pod),
        order=(meta.get("creationTimestamp") or "", meta["name"]),
    )


def _label(labels: Mapping[str, str]) -> str:
    """`createUser`, `each[3]`, `undo of createUser`, `onFailure`; empty where none is told."""
    role, step = labels.get(names.LABEL_ROLE), labels.get(names.LABEL_STEP) or ""
    if role == ON_FAILURE:
        return ON_FAILURE
    item = labels.get(names.LABEL_ITEM)
    name = f"{step}[{item}]" if step and item else step
    return f"undo of {name}" if step and role == Role.UNDO else name


def _begun(pod: Object) -> bool:
    """Whether the container `action` has a log: it runs, or has ended."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status.get("name") == names.CONTAINER:
            return bool({"running", "terminated"} & set(status.get("state") or {}))
    return False


def read_logs(
    client: Client, run: Run, step: str | None, tail: int | None
) -> Iterator[Line | Note]:
    """What the logs hold now, one Pod after the other in the order they were made."""
    pods, _ = client.list_all(selection(run, step))
    elsewhere = [*_elsewhere(run, step)]
    yield from elsewhere
    if not pods and not elsewhere:
        yield Note(_no_pods(run, step))
    for source in sorted(map(source_of, pods), key=lambda s: s.order):
        if not source.begun:
            yield Note(f"{source.label} has not begun (Pod {source.pod})")
            continue
        try:
            for line in client.log(run.namespace, source.pod, tail=tail):
                yield Line(source.label, line.decode("utf-8", "replace"))
        except NotFound:
            yield Note(f"the Pod of {source.label} ({source.pod}) is gone, and its log with it")


def _elsewhere(run: Run, step: str | None) -> Iterator[Note]:
    """What other runs have in their logs: those that steps have started."""
    for unit in run.steps.values():
        if unit.run_name and step in (None, unit.id):
            where = f"kubectl workflow logs {unit.run_name} -n {run.namespace}"
            yield Note(f"{unit.id} is a run of its own: {where}")


def _no_pods(run: Run, step: str | None) -> str:
    what = f"{step} of run {run.name}" if step else f"run {run.name}"
    if run.completed:
        return (
            f"no Pods of {what} are left: no step had begun, or its Jobs have been removed since, "
            "and the logs with them"
        )
    return f"nothing of {what} has begun yet; wait for it with -f"


def follow_logs(
    client: Client, run: Run, step: str | None, tail: int | None, timeout: float
) -> Iterator[Line | Note]:
    """Lines as they are written, until the run is completed. Raises RunTimeout after `timeout`."""
    feed = _Feed(client, run, selection(run, step), tail, Deadline(timeout))
    try:
        yield from feed.read()
    finally:
        feed.stop.set()


@dataclass(slots=True)
class _Feed:
    """The threads and the queue. All decisions are taken by the one reader, in `read`."""

    client: Client
    run: Run
    pods: Selection
    tail: int | None
    deadline: Deadline
    queue: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(_QUEUE_LINES))
    stop: threading.Event = field(default_factory=threading.Event)
    seen: set[str] = field(default_factory=set)
    live: int = 0

    def read(self) -> Iterator[Line | Note]:
        self._spawn(self._feed_pods)
        self._spawn(self._feed_run)
        completed = False
        while not (completed and self.live == 0):
            item = self._next()
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Source):
                self._start(item)
            elif isinstance(item, Line | Note):
                yield item
            elif item is _LOG_ENDED:
                self.live -= 1
            else:
                completed = True

    def _next(self) -> Any:
        """The next item. Raises RunTimeout at the deadline, also while lines keep coming."""
        try:
            if self.deadline.left() > 0:
                return self.queue.get(timeout=self.deadline.left())
        except queue.Empty:
            pass
        raise RunTimeout(self.run.name, self.run.namespace, self.deadline.seconds)

    def _start(self, source: Source) -> None:
        if source.begun and source.pod not in self.seen:
            self.seen.add(source.pod)
            self.live += 1
            self._spawn(lambda: self._feed_log(source))

    def _spawn(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except WorkflowDoError as error:
                self._put(error)

        threading.Thread(target=guarded, daemon=True).start()

    def _put(self, item: Any) -> None:
        """Wait for room in the queue for as long as somebody reads it."""
        while not self.stop.is_set():
            try:
                self.queue.put(item, timeout=1.0)
                return
            except queue.Full:
                continue

    def _feed_pods(self) -> None:
        for change in changes(self.client, self.pods, self.deadline, stop=self.stop):
            if not change.gone:
                self._put(source_of(change.object))

    def _feed_run(self) -> None:
        # A little later than the reader's own deadline, which says it in round numbers.
        left = self.deadline.left() + 1
        name, namespace, uid = self.run.name, self.run.namespace, self.run.uid
        for _ in watch_run(self.client, namespace, name, uid=uid, timeout=left):
            if self.stop.is_set():
                return
        # The watch of the Pods may be behind: what is there now is all there will be.
        pods, _ = self.client.list_all(self.pods)
        for source in sorted(map(source_of, pods), key=lambda s: s.order):
            self._put(source)
        self._put(_RUN_ENDED)

    def _feed_log(self, source: Source) -> None:
        left = max(0.01, self.deadline.left())
        try:
            for line in self.client.log(
                self.run.namespace, source.pod, tail=self.tail, follow=True, seconds=left
            ):
                self._put(Line(source.label, line.decode("utf-8", "replace")))
        except WorkflowDoError as error:
            self._put(Note(f"the log of {source.label} (Pod {source.pod}) ends here: {error}"))
        self._put(_LOG_ENDED)


_LOG_ENDED: Final = object()
_RUN_ENDED: Final = object()
