"""When an image is built, what the machine lends to a build, and what a failure says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from image_builder import machine
from image_builder.builder import build_images
from image_builder.catalogue import Image
from image_builder.errors import BuildError, explain_failure, explain_os_error
from image_builder.machine import AptSource, parse_index_targets, pip_conf
from image_builder.process import run_tool
from image_builder.store import Store

BUILD = Path(__file__).resolve().parents[4] / "hack" / "images" / "build"


@dataclass
class Copying:
    """A backend whose image is its context's file: real files, no container tool."""

    store: Store
    built: list[str] = field(default_factory=list)
    name: str = "copying"

    def inputs(self, _image: Image) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        assert self.store.work.is_dir()

    def build(self, image: Image, staged: Path) -> tuple[Path, str]:
        self.built.append(image.name)
        archive = self.store.work / "archive"
        archive.write_bytes((staged / "Dockerfile").read_bytes())
        return archive, f"sha256:{len(self.built)}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\n")
    return Image(name="some", reference="localhost/some:dev", context=tmp_path / "context")


def test_only_what_changed_is_built(store: Store, image: Image) -> None:
    backend = Copying(store)
    build_images([image], store, backend, force=False)
    build_images([image], store, backend, force=False)
    assert backend.built == ["some"]
    image.dockerfile_path.write_text("FROM other\n")
    build_images([image], store, backend, force=False)
    assert backend.built == ["some", "some"]
    assert store.tar("some").read_text() == "FROM other\n"
    build_images([image], store, backend, force=True)
    assert store.image_id("some") == "sha256:3"
    assert not store.work.exists()


@pytest.mark.parametrize("spoil", ["tar-gone", "tar-other", "record-cut-off"])
def test_a_spoiled_cache_is_built_anew(store: Store, image: Image, spoil: str) -> None:
    backend = Copying(store)
    build_images([image], store, backend, force=False)
    match spoil:
        case "tar-gone":
            store.tar("some").unlink()
        case "tar-other":
            store.tar("some").write_text("FROM other...\n")
        case _:
            (store.folder / "some.json").write_text('{"inputs": ')
    build_images([image], store, backend, force=False)
    assert backend.built == ["some", "some"]


def test_two_builders_at_once_build_once(store: Store, image: Image) -> None:
    backend = Copying(store)

    def work() -> None:
        build_images([image], store, backend, force=False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=8)
    assert backend.built == ["some"]


def test_index_targets_give_the_suite_and_its_fixes_alone() -> None:
    answer = (
        "Debian|bookworm-security|http://deb.example.com/security/|bookworm-security|main\n"
        "Debian|bookworm|http://deb.example.com/debian/|bookworm|main\n"
        "Debian|bookworm|http://deb.example.com/debian/|bookworm|contrib\n"
        "Debian|trixie|http://deb.example.com/debian/|trixie|main\n"
        "Somebody|bookworm|http://other.example.com/|bookworm|main\n"
    )
    assert parse_index_targets(answer, "bookworm") == [
        AptSource("http://deb.example.com/debian/", "bookworm", "main"),
        AptSource("http://deb.example.com/security/", "bookworm-security", "main"),
    ]


@pytest.fixture
def no_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "CA_BUNDLE", tmp_path / "none")


@pytest.mark.usefixtures("no_bundle")
def test_pip_settings_of_files_and_variables_come_together() -> None:
    listing = "global.timeout='10'\nglobal.index-url='https://a.example.com/simple'\n:env:.x='y'\n"
    environ = {"PIP_INDEX_URL": "https://b.example.com/simple", "PIP_TARGET": "/x", "HOME": "/"}
    assert pip_conf(listing, environ) == (
        "[global]\nindex-url = https://b.example.com/simple\ntimeout = 10\n"
    )


@pytest.mark.usefixtures("no_bundle")
@pytest.mark.parametrize(
    ("places", "kept"),
    [("/opt/wheels", ""), ("https://a.example.com", "find-links = https://a.example.com\n")],
)
def test_wheels_on_this_machines_disk_are_no_place_for_a_build(places: str, kept: str) -> None:
    assert pip_conf("", {"PIP_FIND_LINKS": places}) == f"[global]\n{kept}"


def test_a_machine_with_a_bundle_has_it_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.touch()
    monkeypatch.setattr(machine, "CA_BUNDLE", bundle)
    assert pip_conf("", {"PIP_CERT": "/elsewhere"}) == f"[global]\ncert = {bundle}\n"


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (["write /x: no space left on device"], "some: the disk is full"),
        (["Temporary failure resolving 'deb'"], "some: a package source cannot be reached"),
        (["E: Failed getting release file"], "some: a package source cannot be reached"),
        (["touch: no", "subprocess exited with status 1"], "exit code 1: touch: no (log: /l)"),
        ([], "exit code 1 (log: /l)"),
    ],
)
def test_a_failure_becomes_a_sentence(output: list[str], sentence: str) -> None:
    assert sentence in explain_failure("some", 1, output, Path("/l"))


@pytest.mark.parametrize(
    ("code", "word"), [("ENOSPC", "disk is full"), ("EACCES", "root"), ("EIO", "/x")]
)
def test_an_os_error_becomes_a_sentence(code: str, word: str) -> None:
    number = getattr(errno, code)
    assert word in explain_os_error(OSError(number, os.strerror(number), "/x"))


def test_a_tool_is_logged_and_its_last_words_quoted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(BuildError, match="exit code 3: alas"):
        run_tool(["sh", "-c", "echo begun; echo alas >&2; exit 3"], label="it", log=log)
    assert log.read_text().endswith("begun\nalas\n")


def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no-such-tool is not installed"):
        run_tool(["no-such-tool"], label="it", log=tmp_path / "log")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--help"], 0, "Exit codes"),
        (["--list"], 0, "localhost/workflow-do/python:3.11"),
        (["nothing"], 2, "there is no image 'nothing'; there are: base, operator, onboarding"),
    ],
)
def test_the_command_line(arguments: list[str], exit_code: int, words: str, tmp_path: Path) -> None:
    env = {"WORKFLOW_DO_CACHE": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, BUILD, *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=8,
        check=False,
    )
    assert done.returncode == exit_code
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
