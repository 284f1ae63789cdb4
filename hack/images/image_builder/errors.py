"""The one error of the builder, and how a tool's last words become one clear sentence.

Knows the phrases of apt, debootstrap, pip and buildah; must not know which image is being built.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path

MAX_QUOTE_CHARS = 300

_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"temporary failure (in name resolution|resolving)|could not resolve|name or service not known"
    r"|network is unreachable|no route to host|failed getting release file|couldn't download"
    r"|failed to establish a new connection|connection timed out|could not connect to"
    r"|unable to connect to",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"^(\[notice\]|debconf:|time=.* level=warning|subprocess exited|exit status|W: |I: |\s*$)"
    r"|exit status \d+$|building at STEP",
    re.IGNORECASE,
)


class BuildError(Exception):
    """A build that cannot go on; the message is one sentence that names the place and the cure."""


def explain_failure(what: str, exit_code: int, output: Sequence[str], log: Path) -> str:
    """One sentence for a tool that failed: `what` (e.g. "onboarding: buildah") ended `exit_code`.

    `output` holds the tool's last lines; the whole of it is in `log`.
    """
    text = "\n".join(output)
    if _DISK_FULL.search(text):
        return f"{what}: the disk is full; free space for {log.parent.parent} and run again."
    if _NO_NETWORK.search(text):
        return (
            f"{what}: a package source cannot be reached; check the network and the apt and pip "
            f"configuration of this machine (log: {log})."
        )
    telling = [line.strip() for line in output if not _NOISE.search(line)]
    quote = f": {telling[-1][:MAX_QUOTE_CHARS]}" if telling else ""
    return f"{what}: ended with exit code {exit_code}{quote} (log: {log})."


def explain_os_error(error: OSError) -> str:
    """One sentence for an operating-system error that no other place has a better one for."""
    place = error.filename or "the cache"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full while writing {place}; free some space and run again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place} cannot be written; run as root or set WORKFLOW_DO_CACHE to another folder."
    return f"{place}: {error.strerror or error}."
