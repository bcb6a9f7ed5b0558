"""Which DNS records say where a guest is, and what they should say: pure, no server is asked.

A *set* is all values under one name and type, which is what DNS replaces as a whole. Values are in
the text form of zone files, sorted.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from godwit.core.errors import BadValue
from godwit.ports import GuestPlace

__all__ = [
    "PLACE",
    "DnsNames",
    "HostSubnet",
    "Key",
    "RecordType",
    "Said",
    "change_of",
    "check_template",
    "wanted",
    "zone_of",
]

#: What a VM's name may consist of to be put into the name of a record. Dots part labels.
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_TEMPLATE: Final = re.compile(r"[A-Za-z0-9_.-]*\{vm\}[A-Za-z0-9_.-]*\.")
_NAME_LENGTH_MAX: Final = 253
_LABEL_LENGTH_MAX: Final = 63


class RecordType(Enum):
    """The types of records that are kept."""

    A = "A"
    AAAA = "AAAA"
    PTR = "PTR"
    #: ``vm -> host``, for people and scripts.
    TXT = "TXT"


#: A set is known by its name, in small letters with the dot at the end, and its type.
Key: TypeAlias = tuple[str, RecordType]

PLACE: Final = RecordType.TXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a set says; no values: there is no such set."""

    values: tuple[str, ...] = ()
    ttl_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSubnet:
    """Guests on hosts with this label have their addresses here: the host part stays the same."""

    label: str
    value: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsNames:
    """What is kept for each VM. Templates hold ``{vm}`` and end with a dot; so do zones."""

    host_name: str
    place_name: str
    zones: tuple[str, ...]
    types: frozenset[RecordType]
    ttl_s: int = 60
    subnets: tuple[HostSubnet, ...] = field(default=())


def check_template(template: str) -> None:
    """Raises: BadValue when a template can't make a name."""
    if not _TEMPLATE.fullmatch(template) or ".." in template or template.startswith("."):
        raise BadValue(
            f"{template!r} makes no DNS name",
            remedy='Write it whole, with {vm} in it and a dot at its end: "{vm}.vms.example.org."',
        )


def _named(template: str, vm_name: str) -> str:
    name = template.replace("{vm}", vm_name).lower()
    labels = name.removesuffix(".").split(".")
    if (
        not _NAME.fullmatch(vm_name)
        or len(name) > _NAME_LENGTH_MAX
        or not all(0 < len(label) <= _LABEL_LENGTH_MAX for label in labels)
    ):
        raise BadValue(
            f"the name {vm_name!r} can't be part of a DNS name",
            remedy="Letters, digits, hyphens, underscores and dots can be. Exclude it by `vms`.",
        )
    return name


def zone_of(names: DnsNames, name: str) -> str | None:
    """The most special of our zones that a name lies in."""
    inside = [one for one in names.zones if name == one or name.endswith("." + one)]
    return max(inside, key=len, default=None)


def addresses_at(
    names: DnsNames, place: GuestPlace
) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """The guest's addresses at a place, moved into the subnets of its host; no link-local ones."""
    found = set()
    for text in place.addresses:
        try:
            address = ipaddress.ip_address(text.partition("%")[0].partition("/")[0])
        except ValueError:
            continue  # the probe of the policy may name the guest instead
        if not (address.is_link_local or address.is_loopback):
            found.add(_moved(names, place, address))
    return tuple(sorted(found, key=lambda one: (one.version, int(one))))


def _moved(
    names: DnsNames, place: GuestPlace, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    for subnet in names.subnets:
        if place.labels.get(subnet.label) != subnet.value:
            continue
        network = subnet.network
        if network.version == address.version:
            own = int(address) & int(network.hostmask)
            return type(address)(int(network.network_address) | own)
    return address


def wanted(names: DnsNames, place: GuestPlace) -> Mapping[Key, tuple[str, ...]]:
    """What every set should say when the guest is at a place. Raises: BadValue for its name.

    Sets of which nothing is known (an address of no kind, a reverse name outside our zones) are
    left out: they are not touched.
    """
    host_name = _named(names.host_name, place.vm_name)
    sets: dict[Key, tuple[str, ...]] = {}
    if RecordType.TXT in names.types:
        sets[_named(names.place_name, place.vm_name), RecordType.TXT] = (f'"{place.host}"',)
    addresses = addresses_at(names, place)
    for version, kind in ((4, RecordType.A), (6, RecordType.AAAA)):
        of_kind = tuple(sorted(str(one) for one in addresses if one.version == version))
        if kind in names.types and of_kind:
            sets[host_name, kind] = of_kind
    if RecordType.PTR in names.types:
        for address in addresses:
            reverse = address.reverse_pointer + "."
            if zone_of(names, reverse) is not None:
                sets[reverse, RecordType.PTR] = (host_name,)
    return sets


def change_of(
    names: DnsNames, old: GuestPlace, new: GuestPlace, saw: Mapping[Key, Said]
) -> Mapping[Key, tuple[str, ...]]:
    """What every set is to say after the switch, those included that stay as they are.

    A set that only the old place had goes, if it said what we would have said ourselves.
    """
    after = dict(wanted(names, new))
    for key, values in wanted(names, old).items():
        if key not in after:
            seen = saw.get(key, Said()).values
            after[key] = () if seen == values else seen
    return after
