"""Goal: no file and no function grows beyond what a person reads at once.

The exceptions may only shrink: one that is smaller than it was has to be entered with its new size.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES = 400
TEST_FILE_LINES = 600
FUNCTION_LINES = 60

#: Path or path::function -> its lines today, with the reason beside it. Meant to stay empty.
LARGER: dict[str, int] = {}


def _files() -> list[Path]:
    folders = ("src", "tests", "tools", "bench")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of the body: a signature is a list, and in a command it is the options."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_docstring else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def _sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Map what is measured in one file to its lines and its limit."""
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    limit = TEST_FILE_LINES if name.startswith("tests/") else FILE_LINES
    sizes = {name: (len(text.splitlines()), limit)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            sizes[f"{name}::{node.name}"] = (_length(node), FUNCTION_LINES)
    return sizes


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_it_can_be_read_at_once(path: Path) -> None:
    for what, (lines, limit) in _sizes(path).items():
        allowed = LARGER.get(what, limit)
        assert lines <= allowed, f"{what} has {lines} lines, more than {allowed}: split it"


def test_the_exceptions_only_shrink() -> None:
    sizes = {what: lines for path in _files() for what, (lines, _) in _sizes(path).items()}
    assert {what: sizes.get(what) for what in LARGER} == LARGER
