"""What goes into an image: the files of its context that .dockerignore lets through.

The rules are those of Docker's .dockerignore: one pattern a line, `#` comments, `*` and `?` within
one path segment, `**` across segments, `!` takes back, the last match wins, and a pattern that
names a folder covers all below it. Must not know how images are built.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILE = ".dockerignore"


@dataclass(frozen=True)
class IgnoreRule:
    """One line of .dockerignore; `covers` matches a path, or a folder above it."""

    covers: re.Pattern[str]
    takes_back: bool
    text: str


def parse_ignore(text: str) -> list[IgnoreRule]:
    """The rules of a .dockerignore file, in order."""
    rules = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        takes_back = line.startswith("!")
        pattern = line.removeprefix("!").strip().strip("/")
        if pattern and pattern != ".":
            rules.append(IgnoreRule(_compile(pattern), takes_back, pattern))
    return rules


def _compile(pattern: str) -> re.Pattern[str]:
    out = ""
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out, at = out + r"(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + r".*", at + 2
        elif pattern[at] == "*":
            out, at = out + r"[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + r"[^/]", at + 1
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    return re.compile(rf"{out}(?:/.*)?\Z")


def is_ignored(path: str, rules: list[IgnoreRule]) -> bool:
    """Whether `path` (relative, with `/`) stays out: the last rule that covers it decides."""
    for rule in reversed(rules):
        if rule.covers.match(path):
            return not rule.takes_back
    return False


def _may_hold_kept(folder: str, rules: list[IgnoreRule]) -> bool:
    """Whether an ignored folder must be looked into, because a `!` rule may reach below it."""
    for rule in rules:
        if not rule.takes_back:
            continue
        literal = re.split(r"[*?]", rule.text, maxsplit=1)[0]
        if rule.text.startswith("**") or literal.startswith(f"{folder}/"):
            return True
        if literal != rule.text and folder.startswith(literal.rpartition("/")[0]):
            return True
    return False


def list_files(context: Path) -> list[Path]:
    """The files and links of a context that .dockerignore lets through, sorted, relative to it."""
    ignore_file = context / IGNORE_FILE
    rules = parse_ignore(ignore_file.read_text("utf-8")) if ignore_file.is_file() else []
    return sorted(Path(name) for name in _walk(context, "", rules))


def _walk(context: Path, below: str, rules: list[IgnoreRule]) -> Iterator[str]:
    with os.scandir(context / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{below}/{entry.name}" if below else entry.name
            ignored = is_ignored(name, rules)
            if entry.is_dir(follow_symlinks=False):
                if not ignored or _may_hold_kept(name, rules):
                    yield from _walk(context, name, rules)
            elif not ignored:
                yield name


def digest_files(context: Path, files: list[Path]) -> str:
    """sha256 over names, executable bits, link targets and contents: what a COPY would bring in."""
    total = hashlib.sha256()
    for name in files:
        path = context / name
        if path.is_symlink():
            kind, content = "link", os.readlink(path).encode()
        else:
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            content = path.read_bytes()
        total.update(f"{kind}\0{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def stage_files(context: Path, files: list[Path], target: Path) -> None:
    """Copy `files` to the new folder `target`: what is built is then exactly what is digested.

    Modes are set to 0644 and 0755, so that the umask of a checkout is no part of an image.
    """
    for name in files:
        source, copy = context / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy, follow_symlinks=False)
        if not copy.is_symlink():
            copy.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
