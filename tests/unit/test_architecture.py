"""Guards on the shape of the code that no linter holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = [*(ROOT / "operator").rglob("*.py"), *(ROOT / "hack").rglob("*.py")]


def test_the_source_root_is_not_a_package() -> None:
    """operator/__init__.py would shadow the standard library's `operator`."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_no_file_is_over_400_lines() -> None:
    tests = list((ROOT / "tests").rglob("*.py"))
    long = [f for f in [*CODE, *tests] if len(f.read_text().splitlines()) > 400]
    assert long == []


def test_no_function_is_over_60_lines() -> None:
    long = [f"{f.name}:{n.name}" for f in CODE for n in functions(f) if length(n) > 60]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        f
        for f in CODE
        if f.read_text().strip() and ast.get_docstring(ast.parse(f.read_text())) is None
    ]
    assert silent == []


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines, without the decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
