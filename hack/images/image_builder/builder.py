"""Decides which images must be built, and builds them in order.

An image is named by the digest of its inputs: its context as .dockerignore leaves it, its
Dockerfile, its base's inputs and what the backend adds. An equal digest means nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Protocol

from image_builder.catalogue import CATALOGUE, Image
from image_builder.context import digest_files, list_files, stage_files
from image_builder.errors import BuildError
from image_builder.progress import say
from image_builder.store import Store

RECIPE = "1"  # raise it when the way of building changes what is built


class Backend(Protocol):
    """What the builder asks of buildah or Docker."""

    @property
    def name(self) -> str: ...

    def inputs(self, image: Image) -> dict[str, str]: ...

    def prepare(self) -> None: ...

    def build(self, image: Image, staged: Path) -> tuple[Path, str]: ...


def digest_inputs(image: Image, context: Path, backend: Backend) -> str:
    """sha256 over all that decides the content of `image`, its context being at `context`."""
    base = CATALOGUE[image.stands_on] if image.stands_on else None
    inputs = {
        "recipe": RECIPE,
        "backend": backend.name,
        "reference": image.reference,
        "files": digest_files(context, _files(image, context)),
        "base": digest_inputs(base, base.context, backend) if base else "",
        **backend.inputs(image),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _files(image: Image, context: Path) -> list[Path]:
    if not (context / image.dockerfile).is_file():
        raise BuildError(
            f"{image.name}: {image.dockerfile_path} is missing; nothing to build from."
        )
    return sorted({*list_files(context), Path(image.dockerfile)})


def build_images(images: list[Image], store: Store, backend: Backend, *, force: bool) -> None:
    """Bring every one of `images` (bases first) up to date in the store."""
    if not force and not _outdated(images, store, backend):
        return
    with store.building():
        # Another build may have done the work while this one waited for the lock.
        due = images if force else _outdated(images, store, backend)
        if due:
            backend.prepare()
        for image in due:
            _build(image, store, backend)


def _outdated(images: list[Image], store: Store, backend: Backend) -> list[Image]:
    return [
        image
        for image in images
        if not store.is_current(image.name, digest_inputs(image, image.context, backend))
    ]


def _build(image: Image, store: Store, backend: Backend) -> None:
    staged = store.work / f"context-{image.name}"
    stage_files(image.context, _files(image, image.context), staged)
    # Of the copy, not of the checkout: somebody may be editing there while this builds.
    inputs = digest_inputs(image, staged, backend)
    say(f"building {image.reference} with {backend.name}")
    archive, image_id = backend.build(image, staged)
    store.put(image.name, archive, inputs, image_id)
