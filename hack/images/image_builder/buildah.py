"""The backend without Docker: debootstrap makes the base's root file system, buildah the images.

Root is needed (chroot isolation mounts file systems). Every tool runs closed in, so a build that is
cut short leaves no mount and no process behind.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from image_builder.catalogue import BASE, DEBIAN_PACKAGES, DEBIAN_SUITE, Image
from image_builder.errors import BuildError
from image_builder.machine import (
    AptSource,
    find_debian_sources,
    install_tools,
    mount_configuration,
)
from image_builder.process import CLOSED_IN, query, run_tool
from image_builder.store import Store

ROOT_ARCHIVE = "rootfs.tar"

# Layers of earlier builds save minutes; beyond this many (some ten builds) all are thrown away.
MAX_CACHED_LAYERS = 200


@dataclass
class Buildah:
    """Builds images into the store's own buildah storage."""

    store: Store
    fresh: bool = False  # without the layers of earlier builds
    name: str = "buildah"
    _sources: list[AptSource] | None = field(default=None, repr=False)

    def inputs(self, image: Image) -> dict[str, str]:
        """What, beside context and base, decides the content of an image made by this backend."""
        if image is BASE:
            return {"suite": DEBIAN_SUITE, "packages": " ".join(DEBIAN_PACKAGES)}
        return {}

    def prepare(self) -> None:
        """Once before the first build: root, tools, no remains of a build that was cut short."""
        if os.geteuid() != 0:
            raise BuildError("building without Docker mounts file systems: run as root (or sudo).")
        install_tools(self.store.log("tools"))
        self._buildah(["rm", "--all"], label="buildah rm", log=self.store.log("tools"))
        if len(self._query(["images", "--all", "--quiet"]).splitlines()) > MAX_CACHED_LAYERS:
            self._buildah(["rmi", "--prune"], label="buildah rmi", log=self.store.log("tools"))

    def build(self, image: Image, staged: Path) -> tuple[Path, str]:
        """Build `image` from the staged context; the archive (in the work folder) and image id."""
        log = self.store.log(image.name)
        log.unlink(missing_ok=True)
        if image is BASE:
            self._make_root_archive(staged, log)
        elif image.stands_on:
            self._have_base(log)
        self._build(image, staged, log)
        archive = self.store.work / f"{image.name}.tar"
        self._buildah(
            ["push", "--quiet", image.reference, f"docker-archive:{archive}:{image.reference}"],
            label=f"{image.name}: writing the archive",
            log=log,
        )
        return archive, self._image_id(image)

    def _build(self, image: Image, staged: Path, log: Path) -> None:
        sources = self._debian(log)
        volumes = mount_configuration(
            self.store.work / "machine",
            sources,
            os.environ,
            # The base gets its own CA bundle while it is built, so that place is covered only if
            # there is no other way to the packages.
            trust=image is not BASE or any(source.uri.startswith("https") for source in sources),
        )
        words = ["bud", "--isolation", "chroot", "--format", "docker", "--pull-never"]
        words += [word for volume in volumes for word in ("--volume", volume)]
        if image is BASE:
            words += ["--squash"]
        else:
            words += ["--no-cache"] if self.fresh else ["--layers"]
        if image.stands_on:
            words += ["--build-arg", f"BASE={BASE.reference}"]
        words += ["--tag", image.reference, "--file", str(staged / image.dockerfile), str(staged)]
        self._buildah(words, label=image.name, log=log)

    def _make_root_archive(self, staged: Path, log: Path) -> None:
        root = self.store.work / "rootfs"
        mirror = next((s.uri for s in self._debian(log) if s.suite == DEBIAN_SUITE), None)
        run_tool(
            [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(DEBIAN_PACKAGES)}",
                DEBIAN_SUITE,
                root,
                # Without one debootstrap takes Debian's own default.
                *([mirror] if mirror else []),
            ],
            label="base: debootstrap",
            log=log,
            closed_in=True,
        )
        self._forget_machine(root, mirror)
        run_tool(
            # Devices and kernel file systems are the container runtime's; what is left is files.
            [
                *("tar", "--create", "--file", staged / ROOT_ARCHIVE, "--directory", root),
                *("--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "."),
            ],
            label="base: packing",
            log=log,
        )
        shutil.rmtree(root)

    @staticmethod
    def _forget_machine(root: Path, mirror: str | None) -> None:
        """Take out what debootstrap copied from this machine: its resolver, name and mirror."""
        for name in ("resolv.conf", "hostname"):
            (root / "etc" / name).unlink(missing_ok=True)
        if mirror:
            (root / "etc/apt/sources.list").write_text("", "utf-8")

    def _have_base(self, log: Path) -> None:
        """The base must be in the storage as built; somebody may have deleted the storage alone."""
        if self._image_id(BASE) == self.store.image_id(BASE.name):
            return
        self._buildah(
            ["pull", "--quiet", f"docker-archive:{self.store.tar(BASE.name)}"],
            label="base: loading",
            log=log,
        )

    def _image_id(self, image: Image) -> str:
        return self._query(["images", "--quiet", "--no-trunc", image.reference]).strip()

    def _debian(self, log: Path) -> list[AptSource]:
        if self._sources is None:
            self._sources = find_debian_sources(DEBIAN_SUITE, log)
        return self._sources

    def _command(self, words: list[str]) -> list[str]:
        places = ["--root", str(self.store.storage), "--runroot", str(self.store.work / "run")]
        return ["buildah", "--storage-driver", "overlay", *places, *words]

    def _env(self) -> dict[str, str]:
        # buildah unpacks into TMPDIR: keep it on the cache's disk, and gone with the work folder.
        return {"TMPDIR": str(self.store.work)}

    def _query(self, words: list[str]) -> str:
        # Closed in like the rest: buildah's storage mounts itself even to answer a question.
        return query([*CLOSED_IN, *self._command(words)], env=self._env()) or ""

    def _buildah(self, words: list[str], *, label: str, log: Path) -> None:
        run_tool(self._command(words), label=label, log=log, env=self._env(), closed_in=True)
