"""Goal: what the settings say of the network is read whole, or refused with the key."""

import ipaddress
from pathlib import Path

import pytest

from godwit.core.errors import BadSettings
from godwit.daemon.keepers import forwarding_reader, record_rules
from godwit.daemon.network_settings import CommandRecord, DnsRecord, WebhookRecord
from godwit.daemon.settings import Settings, load_settings
from godwit.drivers.records.dns_names import HostSubnet, RecordType

DNS = """
[[record]]
name = "dns"
kind = "dns"
vms = ["web-*"]
limit = "2s"
tries = 2
server = "192.0.2.53"
port = 5353
key = { name = "godwit", secret_file = "SECRET" }
zones = ["VMs.example.org.", "2.0.192.in-addr.arpa."]
types = ["A", "TXT"]
host_name = "{vm}.vms.example.org."
place_name = "{vm}._host.vms.example.org."
ttl = "30s"
subnets = [{ label = "rack", value = "b1", network = "198.51.100.0/24" }]
"""
COMMAND = """
[[record]]
name = "dhcp"
kind = "command"
command = ["moved", "{vm}"]
steps = ["switch", "roll_back"]
"""
WEBHOOK = """
[[record]]
name = "balancer"
kind = "webhook"
url = "https://balancer.example.org/moved"
secret_file = "SECRET"
"""
FORWARDING = """
[forwarding]
command = ["ssh", "{host}", "bridge", "-json", "fdb", "show"]
[[forwarding.upstream]]
name = "tor1"
command = ["ssh", "tor1", "bridge", "-json", "fdb", "show"]
ports = { kvm1 = "swp1" }
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text("c2VjcmV0IQ==")
    return file


def _load(directory: Path, text: str) -> Settings:
    text = text.replace("SECRET", str(directory / "secret"))
    (directory / "godwit.toml").write_text(text)
    return load_settings({"GODWIT_STATE": str(directory)})


def test_everything_is_read_and_becomes_drivers(tmp_path: Path, secret: Path) -> None:
    found = _load(tmp_path, DNS + COMMAND + WEBHOOK + FORWARDING)

    dns, command, webhook = found.records
    assert (dns.name, dns.patterns, dns.limit_s, dns.tries) == ("dns", ("web-*",), 2.0, 2)
    assert isinstance(dns.kind, DnsRecord)
    assert (dns.kind.server, dns.kind.port) == ("192.0.2.53", 5353)
    assert dns.kind.key is not None
    assert (dns.kind.key.algorithm, dns.kind.key.secret_file) == ("hmac-sha256", secret)
    assert dns.kind.names.zones == ("vms.example.org.", "2.0.192.in-addr.arpa.")
    assert dns.kind.names.types == {RecordType.A, RecordType.TXT}
    assert dns.kind.names.ttl_s == 30
    network = ipaddress.ip_network("198.51.100.0/24")
    assert dns.kind.names.subnets == (HostSubnet(label="rack", value="b1", network=network),)
    assert command.kind == CommandRecord(
        argv=("moved", "{vm}"), steps=frozenset({"switch", "roll_back"})
    )
    assert (command.patterns, command.limit_s, command.tries) == (("*",), 5.0, 3)
    assert isinstance(webhook.kind, WebhookRecord)
    assert webhook.kind.secret_file == secret
    assert len(webhook.kind.steps) == 4
    assert found.forwarding is not None
    assert found.forwarding.upstream[0].ports == {"kvm1": "swp1"}
    rules = record_rules(found.records)
    assert [rule.keeper.name for rule in rules] == ["dns", "dhcp", "balancer"]
    assert forwarding_reader(found.forwarding) is not None


def test_without_a_word_of_it_nothing_is_kept_and_nothing_is_read(tmp_path: Path) -> None:
    found = _load(tmp_path, "")
    assert (record_rules(found.records), forwarding_reader(found.forwarding)) == ((), None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[record]]\nname = "x"\n', "record[0]: Unable to extract tag"),
        (COMMAND.replace('"command"', '"smtp"'), "'smtp'"),
        (COMMAND.replace("command =", "commands ="), "commands: there is no such setting"),
        (COMMAND.replace('["moved", "{vm}"]', "[]"), "command: "),
        (COMMAND.replace('"roll_back"', '"rollback"'), "steps[1]: "),
        (COMMAND + "limit = 60.0\n", "record[0].limit: Input should be less than"),
        (COMMAND + "tries = 0\n", "tries: Input should be greater than"),
        (COMMAND + COMMAND, "record: the name 'dhcp' is used more than once"),
        (DNS.replace('"{vm}.vms.example.org."', '"web.org."'), "host_name: 'web.org.' makes no"),
        (DNS.replace('"{vm}._host.vms.example.org."', '"{vm}.net."'), "lies in none of the zones"),
        (DNS.replace('"VMs.example.org."', '"vms.example.org"'), "a dot at its end"),
        (DNS.replace("198.51.100.0/24", "198.51.100.7/24"), "has host bits set"),
        (DNS.replace('"TXT"]', '"MX"]'), "types[1]: "),
        (DNS.replace('name = "godwit"', 'name = "k", secret = "hush"'), "secret: there is no such"),
        (DNS.replace('"SECRET"', '"/nowhere/key"'), "the secret can't be used: No such file"),
        (DNS.replace('"SECRET"', '"c2VjcmV0"'), "the secret can't be used: No such file"),
        (WEBHOOK.replace("https://balancer", "ftp://me:hush@balancer"), "a URL of http or https"),
        (FORWARDING.replace("{host}", "kvm1"), "command has no {host}"),
        (FORWARDING + "port = {}\n", "forwarding.upstream[0].port: there is no such setting"),
    ],
)
def test_a_wrong_part_is_refused_with_its_key(
    tmp_path: Path, secret: Path, text: str, says: str
) -> None:
    assert secret.exists()
    with pytest.raises(BadSettings) as caught:
        _load(tmp_path, text)
    assert says in caught.value.evidence
    assert "hush" not in caught.value.evidence
    assert "c2VjcmV0" not in caught.value.evidence


def test_a_secret_that_everybody_may_read_is_refused(tmp_path: Path, secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(BadSettings) as caught:
        _load(tmp_path, WEBHOOK)
    assert "everybody on this machine" in caught.value.evidence
