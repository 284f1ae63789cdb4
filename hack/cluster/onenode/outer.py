"""The process that a cluster hangs on: says who it is, then becomes ``unshare``.

Started as ``python3 -m onenode.outer FOLDER``. The identity is written before any other process of
the cluster exists and holds after ``exec``, so a cluster can always be found and ended.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from onenode.processes import Identity
from onenode.settings import ClusterFolder

#: Everything of the node lives in these namespaces and ends with this one process.
UNSHARE = (
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
)


def main(arguments: list[str]) -> None:
    folder = ClusterFolder(Path(arguments[0]))
    Identity.of_self().save(folder.identity)
    command = [*UNSHARE, sys.executable, "-m", "onenode.node", str(folder.root)]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
