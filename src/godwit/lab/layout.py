"""The lab's fixed plan: names, addresses and links. Pure values; nothing is created here.

::

    machine's namespace          gw-fabric (bridges)                 gw-h1, gw-h2, ...
      gw-mgmt  10.213.0.1  ----  management 10.213.0.0/24  --------  mgmt0  10.213.0.11
                                 migration  10.213.1.0/24  --------  migr0  10.213.1.11
      gw-guest 10.213.2.1  ----  guest      10.213.2.0/24  --------  guest0 in bridge br-guest
                                     |
                                 gw-client  10.213.2.2

No namespace has a default route: no packet of the lab can leave the machine.
"""

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum

from godwit.lab.problems import LabMisused

__all__ = [
    "CLIENT_NAMESPACE",
    "FABRIC_NAMESPACE",
    "HOSTS_MAX",
    "HostAddress",
    "Network",
    "guest_address",
    "guest_mac",
    "host_address",
    "host_names",
    "is_lab_namespace",
    "known_host",
    "stable_uuid",
]

FABRIC_NAMESPACE = "gw-fabric"
CLIENT_NAMESPACE = "gw-client"
ROOT_INTERFACES = ("gw-mgmt", "gw-guest")
CLIENT_ADDRESS = "10.213.2.2"
LIBVIRT_PORT = 16509
# Addresses .11 to .90 are the hosts', .100 and up the guests'.
HOSTS_MAX = 16
GUESTS_MAX = 150
_FIRST_HOST = 11
_FIRST_GUEST = 100
_UUID_SPACE = uuid.UUID("5e1f64f2-6f0e-5b0a-9d55-6a2f3c0c9a10")
_HOST_NAME = re.compile(r"h([1-9][0-9]?)")


class Network(StrEnum):
    """The three separate networks; a host has one link to each."""

    MANAGEMENT = "management"
    MIGRATION = "migration"
    GUEST = "guest"

    @property
    def short(self) -> str:
        """The form that fits into an interface's name."""
        return {"management": "mgmt", "migration": "migr", "guest": "guest"}[self.value]

    @property
    def bridge(self) -> str:
        """Its bridge in the fabric."""
        return f"br-{self.short}"

    @property
    def interface(self) -> str:
        """The host's end of the link."""
        return f"{self.short}0"

    @property
    def prefix(self) -> str:
        """The first three parts of its addresses."""
        third = {"management": 0, "migration": 1, "guest": 2}[self.value]
        return f"10.213.{third}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAddress:
    """Everything about a host that follows from its name."""

    name: str
    number: int

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"gw-{self.name}"

    @property
    def management(self) -> str:
        """Its address on the management network."""
        return f"{Network.MANAGEMENT.prefix}.{_FIRST_HOST - 1 + self.number}"

    @property
    def migration(self) -> str:
        """Its address on the migration network."""
        return f"{Network.MIGRATION.prefix}.{_FIRST_HOST - 1 + self.number}"

    @property
    def uri(self) -> str:
        """How this machine reaches its libvirtd."""
        return f"qemu+tcp://{self.management}/system"

    @property
    def peer_uri(self) -> str:
        """How the other hosts reach its libvirtd."""
        return f"qemu+tcp://{self.name}/system"

    @property
    def uuid(self) -> str:
        """Its host UUID, the same in every lab."""
        return stable_uuid("host", self.name)

    def port(self, network: Network) -> str:
        """Return the name of the fabric's end of one of its links."""
        return f"{self.name}-{network.short}"


def host_address(name: str) -> HostAddress | None:
    """Return the address plan of a host, or None when it is no name of a lab host."""
    match = _HOST_NAME.fullmatch(name)
    if match is None or int(match[1]) > HOSTS_MAX:
        return None
    return HostAddress(name=name, number=int(match[1]))


def known_host(name: str) -> HostAddress:
    """Return the address plan of a host whose name is known to be one.

    Raises: LabMisused when it is not.
    """
    address = host_address(name)
    if address is None:
        raise LabMisused(f"{name!r} is no name of a lab host.")
    return address


def host_names(count: int) -> tuple[str, ...]:
    """Return the names of the first ``count`` hosts."""
    return tuple(f"h{number}" for number in range(1, count + 1))


def is_lab_namespace(name: str) -> bool:
    """Say whether a network namespace bears a name that only the lab gives."""
    if name in {FABRIC_NAMESPACE, CLIENT_NAMESPACE}:
        return True
    return name.startswith("gw-") and host_address(name[3:]) is not None


def guest_address(number: int) -> str:
    """Return the address of a guest; the first has number 0."""
    return f"{Network.GUEST.prefix}.{_FIRST_GUEST + number}"


def guest_mac(number: int) -> str:
    """Return the MAC of a guest, within QEMU's own range."""
    return f"52:54:00:d5:02:{_FIRST_GUEST + number:02x}"


def stable_uuid(*parts: str) -> str:
    """Return a UUID that depends on the parts alone."""
    return str(uuid.uuid5(_UUID_SPACE, "/".join(parts)))
