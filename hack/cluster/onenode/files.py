"""Writing files so that no reader ever sees half of one; knows nothing of what stands in them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a scratch file beside ``path`` to write to, and moves it there at the end.

    When the body fails, ``path`` stays as it was and the scratch file is gone. Others cannot read
    the scratch file unless the body lets them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.touch(mode=0o600)
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Text that only its owner can read."""
    with replacing(path) as scratch:
        scratch.write_text(text)


def write_json(path: Path, data: object) -> None:
    write_private(path, json.dumps(data))
