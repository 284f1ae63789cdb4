"""The backend for a Docker daemon: docker build on the Dockerfile's own base, docker save.

Untested: written for machines that have a daemon.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image_builder.catalogue import Image
from image_builder.process import query, run_tool
from image_builder.store import Store


def is_usable() -> bool:
    """Whether a daemon answers; the client alone says nothing."""
    return query(["docker", "info", "--format", "{{.ServerVersion}}"]) is not None


@dataclass
class Docker:
    """Builds images in the Docker daemon, each on the base that its Dockerfile names."""

    store: Store
    fresh: bool = False  # without the layers of earlier builds
    name: str = "docker"

    def inputs(self, image: Image) -> dict[str, str]:
        """What, beside context and base, decides the content of an image made by this backend."""
        return {"from": image.docker_hub_base} if image.docker_hub_base else {}

    def prepare(self) -> None:
        """Nothing to do: the daemon has its own storage and cleans up by itself."""

    def build(self, image: Image, staged: Path) -> tuple[Path, str]:
        """Build `image` from the staged context; the archive (in the work folder) and image id."""
        log = self.store.log(image.name)
        log.unlink(missing_ok=True)
        if image.docker_hub_base:
            commands = [
                ["docker", "pull", image.docker_hub_base],
                ["docker", "tag", image.docker_hub_base, image.reference],
            ]
        else:
            words = ["docker", "build", "--tag", image.reference]
            words += ["--no-cache"] if self.fresh else []
            commands = [[*words, "--file", str(staged / image.dockerfile), str(staged)]]
        archive = self.store.work / f"{image.name}.tar"
        commands.append(["docker", "save", "--output", str(archive), image.reference])
        for command in commands:
            run_tool(command, label=f"{image.name}: {command[0]} {command[1]}", log=log)
        return archive, self._image_id(image)

    def _image_id(self, image: Image) -> str:
        return (query(["docker", "images", "--quiet", "--no-trunc", image.reference]) or "").strip()
