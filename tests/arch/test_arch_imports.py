"""Goal: the import contracts of pyproject.toml hold, and the core imports nothing but pure modules.

The contracts name what is forbidden; the list here names all that the core may use.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "src" / "godwit" / "core"

#: Of the standard library: no clock, chance, thread, file, network or log among them.
PURE = {
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "fnmatch",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "statistics",
    "typing",
}
#: The planner counts in arrays; the kernels of its search are compiled.
NUMERIC = {
    "planner": {"numpy"},
    "planner/search": {"numba", "numpy"},
    "planner/levelling": {"hashlib", "numba", "numpy", "types"},
}


def test_the_contracts_hold() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_imports_pure_modules_only(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: import by the full name"
            imported.add(node.module or "")
    foreign = {name for name in imported if not name.startswith("godwit.core")}
    allowed = PURE.union(*(names for room, names in NUMERIC.items() if _is_in(path, room)))
    assert {name.split(".")[0] for name in foreign} <= allowed


def _is_in(path: Path, room: str) -> bool:
    return path.is_relative_to(CORE / room)
