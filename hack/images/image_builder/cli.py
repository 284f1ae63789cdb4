"""The command line: arguments in, paths of image archives out, errors in one line."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from image_builder import docker
from image_builder.buildah import Buildah
from image_builder.builder import Backend, build_images, digest_inputs
from image_builder.catalogue import CATALOGUE, Image, select
from image_builder.errors import BuildError, explain_os_error
from image_builder.store import Store, cache_folder

DESCRIPTION = """\
Builds the project's container images into docker-archive tars, without a registry: with the Docker
daemon where one answers, else with debootstrap and buildah (as root). What has not changed is not
built again. Prints the path of each tar; progress and errors go to standard error.
"""
EPILOG = """\
The tars are kept in $WORKFLOW_DO_CACHE/images (default ~/.cache/workflow-do/images), with the logs.
A base is built first when an image stands on it. Exit codes: 0 built or up to date, 1 failed,
2 wrong usage, 130 interrupted.
"""


def main(arguments: list[str]) -> int:
    """Run the command; the exit code."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    store = Store(cache_folder() / "images")
    try:
        kind = docker.Docker if docker.is_usable() else Buildah
        backend: Backend = kind(store, fresh=options.force)
        if options.list:
            _print_list(store, backend)
            return 0
        build_images(select(options.names), store, backend, force=options.force)
    except BuildError as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(explain_os_error(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; run again to build what is left.", 130)
    for name in options.names or CATALOGUE:
        print(store.tar(name))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hack/images/build",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="IMAGE",
        help=f"{', '.join(CATALOGUE)} (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="show the images and their state")
    parser.add_argument("--force", action="store_true", help="build all anew, packages too")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in CATALOGUE]
    if unknown:
        parser.error(f"there is no image {unknown[0]!r}; there are: {', '.join(CATALOGUE)}")
    return options


def _print_list(store: Store, backend: Backend) -> None:
    for image in CATALOGUE.values():
        print(f"{image.name:<11} {image.reference:<40} {_state(image, store, backend):<9}", end=" ")
        print(store.tar(image.name))


def _state(image: Image, store: Store, backend: Backend) -> str:
    try:
        inputs = digest_inputs(image, image.context, backend)
    except BuildError:
        return "no source"
    if not store.tar(image.name).is_file():
        return "not built"
    return "current" if store.is_current(image.name, inputs) else "outdated"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(sentence: str, exit_code: int) -> int:
    print(f"hack/images/build: error: {sentence}", file=sys.stderr)
    return exit_code
