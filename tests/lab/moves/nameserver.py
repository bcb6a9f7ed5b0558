"""A real name server (Knot) on a host of the lab, with a key of its own, and a way to ask it."""

import base64
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query

from godwit.lab.host import LabHost

ZONE, REVERSE = "vms.lab.", "2.213.10.in-addr.arpa."
_FOLDER = "/var/lib/knot"


@dataclass
class Nameserver:
    """Knot, as the primary server of a zone for VMs and of the one for their addresses."""

    host: LabHost
    secret_file: Path

    @classmethod
    def start(cls, host: LabHost, folder: Path) -> "Nameserver":
        """Write fresh zones and a fresh key, and start it."""
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        file = folder / "tsig"
        file.touch(mode=0o600)
        file.write_text(secret)
        started = cls(host=host, secret_file=file)
        started.stop()
        host.run(["rm", "-rf", _FOLDER, "/run/knot"])
        host.run(["mkdir", "-p", _FOLDER, "/run/knot"])
        for zone in (ZONE, REVERSE):
            started._write(f"{_FOLDER}/{zone}zone", _zone(host.address.management))
        started._write("/etc/knot/knot.conf", _configuration(host.address.management, secret))
        host.run(["knotd", "--daemonize", "--config", "/etc/knot/knot.conf"])
        return started

    def _write(self, path: str, text: str) -> None:
        self.host.run(["sh", "-c", 'cat > "$1"', "sh", path], stdin=text)

    @property
    def address(self) -> str:
        return self.host.address.management

    def ask(self, name: str, kind: str) -> dict[str, int]:
        """Value -> TTL, as the server says it now."""
        query = dns.message.make_query(name, kind)
        answer = dns.query.tcp(query, self.address, timeout=5)
        return {one.to_text().strip('"'): found.ttl for found in answer.answer for one in found}

    def freeze(self) -> None:
        """Connections are accepted by the kernel, and nothing is ever answered."""
        self._signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End it, if it runs."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in self.host.processes():
            if process.program() == "knotd":
                process.send(number)

    def settings(self, **more: str) -> str:
        """The part of the settings that keeps the records of all VMs here."""
        extra = "".join(f"{key} = {value}\n" for key, value in more.items())
        return f"""
[[record]]
name = "dns"
kind = "dns"
server = "{self.address}"
key = {{ name = "godwit", secret_file = "{self.secret_file}" }}
zones = ["{ZONE}", "{REVERSE}"]
host_name = "{{vm}}.{ZONE}"
place_name = "{{vm}}._host.{ZONE}"
ttl = "60s"
{extra}"""


def _zone(address: str) -> str:
    return (
        "@ 60 SOA ns hostmaster 1 3600 600 86400 60\n"
        f"@ 60 NS ns.{ZONE}\n"
        # In the other zone it is a name like any other.
        f"ns 60 A {address}\n"
    )


def _configuration(address: str, secret: str) -> str:
    return f"""
server:
    listen: {address}@53
    rundir: /run/knot
    user: root:root
log:
  - target: /var/log/knot.log
    any: info
database:
    storage: {_FOLDER}
key:
  - id: godwit
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: godwit
    key: godwit
    action: update
template:
  - id: default
    storage: {_FOLDER}
    acl: godwit
zone:
  - domain: {ZONE}
    file: {ZONE}zone
  - domain: {REVERSE}
    file: {REVERSE}zone
"""
