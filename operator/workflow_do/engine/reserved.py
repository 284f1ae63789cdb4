"""What an Action must not have: variables that the operator sets, the place of a large input.

Decides from the Action's spec alone.
"""

from __future__ import annotations

import posixpath
from typing import Final

from workflow_do.api.action import ActionSpec
from workflow_do.api.names import INPUT_FOLDER, INPUT_VOLUME

_FOLDERS: Final = (INPUT_FOLDER, INPUT_FOLDER.removeprefix("/var"))
"""/var/run is /run in most images."""


def reserved_variable(name: str) -> bool:
    """Whether the operator sets variables of such a name."""
    return name.startswith(("ACTION_", "WORKFLOW_"))


def reserved_volume(spec: ActionSpec) -> str | None:
    """The place of a volume or mount that is in the way of a large input; None: there is none."""
    for at, volume in enumerate(spec.volumes or ()):
        if volume.name == INPUT_VOLUME:
            return f"volumes[{at}].name: {volume.name!r} is reserved"
    for at, mount in enumerate(spec.volume_mounts or ()):
        path = posixpath.normpath(mount.mount_path)
        if any(path == folder or path.startswith(f"{folder}/") for folder in _FOLDERS):
            return f"volumeMounts[{at}].mountPath: {INPUT_FOLDER} is reserved for large inputs"
    return None
