"""Goal: a hosts file is read whole or refused with the path of the key that is wrong."""

import pytest

from godwit.core.errors import BadSettings
from godwit.wire.hosts_file import read_hosts_file

_WHOLE = """
[[host]]
uri = "qemu+ssh://root@kvm1/system"

[[host]]
name = "second"
uri = "qemu+ssh://root@kvm2/system"
peer_uri = "qemu+tls://kvm2/system"
migration_address = "10.0.0.2"
migration_link = "1gbit"
shared_paths = ["/srv/vms"]
memory_reserve = "2GiB"
cores_overcommit = 4
labels = { rack = "a" }
"""


def test_every_key_is_read_in_its_unit() -> None:
    first, second = read_hosts_file(_WHOLE, file_name="hosts.toml")
    assert (first.name, first.peer_uri) == (None, None)
    assert second.name == "second"
    assert second.migration_link_bytes_per_s == 125_000_000
    assert second.memory_reserve_bytes == 2 * 1024**3
    assert second.shared_paths == ("/srv/vms",)
    assert second.cores_overcommit == 4
    assert second.labels == {"rack": "a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[host]", "not TOML"),
        ("", "names no host"),
        ("host = 3", "list of tables"),
        ("[hosts]\nuri = 'a'", "unknown key hosts"),
        ("[[host]]\nurl = 'qemu+ssh://a/system'", "host[0].url"),
        ("[[host]]\nname = 'a'", "host[0].uri"),
        ("[[host]]\nuri = 'kvm1'", "host[0]: 'kvm1' is not a libvirt URI"),
        ("[[host]]\nuri = 'qemu:///system'", "needs a name"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nmigration_link = 1", "host[0].migration_link"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nmigration_link = 'fast'", "migration_link"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nmemory_reserve = '1gbit'", "memory_reserve"),
        ("[[host]]\nuri='qemu+ssh://a/system'\ncores_overcommit = 0", "cores_overcommit"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nshared_paths = 'x'", "shared_paths"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nshared_paths = ['x']", "absolute"),
        ("[[host]]\nuri='qemu+ssh://a/system'\nname = 'a/b'", "can't be the name"),
        (
            "[[host]]\nuri='qemu+ssh://a/system'\n[[host]]\nuri='qemu+tls://a/system'",
            "both named a",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read_hosts_file(text, file_name="hosts.toml")
    assert said in str(caught.value)
    assert "hosts.toml" in caught.value.message
    assert caught.value.remedy


def test_a_key_that_looks_like_another_is_said_so() -> None:
    text = "[[host]]\nuri='qemu+ssh://a/system'\npeer_url = 'x'"
    with pytest.raises(BadSettings) as caught:
        read_hosts_file(text, file_name="hosts.toml")
    assert "peer_uri" in caught.value.remedy
