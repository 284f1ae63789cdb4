"""An image under a second name, without building it again."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path


def rename(archive: Path, image: str, target: Path) -> None:
    """Copy a docker-archive to `target`, its one image called `image`."""
    with tarfile.open(archive) as source, tarfile.open(target, "w") as copy:
        for member in source:
            data = source.extractfile(member) if member.isfile() else None
            if member.name == "manifest.json":
                assert data is not None
                [entry] = json.load(data)
                text = json.dumps([entry | {"RepoTags": [image]}]).encode()
                member.size, data = len(text), io.BytesIO(text)
            copy.addfile(member, data)
