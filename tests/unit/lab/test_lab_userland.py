"""Goal: the hosts' userlands are built from where this machine gets its packages, and as asked.

Method: the recipes as they are handed to mmdebstrap; its hook is run over a folder of the test's.
"""

import subprocess
from pathlib import Path

import pytest

from godwit.lab.userland import QEMU_FROM_BACKPORTS, Userland, recipe_of


@pytest.mark.parametrize("which", Userland)
def test_no_mirror_is_named(which: Userland) -> None:
    assert not [option for option in recipe_of(which) if "://" in option]


def _hook(apt: Path) -> subprocess.CompletedProcess[str]:
    # As mmdebstrap runs it.
    command = ["sh", "-c", QEMU_FROM_BACKPORTS, "exec", str(apt.parents[1])]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """The folder of apt's settings in a root folder that mmdebstrap has just begun."""
    apt = tmp_path / "etc/apt"
    for folder in ("sources.list.d", "preferences.d"):
        (apt / folder).mkdir(parents=True)
    return apt


@pytest.mark.parametrize("file", ["sources.list", "sources.list.d/0000main.list"])
def test_backports_come_from_where_the_suite_comes_from(apt: Path, file: str) -> None:
    mirror = "deb [signed-by=/a/key] http://mirror.example/debian"
    security = "deb http://mirror.example/security bookworm-security main"
    (apt / file).write_text(f"{mirror} bookworm main\n{mirror} bookworm-updates main\n{security}\n")

    done = _hook(apt)

    assert done.returncode == 0, done.stderr
    added = (apt / "sources.list.d/backports.list").read_text()
    assert added == f"{mirror} bookworm-backports main\n"
    assert "Package: src:qemu" in (apt / "preferences.d/backports").read_text()


def test_no_host_gets_debian_12_with_its_own_qemu_unnoticed(apt: Path) -> None:
    (apt / "sources.list").write_text("deb http://mirror.example/debian elsewhere main\n")

    assert _hook(apt).returncode != 0
