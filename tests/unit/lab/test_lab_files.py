"""Goal: the lab removes nothing but what it made, and writes where nobody else can interfere.

Method: folders of the test's own; no lab is brought up, so that no root is needed.
"""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from godwit.lab import assembly, remains
from godwit.lab.cli import app
from godwit.lab.lab import Lab
from godwit.lab.places import Places
from godwit.lab.problems import LabMisused, LabUnfit
from godwit.lab.progress import silent
from godwit.lab.state import LabState, exclusive


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(root=tmp_path / "lab")


def test_the_folder_of_a_lab_goes_with_all_that_is_in_it(places: Places) -> None:
    LabState(boot_id="b").save(places)
    (places.host("h1") / "upper").mkdir(parents=True)
    (places.shared).mkdir()
    remains.remove_files(places)
    assert not places.root.exists()


def test_a_folder_of_somebodys_is_left_alone_and_refused(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.root / "shared").mkdir(parents=True)
    (places.root / "shared" / "letters").write_text("to my grandmother")
    remains.remove_files(places)
    assert (places.root / "shared" / "letters").exists()
    monkeypatch.setattr(remains, "find", lambda _: remains.Remains())
    with pytest.raises(LabMisused, match="no lab's"):
        assembly.clear_remains(places, silent)


def test_an_up_that_died_at_its_first_write_is_cleared(places: Places) -> None:
    places.root.mkdir()
    places.state_file.with_suffix(".new").write_text("{")
    remains.remove_files(places)
    assert not places.root.exists()


def test_cleaning_the_cache_leaves_what_is_not_the_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GODWIT_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(Lab, "down", lambda **_: remains.Remains())
    (tmp_path / "userland-1234.building").mkdir()
    (tmp_path / "lock").touch()
    (tmp_path / "letters").touch()
    Lab.clean()
    assert [one.name for one in tmp_path.iterdir()] == ["letters"]
    (tmp_path / "letters").unlink()
    Lab.clean()
    assert not tmp_path.exists()


def test_a_folder_of_another_user_is_not_written_to(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(LabUnfit, match="another user"):
        LabState(boot_id="b").save(places)
    assert list(places.root.iterdir()) == []


def test_a_user_who_may_not_change_the_lab_is_told_so(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LabUnfit, match="may not change"), exclusive(places):
        pass


def test_a_picture_that_can_not_be_drawn_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("godwit.lab.cli.find_spec", lambda _: None)
    ran = CliRunner().invoke(app, ["measure", "--picture", str(tmp_path / "outage.svg")])
    assert isinstance(ran.exception, LabUnfit)
