"""Goal: documents that are made from the code are fresh, and the map names what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "godwit"
MAP = ROOT / "ARCHITECTURE.md"

#: What a path in running text looks like: it starts with a folder of the repository.
_PATH = re.compile(r"`((?:src|tests|tools|docs|bench|requirements|\.ci)/[A-Za-z0-9_./-]*)`")
_MODULE = re.compile(r"`(godwit(?:\.[a-z_]+)+)`")


@pytest.mark.parametrize("tool", ["make_states.py", "make_openapi.py"])
def test_a_generated_document_is_fresh(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _packages() -> list[str]:
    inits = [path.parent for path in PACKAGE.rglob("__init__.py")]
    # One level: what stands deeper is the business of its package.
    return sorted(path.name for path in inits if path.parent == PACKAGE)


def _core_parts() -> list[str]:
    parts = [path.name.removesuffix(".py") for path in (PACKAGE / "core").iterdir()]
    return sorted(part for part in parts if not part.startswith("_"))


def test_the_map_mentions_every_room() -> None:
    text = MAP.read_text(encoding="utf-8")
    missing = [
        name for name in [*_packages(), *_core_parts()] if not re.search(rf"\b{name}\b", text)
    ]
    assert missing == []


def test_every_path_and_module_in_the_map_exists() -> None:
    text = MAP.read_text(encoding="utf-8")
    paths = [ROOT / found for found in _PATH.findall(text)]
    modules = [_module_path(found) for found in _MODULE.findall(text)]
    missing = [str(path) for path in [*paths, *modules] if not _exists(path)]
    assert paths, "the map names no path at all: has its notation changed?"
    assert missing == []


def _module_path(name: str) -> Path:
    return ROOT / "src" / name.replace(".", "/")


def _exists(path: Path) -> bool:
    # A name of a module may end in a class or a function of it.
    return (
        path.exists() or path.with_suffix(".py").exists() or path.parent.with_suffix(".py").exists()
    )
