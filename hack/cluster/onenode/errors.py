"""The one exception that a user sees as a sentence; it knows nothing of where it is raised."""

from __future__ import annotations

import errno
from pathlib import Path


class ClusterError(Exception):
    """Something the user can cure; its text names the place and the cure and is shown as it is."""


def describe_os_error(error: OSError, path: Path) -> str:
    """One sentence for an operating system error met while working under ``path``."""
    place = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no room left on the disk of {place}; free some, or set WORKFLOW_DO_CACHE to a "
            "folder on a larger disk"
        )
    if error.errno == errno.EROFS:
        return f"{place} is on a read-only disk; set WORKFLOW_DO_CACHE to a writable folder"
    return f"{place}: {error.strerror or error}"
