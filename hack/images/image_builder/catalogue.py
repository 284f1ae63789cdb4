"""Which images there are: name, reference, Dockerfile, build context, and which one they stand on.

Data only; must not know how an image is built or where it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

DEBIAN_SUITE = "bookworm"
DEBIAN_PACKAGES = ("python3", "python3-venv", "ca-certificates")


@dataclass(frozen=True)
class Image:
    """One image. `dockerfile` is relative to `context`; `stands_on` is the name of its base."""

    name: str
    reference: str
    context: Path
    dockerfile: str = "Dockerfile"
    stands_on: str | None = None
    docker_hub_base: str | None = None  # what Docker takes instead of building the image

    @property
    def dockerfile_path(self) -> Path:
        return self.context / self.dockerfile


BASE = Image(
    name="base",
    reference="localhost/workflow-do/python:3.11",
    context=REPOSITORY / "hack" / "images" / "base",
    docker_hub_base="python:3.11-slim",
)
OPERATOR = Image(
    name="operator",
    reference="localhost/workflow-do/operator:dev",
    context=REPOSITORY,
    stands_on="base",
)
ONBOARDING = Image(
    name="onboarding",
    reference="localhost/workflow-do/onboarding:dev",
    context=REPOSITORY / "examples" / "onboarding",
    stands_on="base",
)

CATALOGUE: dict[str, Image] = {image.name: image for image in (BASE, OPERATOR, ONBOARDING)}


def select(names: list[str]) -> list[Image]:
    """The named images (none named: all), bases first, without doubles.

    Raises KeyError with the first name that is not in the catalogue.
    """
    ordered: dict[str, Image] = {}
    for name in names or list(CATALOGUE):
        image = CATALOGUE[name]
        if image.stands_on:
            ordered[image.stands_on] = CATALOGUE[image.stands_on]
        ordered[name] = image
    return list(ordered.values())
