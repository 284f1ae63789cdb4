"""What goes into an image, and what makes it another image."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_builder.builder import digest_inputs
from image_builder.catalogue import OPERATOR, Image, select
from image_builder.context import digest_files, is_ignored, list_files, parse_ignore, stage_files
from image_builder.docker import Docker
from image_builder.errors import BuildError
from image_builder.store import Store


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("build", "build/x/y", True),
        ("build", "src/build", False),
        ("/build/", "build/x", True),
        ("**/build", "src/build/x", True),
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "src/a.pyc", False),
        ("**/*.pyc", "src/a.pyc", True),
        ("src/?.py", "src/a.py", True),
        ("src/?.py", "src/ab.py", False),
        ("*\n!src", "src/a.py", False),
        ("*\n!src\nsrc/secret", "src/secret", True),
        ("!src\n*", "src/a.py", True),
        ("# src\n\nother", "src/a.py", False),
        ("a.c", "abc", False),
    ],
)
def test_dockerignore_rules(rules: str, path: str, ignored: bool) -> None:
    assert is_ignored(path, parse_ignore(rules)) is ignored


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "src" / "a.py").write_text("a = 1\n")
    (folder / "src" / "__pycache__" / "a.pyc").write_text("x")
    (folder / ".dockerignore").write_text("*\n!src/*.py\n!Dockerfile\n")
    return folder


def test_only_what_is_let_through_is_listed(context: Path) -> None:
    assert [str(name) for name in list_files(context)] == ["Dockerfile", "src/a.py"]


def test_the_operators_context_is_free_of_what_is_local() -> None:
    tops = {name.parts[0] for name in list_files(OPERATOR.context)}
    assert "operator" in tops
    assert not tops & {".git", ".venv", ".mypy_cache", ".pytest_cache", "build", "tests", "hack"}
    assert not [name for name in list_files(OPERATOR.context) if "__pycache__" in name.parts]


def image_of(context: Path) -> Image:
    return Image(name="some", reference="localhost/some:dev", context=context)


def test_the_digest_follows_the_inputs_and_nothing_else(context: Path, tmp_path: Path) -> None:
    backend = Docker(Store(tmp_path / "store"))
    image = image_of(context)
    before = digest_inputs(image, context, backend)
    (context / ".git" / "HEAD").write_text("y")
    (context / "src" / "a.py").touch()
    assert digest_inputs(image, context, backend) == before
    (context / "src" / "a.py").chmod(0o755)
    as_program = digest_inputs(image, context, backend)
    (context / "src" / "a.py").write_text("a = 2\n")
    assert len({before, as_program, digest_inputs(image, context, backend)}) == 3


def test_a_staged_context_has_the_digest_of_its_source(context: Path, tmp_path: Path) -> None:
    (context / "src" / "a.py").chmod(0o775)
    (context / "src" / "link.py").symlink_to("a.py")
    files = list_files(context)
    stage_files(context, files, tmp_path / "staged")
    assert digest_files(tmp_path / "staged", files) == digest_files(context, files)
    assert (tmp_path / "staged" / "src" / "a.py").stat().st_mode & 0o777 == 0o755


def test_an_image_without_a_dockerfile_is_named(tmp_path: Path) -> None:
    image = image_of(tmp_path / "nothing")
    with pytest.raises(BuildError, match="nothing/Dockerfile is missing"):
        digest_inputs(image, image.context, Docker(Store(tmp_path)))


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        ([], ["base", "operator", "onboarding"]),
        (["onboarding"], ["base", "onboarding"]),
        (["operator", "base"], ["base", "operator"]),
    ],
)
def test_bases_come_first_and_once(names: list[str], selected: list[str]) -> None:
    assert [image.name for image in select(names)] == selected
