"""Goal: what the lab prints as settings is what Godwit reads."""

from pathlib import Path

from godwit.daemon.settings import load_settings
from godwit.lab.inventory import settings_toml
from godwit.lab.layout import host_names, known_host


def test_the_settings_of_a_lab_are_read_by_godwit(tmp_path: Path) -> None:
    text = settings_toml([known_host(name) for name in host_names(2)])
    (tmp_path / "godwit.toml").write_text(text)

    forwarding = load_settings({"GODWIT_STATE": str(tmp_path)}).forwarding

    assert forwarding is not None
    assert forwarding.argv == ("ip", "netns", "exec", "gw-{host}", "bridge", "-json", "fdb", "show")
    (fabric,) = forwarding.upstream
    assert fabric.ports == {"h1": "h1-guest", "h2": "h2-guest"}
