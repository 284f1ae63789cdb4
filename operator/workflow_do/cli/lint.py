"""`kubectl workflow lint`: the operator's checks on files, without a cluster.

Decides which files are read and which objects belong together: a Workflow and the Actions of its
namespace, over all files that are given. What is wrong the engine's checker says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow_do.cli import exits

if TYPE_CHECKING:
    from workflow_do.cli.findings import Summary

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_MAX_FILES: Final = 10_000


class LintOutput(StrEnum):
    """How findings are written."""

    PLAIN = "plain"
    JSON = "json"
    SARIF = "sarif"


def lint(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH…", help="Files and folders; - reads standard input."),
    ],
    output: Annotated[
        LintOutput, typer.Option("-o", "--output", help="How to write what is found.")
    ] = LintOutput.PLAIN,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Every Action is among the files: a missing one is wrong."),
    ] = False,
    warnings: Annotated[
        bool, typer.Option("--warnings/--no-warnings", help="Tell of warnings too.")
    ] = True,
) -> None:
    """Check Workflows and Actions in files as the operator would; exit with 1 for findings."""
    with exits.told():
        from workflow_do.cli import findings
        from workflow_do.cli.linting import check_files

        texts = _read(paths)
        summary = check_files(texts, complete=complete, warnings=warnings)
    _write(output, summary, findings.plain(summary.findings))
    raise typer.Exit(1 if summary.findings else exits.OK)


def _write(output: LintOutput, summary: Summary, plain: str) -> None:
    from workflow_do.cli import findings

    if output is LintOutput.PLAIN:
        typer.echo(plain, nl=False)
    else:
        whole = findings.as_json if output is LintOutput.JSON else findings.as_sarif
        typer.echo(whole(summary), nl=False)
    exits.tell(str(summary))


def _read(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Name and text of every file. Raises DefinitionError for what cannot be read."""
    from workflow_do.sdk.errors import DefinitionError

    texts: dict[str, str] = {}
    for path in paths:
        if path == "-":
            texts["stdin"] = sys.stdin.read()
            continue
        found = list(_files(Path(path)))
        if not found:
            raise DefinitionError(f"{path}: no YAML or JSON file there")
        if len(texts) + len(found) > _MAX_FILES:
            raise DefinitionError(f"{path}: more than {_MAX_FILES:,} files; name a smaller folder")
        for file in found:
            texts[str(file)] = _text(file)
    return list(texts.items())


def _files(path: Path) -> Iterator[Path]:
    """The file, or those of the folder and all below it but hidden ones, in order."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.suffix in _SUFFIXES and file.is_file() and not hidden:
            yield file


def _text(file: Path) -> str:
    from workflow_do.cli.manifests import MAX_BYTES
    from workflow_do.sdk.errors import DefinitionError

    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DefinitionError(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DefinitionError(f"{file}: not UTF-8 text") from None
