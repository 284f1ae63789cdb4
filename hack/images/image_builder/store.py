"""The cache of finished images: `<name>.tar` beside `<name>.json`, and the lock over building.

The record names the digest of the inputs and the exact tar (size, time) it speaks of; it is
written after the tar, so an interruption between the two only means one build more.
Must not know how an image is built.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from image_builder.errors import BuildError
from image_builder.progress import say

LOCK_WAIT_SECONDS = 3600.0
LOCK_POLL_SECONDS = 0.2
MIN_FREE_BYTES = 3 * 2**30


def cache_folder() -> Path:
    """The project's cache: $WORKFLOW_DO_CACHE, else ~/.cache/workflow-do."""
    named = os.environ.get("WORKFLOW_DO_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "workflow-do"


@dataclass(frozen=True)
class Store:
    """The images folder of the cache."""

    folder: Path

    @property
    def work(self) -> Path:
        """Scratch space of the one build that holds the lock; emptied at its start and end."""
        return self.folder / "work"

    @property
    def storage(self) -> Path:
        """buildah's own storage (layers, root file systems)."""
        return self.folder / "storage"

    def tar(self, name: str) -> Path:
        return self.folder / f"{name}.tar"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def is_current(self, name: str, inputs: str) -> bool:
        """Whether the tar of `name` is there and was built from `inputs` (a digest)."""
        record = self._record(name)
        return record.get("inputs") == inputs and record.get("tar") == self._identity(name)

    def image_id(self, name: str) -> str:
        """The id that the backend gave the image when it was built; empty when not recorded."""
        return str(self._record(name).get("imageID", ""))

    def put(self, name: str, made: Path, inputs: str, image_id: str) -> None:
        """Take over the finished tar `made` (same file system) and record what it was made from."""
        os.replace(made, self.tar(name))
        record = {"inputs": inputs, "imageID": image_id, "tar": self._identity(name)}
        draft = self.folder / f"{name}.json.new"
        draft.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        os.replace(draft, self.folder / f"{name}.json")

    def _record(self, name: str) -> dict[str, object]:
        try:
            record = json.loads((self.folder / f"{name}.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _identity(self, name: str) -> dict[str, int] | None:
        try:
            stat = self.tar(name).stat()
        except FileNotFoundError:
            return None
        return {"size": stat.st_size, "mtimeNanoseconds": stat.st_mtime_ns}

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Hold the lock (waiting for another build, with a bound) over an empty work folder."""
        self.log("").parent.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as lock:
            _wait_for(lock.fileno(), self.folder)
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
            self._require_space()
            try:
                yield
            finally:
                shutil.rmtree(self.work, ignore_errors=True)

    def _require_space(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < MIN_FREE_BYTES:
            raise BuildError(
                f"{self.folder} has {free / 2**30:.1f} GiB free and building needs "
                f"{MIN_FREE_BYTES / 2**30:.0f}; free some space or set WORKFLOW_DO_CACHE."
            )


def _wait_for(lock: int, folder: Path) -> None:
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise BuildError(
                    f"another build has held {folder / 'lock'} for an hour; end it and run again."
                ) from None
        if not told:
            say("waiting for another build to finish")
            told = True
        time.sleep(LOCK_POLL_SECONDS)
